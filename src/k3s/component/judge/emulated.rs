//! The versions that the control plane is to behave as (component-base `compatibility`, apiserver `pkg/util/compatibility`).

use super::Line;
use crate::k3s::component::Argument;
use crate::k3s::go_value::boolean;

/// The one minor whose source was read.
const READ_MINOR: u16 = 36;
/// As many minors back it goes.
const REACH: u64 = 3;

/// A major and a minor version.
type Version = (u64, u64);

/// Judges `emulated-version` and `min-compatibility-version`.
pub(super) fn judge(line: &mut Line<'_>) {
    if line.minor() != READ_MINOR {
        return;
    }
    let given = [
        given(line, "emulated-version"),
        given(line, "min-compatibility-version"),
    ];
    let [emulated, least] = match given {
        [Ok(emulated), Ok(least)] => [emulated, least],
        [Err((reason, argument)), _] | [_, Err((reason, argument))] => {
            line.end(&reason, Some(argument));
            return;
        }
    };
    let newest: Version = (1, u64::from(READ_MINOR));
    let oldest: Version = (1, u64::from(READ_MINOR) - REACH);
    let shown = |(major, minor): Version| format!("{major}.{minor}");
    if let Some((version, argument)) = emulated
        && !(oldest..=newest).contains(&version)
    {
        let reason = format!(
            "emulation version {} is not between [{}, {}]",
            shown(version),
            shown(oldest),
            shown(newest)
        );
        line.end(&reason, Some(argument));
        return;
    }
    // What is not judged here may be any version.
    let is_its_own = match emulated {
        Some((version, _)) => version == newest,
        None => line.words("emulated-version").is_empty(),
    };
    if is_its_own {
        looks_ahead(line);
    }
    let most = emulated.map_or(newest, |(version, _)| version);
    if let Some((version, argument)) = least
        && !(oldest..=most).contains(&version)
    {
        let reason = format!(
            "minCompatibilityVersion version {} is not between [{}, {}]",
            shown(version),
            shown(oldest),
            shown(most)
        );
        line.end(&reason, Some(argument));
    }
}

/// Behaving as its own version it has nothing newer to show (apiserver `pkg/server/options/server_run_options.go`).
fn looks_ahead(line: &mut Line<'_>) {
    for (flag, named) in [
        ("emulation-forward-compatible", "EmulationForwardCompatible"),
        (
            "runtime-config-emulation-forward-compatible",
            "RuntimeConfigEmulationForwardCompatible",
        ),
    ] {
        if let Some(argument) = line.last(flag)
            && boolean(&argument.value) == Some(true)
        {
            let reason = format!(
                "ServerRunOptions.{named} cannot be set to true if the emulation version is the same as the binary version"
            );
            line.end(&reason, Some(argument));
        }
    }
}

/// The version that a flag gives Kubernetes itself; what it gives other components, and what is written otherwise than a real one
/// was asked, is left alone.
fn given<'a>(
    line: &Line<'a>,
    flag: &str,
) -> Result<Option<(Version, &'a Argument)>, (String, &'a Argument)> {
    let words = line.words(flag);
    let of_kubernetes = words
        .iter()
        .map(|(word, argument)| match word.split_once('=') {
            Some(("kube", version)) => Some((version.trim(), *argument)),
            Some(_) => None,
            None => Some((*word, *argument)),
        });
    let of_kubernetes: Option<Vec<_>> = of_kubernetes.collect();
    let (text, argument) = match of_kubernetes.as_deref() {
        Some([one]) => *one,
        Some([(one, _), (other, argument), ..]) => {
            let reason = format!("duplicate version flag, kube={one} and kube={other}");
            return Err((reason, argument));
        }
        _ => return Ok(None),
    };
    let digits = text.strip_prefix('v').unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        let is_text = digits.bytes().all(|byte| byte.is_ascii_alphabetic());
        let reason = format!("could not parse {text:?} as version");
        return if is_text {
            Err((reason, argument))
        } else {
            Ok(None)
        };
    }
    let parts: Option<Vec<u64>> = digits.split('.').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([major, minor] | [major, minor, 0]) => Ok(Some(((*major, *minor), argument))),
        Some([_, _, _]) => Err((
            format!("patch version not allowed, got: kube={digits}"),
            argument,
        )),
        Some([_]) => Err((format!("illegal version string {text:?}"), argument)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::ending;

    /// Asked of a real 1.36.3.
    #[test]
    fn a_version_to_behave_as_is_one_of_the_last_three_or_its_own() {
        let of = |items: &[&str]| ending("kube-apiserver-arg", items).unwrap_or_default();
        for (items, words) in [
            (
                &["emulated-version=1.32"][..],
                "emulation version 1.32 is not between [1.33, 1.36",
            ),
            (
                &["emulated-version=1.37"],
                "emulation version 1.37 is not between",
            ),
            (
                &["emulated-version=kube=1.20"],
                "emulation version 1.20 is not between",
            ),
            (
                &["emulated-version=1.35.3"],
                "patch version not allowed, got: kube=1.35.3",
            ),
            (
                &["emulated-version=abc"],
                "could not parse \"abc\" as version",
            ),
            (&["emulated-version=1"], "illegal version string \"1\""),
            (
                &["min-compatibility-version=1.37"],
                "version 1.37 is not between [1.33, 1.36]",
            ),
            (
                &["min-compatibility-version=1.32"],
                "version 1.32 is not between [1.33, 1.36]",
            ),
            (
                &["emulated-version=1.34", "min-compatibility-version=1.35"],
                "minCompatibilityVersion version 1.35 is not between [1.33, 1.34]",
            ),
        ] {
            let found = of(items);
            assert!(found.contains(words), "{items:?}: {found}");
        }
        for items in [
            &["emulated-version=1.36"][..],
            &["emulated-version=1.33"],
            &["emulated-version=v1.35"],
            &["emulated-version=kube=1.35"],
            &["emulated-version="],
            &["emulated-version=1.35", "min-compatibility-version=1.35"],
            &["min-compatibility-version=1.34"],
        ] {
            assert_eq!(of(items), "", "{items:?}");
        }
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn what_looks_ahead_of_a_version_needs_an_older_one() {
        let of = |items: &[&str]| ending("kube-apiserver-arg", items).unwrap_or_default();
        for flag in [
            "emulation-forward-compatible",
            "runtime-config-emulation-forward-compatible",
        ] {
            let on = format!("{flag}=true");
            for items in [&[on.as_str()][..], &[flag], &[&on, "emulated-version=1.36"]] {
                let found = of(items);
                assert!(
                    found.contains("the same as the binary version"),
                    "{items:?}: {found}"
                );
            }
            for older in ["emulated-version=1.35", "emulated-version=1.35-x"] {
                assert_eq!(of(&[&on, older]), "", "{older}");
            }
            assert_eq!(of(&[&format!("{flag}=false")]), "");
        }
    }
}
