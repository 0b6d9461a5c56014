//! Paths of the catalogue: where they lead on every node, and where no file of ours may stand.

use super::Fault;
use crate::catalogue::{Placeholders, did_you_mean, shown};

/// The placeholders that a path may begin with.
const BEGINNINGS: [&str; 4] = ["data_dir", "config_dir", "config_file", "unit_file"];
/// The placeholder of a name, which stands inside a path.
const NAME: &str = "unit";

/// What K3s alone writes below its data directory: keys, credentials, the datastore, what agents were handed; and the
/// manifests, for which there is a kind of setting that knows their rules.
const OF_K3S: [&str; 8] = [
    "server/tls",
    "server/cred",
    "server/manifests",
    "server/db",
    "server/token",
    "server/node-token",
    "server/agent-token",
    "agent",
];

/// A path of one thing.
pub(super) fn of(path: &str) -> Option<Fault> {
    of_form(path).or_else(|| {
        path.contains('*').then(|| {
            let message = format!("path `{}` names one thing and no pattern", shown(path));
            Fault::of_word(path, message, None)
        })
    })
}

/// A path whose last component may be a pattern, and of those before it each that is a `*` alone.
pub(super) fn of_pattern(path: &str) -> Option<Fault> {
    of_form(path).or_else(|| {
        let (directory, _) = path.rsplit_once('/').unwrap_or(("", path));
        let mut way = directory.split('/');
        way.any(|part| part.contains('*') && part != "*").then(|| {
            let message = format!(
                "path `{}`: before the last component only a whole `*` may be a pattern",
                shown(path)
            );
            Fault::of_word(path, message, None)
        })
    })
}

fn of_form(path: &str) -> Option<Fault> {
    of_placeholders(path).or_else(|| {
        let begins = BEGINNINGS
            .iter()
            .any(|name| path.starts_with(&format!("{{{name}}}")));
        let mut parts = path.split('/');
        // What stands before the first slash: nothing, or a placeholder and more.
        parts.next();
        let astray = parts.any(|part| matches!(part, "" | "." | ".."));
        let is_fine =
            (begins || path.starts_with('/')) && !astray && !path.contains(char::is_control);
        (!is_fine).then(|| {
            let message = format!(
                "path `{}` must be absolute, without `..`, `.` and empty parts",
                shown(path)
            );
            let hint = "begin it with `/` or `{data_dir}/`".to_owned();
            Fault::of_word(path, message, Some(hint))
        })
    })
}

/// A placeholder that nobody fills in would make the setting not applicable, on every node and without a word.
fn of_placeholders(path: &str) -> Option<Fault> {
    let known = || BEGINNINGS.into_iter().chain([NAME]);
    Placeholders::of(path).find_map(|placeholder| {
        let whole = placeholder.text;
        let Some(name) = placeholder.name else {
            let message = format!("the `{{` in path `{}` is not closed", shown(path));
            return Some(Fault::of_word(path, message, None));
        };
        if !known().any(|known| known == name) {
            let message = format!("a path has no placeholder `{}`", shown(whole));
            let hint = did_you_mean(name, known()).unwrap_or_else(names);
            return Some(Fault::of_word(whole, message, Some(hint)));
        }
        let stands_inside = placeholder.start > 0;
        (stands_inside != (name == NAME)).then(|| {
            let message = match stands_inside {
                true => format!("`{whole}` is a whole path and stands at the beginning only"),
                false => format!("`{whole}` is a name and no path"),
            };
            Fault::of_word(path, message, None)
        })
    })
}

/// The placeholders of a path, for a hint.
fn names() -> String {
    let all = BEGINNINGS.iter().chain([&NAME]);
    let all: Vec<String> = all.map(|name| format!("`{{{name}}}`")).collect();
    format!("known are {}", all.join(", "))
}

/// A file of ours where only K3s or the operator writes. What is newer below `server/tls` and `server/cred` than the
/// datastore's copy ends K3s (K3s pkg/cluster/bootstrap.go), and K3s reads its configuration with every file beside it.
pub(super) fn of_written(path: &str) -> Option<Fault> {
    let (what, mend) = if is_of_k3s(path) {
        (
            "only K3s writes there",
            "a manifest is `[[control.manifest]]`, a mode `[[control.permissions]]`",
        )
    } else if is_configuration(path) {
        (
            "K3s reads its configuration there",
            "a value of it is `[[control.option]]` or `[[control.argument]]`",
        )
    } else {
        return None;
    };
    let message = format!("no file may be written at `{}`: {what}", shown(path));
    Some(Fault::of_word(path, message, Some(mend.to_owned())))
}

fn is_of_k3s(path: &str) -> bool {
    let below = ["{data_dir}/", "/var/lib/rancher/k3s/"]
        .into_iter()
        .find_map(|data_dir| path.strip_prefix(data_dir));
    below.is_some_and(|below| OF_K3S.iter().any(|of_k3s| is_within(below, of_k3s)))
}

fn is_configuration(path: &str) -> bool {
    let files = [
        "{config_file}",
        "{config_dir}/config.yaml",
        "/etc/rancher/k3s/config.yaml",
    ];
    files
        .iter()
        .any(|file| path == *file || is_within(path, &format!("{file}.d")))
}

fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_way_from_the_root_and_its_placeholders_are_known() {
        for path in [
            "/srv/x",
            "{data_dir}/server",
            "{config_file}.d/*",
            "/etc/{unit}.env",
            "{unit_file}",
        ] {
            assert!(of_pattern(path).is_none(), "{path}");
        }
        for path in [
            "srv",
            "",
            "/srv/../x",
            "/srv//x",
            "/srv/./x",
            "/srv/",
            "{dat_dir}/x",
            "{data_dir",
            "/srv/{data_dir}",
            "{unit}.env",
            "/srv/a\nb",
            "/a*/b",
            "/a/*b/c",
        ] {
            assert!(of_pattern(path).is_some(), "{path}");
        }
        assert!(of_pattern("/a/*/b/*").is_none());
        assert!(of("/a/*").is_some());
    }

    #[test]
    fn no_file_of_ours_stands_where_k3s_writes_or_reads_its_configuration() {
        for path in [
            "{data_dir}/server/tls/server-ca.crt",
            "/var/lib/rancher/k3s/server/cred/x",
            "{data_dir}/server/manifests/x.yaml",
            "{config_file}",
            "{config_file}.d/zzz.yaml",
            "{config_dir}/config.yaml.d/zzz.yaml",
            "/etc/rancher/k3s/config.yaml.d/zzz.yaml",
        ] {
            assert!(of_written(path).is_some(), "{path}");
        }
        for path in [
            "{data_dir}/server/psa.yaml",
            "{data_dir}/server/tlsx",
            "/etc/rancher/k3s/audit.yaml",
        ] {
            assert!(of_written(path).is_none(), "{path}");
        }
    }
}
