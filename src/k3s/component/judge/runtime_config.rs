//! Which APIs the apiserver is told to serve (apiserver `pkg/server/resourceconfig/helpers.go`).

use super::Line;
use crate::k3s::component::minors;
use crate::k3s::go_value::boolean;

/// The groups of the built-in APIs, of all releases since 1.20 (kubernetes `pkg/controlplane/instance.go`); `api` stands
/// for all of them.
const API_GROUPS: &[&str] = &[
    "admissionregistration.k8s.io",
    "api",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "imagepolicy.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// The version of the core group, which goes without a name.
const CORE: &str = "v1";

/// The minors whose sources were read for [`VERSIONS`], in its order.
const READ_MINORS: [u16; 3] = [24, 31, 36];

/// The versions that the groups have in those (kubernetes `pkg/apis/*/install`): they need not be served, and a version that is gone
/// does not come back.
const VERSIONS: &str = include_str!("../data/api_versions.txt");

/// Judges `runtime-config`.
pub(super) fn judge(line: &mut Line<'_>) {
    let words = line.words("runtime-config");
    if let [("api/all=false", argument)] = words.as_slice() {
        line.end(
            "invalid runtime-config with only api/all=false",
            Some(argument),
        );
    }
    // 1.36 panics without the core group; whether others do is not known.
    let core = words.iter().find(|(word, _)| *word == "v1=false");
    if let Some((_, argument)) = core.filter(|_| line.minor() == 36) {
        let reason = "interface conversion: interface is nil, not rest.Getter";
        line.end(reason, Some(argument));
    }
    let minor = line.minor();
    let wrong = words
        .iter()
        .find_map(|(word, argument)| Some((no_api(word, minor)?, *argument)));
    if let Some((reason, argument)) = wrong {
        line.end(&reason, Some(argument));
    }
}

/// `v1`, `v2beta3`.
fn is_version(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else {
        return false;
    };
    let parts = rest.split_once("alpha").or_else(|| rest.split_once("beta"));
    match parts {
        Some((major, minor)) => is_number(major) && is_number(minor),
        None => is_number(rest),
    }
}

/// Whether a group has a version at a minor; `None` where that is not known.
fn has_version(group: &str, version: &str, minor: u16) -> Option<bool> {
    let mut lines = VERSIONS.lines().filter(|line| !line.starts_with('#'));
    let columns = lines.find_map(|line| line.strip_prefix(group)?.strip_prefix(' '))?;
    let read = READ_MINORS.into_iter().zip(columns.split(' '));
    let has = |versions: &str| versions.split(',').any(|one| one == version);
    let mut was_there = false;
    for (read_minor, versions) in read.take_while(|(read_minor, _)| *read_minor <= minor) {
        if read_minor == minor || (was_there && !has(versions)) {
            return Some(has(versions));
        }
        was_there |= has(versions);
    }
    None
}

/// Why an apiserver does not take a word of `runtime-config` (apiserver `pkg/server/resourceconfig/helpers.go`).
fn no_api(word: &str, minor: u16) -> Option<String> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    if ["api/all", "api/ga", "api/beta", "api/alpha"].contains(&key) {
        return (!["true", "false"].contains(&value))
            .then(|| format!("invalid value {key}={value}"));
    }
    let group = match key.split('/').collect::<Vec<_>>().as_slice() {
        [CORE] => return None,
        [group, _] | [group, _, _] => *group,
        _ => return Some(format!("runtime-config invalid key {key}")),
    };
    if minor <= minors::NEWEST && !API_GROUPS.contains(&group) {
        return Some(format!("unknown api groups {group}"));
    }
    let version = key.split('/').nth(1).unwrap_or_default();
    if !is_version(version) || has_version(group, version, minor) == Some(false) {
        return Some(format!(
            "group version {group}/{version} that has not been registered"
        ));
    }
    let is_bool = value.is_empty() || boolean(value).is_some();
    (!is_bool).then(|| format!("invalid value of {key}: {value}, err: strconv.ParseBool"))
}

#[cfg(test)]
mod tests {
    use super::has_version;
    use crate::k3s::component::tests::ending;

    /// Asked of a real 1.36.3.
    #[test]
    fn a_version_that_a_group_does_not_have_ends_the_apiserver() {
        let of = |item: &str| ending("kube-apiserver-arg", &[item]).unwrap_or_default();
        for (api, is_there) in [
            ("batch/v3", false),
            ("batch/v2alpha1", false),
            ("scheduling.k8s.io/v1alpha1", false),
            ("autoscaling/v2beta2", false),
            ("policy/v1beta1", true),
            ("apps/v1beta1", true),
            ("extensions/v1beta1", true),
            ("extensions/v1beta1/deployments", true),
            ("batch/v1/nope", true),
            ("resource.k8s.io/v1alpha3", true),
            ("imagepolicy.k8s.io/v1alpha1", true),
            ("api/v1", true),
        ] {
            let expected = match is_there {
                true => String::new(),
                false => {
                    format!("apiserver exited: group version {api} that has not been registered")
                }
            };
            assert_eq!(of(&format!("runtime-config={api}=true")), expected, "{api}");
        }
    }

    #[test]
    fn what_is_no_api_ends_the_apiserver() {
        for (item, words) in [
            ("runtime-config=v1=false", "not rest.Getter"),
            ("runtime-config=foo=true", "runtime-config invalid key foo"),
            ("runtime-config=api/all=1", "invalid value api/all=1"),
            ("runtime-config=batch/v1=x", "invalid value of batch/v1: x"),
            (
                "runtime-config=batch/foo=true",
                "group version batch/foo that has not been registered",
            ),
        ] {
            let reason = ending("kube-apiserver-arg", &[item]).unwrap_or_else(|| panic!("{item}"));
            assert!(reason.contains(words), "{item}: {reason}");
        }
    }

    #[test]
    fn between_releases_that_were_read_only_what_is_gone_is_known() {
        for (group, version, minor, expected) in [
            ("autoscaling", "v2beta2", 24, Some(true)),
            ("autoscaling", "v2beta2", 31, Some(true)),
            ("autoscaling", "v2beta2", 33, None),
            ("autoscaling", "v2beta2", 37, Some(false)),
            ("flowcontrol.apiserver.k8s.io", "v1alpha1", 24, Some(true)),
            ("flowcontrol.apiserver.k8s.io", "v1alpha1", 33, Some(false)),
            ("batch", "v2alpha1", 23, None),
            ("batch", "v2alpha1", 24, Some(false)),
            ("batch", "v2alpha1", 30, None),
            ("resource.k8s.io", "v1", 31, Some(false)),
            ("resource.k8s.io", "v1", 37, None),
            ("apiextensions.k8s.io", "v3", 36, None),
        ] {
            let found = has_version(group, version, minor);
            assert_eq!(found, expected, "{group}/{version} 1.{minor}");
        }
    }
}
