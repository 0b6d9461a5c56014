//! The audit log of kube-apiserver: its flags and its place (apiserver `pkg/server/options/audit.go`).

mod policy;

use std::path::Path;

use super::{Line, common, files};
use crate::host::Kind;
use crate::k3s::component::releases::Since;
use crate::k3s::{Files, K3sVersion};
use policy::versions;

pub(super) use policy::refuses;

/// Judges the audit flags and the policy file.
pub(super) fn judge(line: &mut Line<'_>) {
    // Without a path the log back end is off and its flags are not looked at.
    if let Some(argument) = line.given("audit-log-path") {
        for flag in [
            "audit-log-maxage",
            "audit-log-maxbackup",
            "audit-log-maxsize",
        ] {
            common::range(line, flag, 0, i128::from(i64::MAX));
        }
        common::one_of(line, "audit-log-format", &["legacy", "json"]);
        common::one_of(
            line,
            "audit-log-mode",
            &["batch", "blocking", "blocking-strict"],
        );
        common::one_of(line, "audit-log-version", &versions(line.minor()));
        // The flags are judged before the file is opened (`Validate`, `ApplyTo`).
        let path = line.node.named_file(&argument.value);
        let reason = no_place_for_log(&path, line.node.version, line.files);
        if let Some(reason) = reason.filter(|_| argument.value != "-") {
            line.end(&reason, Some(argument));
        }
    }
    if line.given("audit-webhook-config-file").is_some() {
        common::one_of(line, "audit-webhook-version", &versions(line.minor()));
    }
    if let Some(argument) = line.given("audit-policy-file") {
        let prefix = "loading audit policy file";
        let Some(policy) = files::document(line, argument, prefix) else {
            return;
        };
        if let Some(reason) = refuses(&policy, line.minor()) {
            let reason = format!("{prefix}: {reason}: from file {}", argument.value);
            line.end(&reason, Some(argument));
        }
    }
}

/// From here on the apiserver opens its audit log at its start, with which it ends where it cannot.
const OPENS_SINCE_MINOR: u16 = 22;
/// From here on it makes the directory of its audit log (kubernetes PR 110813 and its backports, each looked up in
/// `pkg/server/options/audit.go` of the apiserver's module).
const MAKES_DIRECTORY_SINCE: &str = "1.22.13+1.23.10+1.24.4+1.25.0";

/// Why the apiserver could not open its audit log, with which it ends (apiserver `pkg/server/options/audit.go`
/// ensureLogFile): its directory is missing and not made, or stands where something else is.
pub(super) fn no_place_for_log(
    path: &Path,
    version: K3sVersion,
    files: &Files<'_>,
) -> Option<String> {
    if version.minor < OPENS_SINCE_MINOR {
        return None;
    }
    let makes_directory =
        Since::parse(MAKES_DIRECTORY_SINCE).is_some_and(|since| since.reached(version));
    if makes_directory && matches!(files.kind(path), Ok(Some(Kind::Directory))) {
        return Some(format!(
            "ensureLogFile: open {}: is a directory",
            path.display()
        ));
    }
    let directory = path.parent()?;
    let what = match files.kind(directory) {
        Ok(Some(Kind::Directory)) | Err(_) => return None,
        Ok(Some(_)) => "is no directory",
        Ok(None)
            if files
                .link_target(directory)
                .is_ok_and(|target| target.is_some()) =>
        {
            "is a link that leads nowhere"
        }
        Ok(None) if !makes_directory => "is missing",
        Ok(None) => return no_place_for_log(directory, version, files),
    };
    Some(format!(
        "{} {what}, the directory of the audit log, without which kube-apiserver ends",
        directory.display()
    ))
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::with;

    #[test]
    fn the_flags_of_the_log_are_judged_before_it_is_opened() {
        let items = vec![
            "audit-log-path=/var/lib/rancher/k3s/server/logs/audit.log",
            "audit-log-maxage=-1",
        ];
        let start = with(vec![("kube-apiserver-arg", items)], "1.22.4", Role::Server);
        let reasons: Vec<&str> = start
            .endings
            .iter()
            .map(|ending| ending.reason.as_str())
            .collect();
        assert!(reasons[0].contains("--audit-log-maxage -1"), "{reasons:?}");
        assert!(
            reasons[1].contains("directory of the audit log"),
            "{reasons:?}"
        );
    }

    /// Asked of a real 1.24.4, which made it and was ready.
    #[test]
    fn the_directory_of_the_log_is_made_since_some_patches() {
        for (versions, ends) in [
            ("1.22.0 1.22.12 1.23.9 1.24.0 1.24.3", true),
            ("1.21.14 1.22.13 1.23.10 1.24.4 1.25.0 1.36.3", false),
        ] {
            for version in versions.split_whitespace() {
                let path = vec!["audit-log-path=/gone/audit.log"];
                let start = with(vec![("kube-apiserver-arg", path)], version, Role::Server);
                assert_eq!(
                    !start.endings.is_empty(),
                    ends,
                    "{version}: {:?}",
                    start.endings
                );
            }
        }
    }

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3; alone it is harmless.
    #[test]
    fn what_a_webhook_is_told_has_a_version_where_there_is_one() {
        let (empty, hook) = ("audit-webhook-version=", "audit-webhook-config-file=/none");
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            for (items, ends) in [
                (vec![empty], false),
                (vec![empty, hook], true),
                (vec!["audit-webhook-version=audit.k8s.io/v1", hook], false),
            ] {
                let start = with(
                    vec![("kube-apiserver-arg", items.clone())],
                    version,
                    Role::Server,
                );
                assert_eq!(
                    !start.endings.is_empty(),
                    ends,
                    "{version} {items:?}: {:?}",
                    start.endings
                );
            }
        }
    }
}
