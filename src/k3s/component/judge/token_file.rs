//! The files that have K3s's tokens (pkg/util/file.go ReadFile; up to 1.27 pkg/token/read.go).

use crate::host::Kind;
use crate::k3s::component::Node;
use crate::k3s::component::options::Options;
use crate::k3s::{Ending, Files, Place, Role};

/// Each with its option, its place and what is there; of what cannot be looked at, nothing.
fn named<'a>(
    options: Options<'a>,
    node: &Node,
    files: &Files<'_>,
) -> Vec<(String, Option<&'a Place>, Option<Kind>)> {
    let names: &[&str] = match node.role {
        Role::Server => &["agent-token-file", "token-file"],
        Role::Agent => &["token-file"],
    };
    let names = names.iter().filter_map(|name| {
        let path = node.named_file(options.text(name)?);
        let kind = files.kind(&path).ok()?;
        Some((path.display().to_string(), options.place(name), kind))
    });
    names.collect()
}

/// K3s ends over one that is a directory.
pub(super) fn endings(options: Options<'_>, node: &Node, files: &Files<'_>) -> Vec<Ending> {
    let named = named(options, node, files).into_iter();
    let directories = named.filter(|(_, _, kind)| *kind == Some(Kind::Directory));
    directories
        .map(|(path, place, _)| Ending::of_k3s(format!("read {path}: is a directory"), place))
        .collect()
}

/// It waits for one that is not there: for ever, in later releases for four minutes, after which it ends.
pub(super) fn waits(options: Options<'_>, node: &Node, files: &Files<'_>) -> Vec<String> {
    let named = named(options, node, files).into_iter();
    let absent =
        named.filter_map(|(path, place, kind)| Some((path, place?)).filter(|_| kind.is_none()));
    absent
        .map(|(path, place)| {
            format!("{place}: K3s waits for the file {path}, which is not there; put it there, or name one that is")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::with_files;

    #[test]
    fn a_token_is_waited_for_but_not_read_from_a_directory() {
        let there = [("/etc/rancher/token", "secret")];
        for (option, path, role, reason, waits) in [
            (
                "token-file",
                "/etc/rancher",
                Role::Server,
                "read /etc/rancher: is a directory",
                false,
            ),
            (
                "token-file",
                "/etc/rancher",
                Role::Agent,
                "read /etc/rancher: is a directory",
                false,
            ),
            (
                "agent-token-file",
                "/etc/rancher",
                Role::Server,
                "read /etc/rancher: is a directory",
                false,
            ),
            ("token-file", "/etc/rancher/token", Role::Server, "", false),
            ("token-file", "/etc/none", Role::Server, "", true),
            ("token-file", "/etc/none", Role::Agent, "", true),
        ] {
            for version in ["1.21.5", "1.36.3"] {
                let start = with_files(vec![(option, vec![path])], &there, version, role);
                let found = start.endings.first().map_or("", |ending| &ending.reason);
                assert_eq!(found, reason, "{option} {path} {role:?} {version}");
                let told = "K3s waits for the file /etc/none, which is not there";
                let waiting = start.warnings.iter().any(|warning| warning.contains(told));
                assert_eq!(waiting, waits, "{option} {path}: {:?}", start.warnings);
            }
        }
    }
}
