//! What an option or a flag is given so that a requirement holds, or does not.

use k3warden::catalogue::Requirement;

use crate::Kind;

/// What to give an option or flag; `None` for nothing at all.
pub fn value(require: &Requirement, absent_holds: bool, kind: Kind) -> Option<String> {
    match kind {
        Kind::Compliant if absent_holds => None,
        Kind::Divergent => against(require),
        Kind::Compliant | Kind::Unreadable => with(require),
    }
}

/// A value that does not satisfy a requirement.
fn against(require: &Requirement) -> Option<String> {
    let number = |number: i64| Some(number.to_string());
    let other = Some("k3warden-bad".to_owned());
    match require {
        Requirement::Equals(value) if value == "true" => Some("false".to_owned()),
        Requirement::Equals(value) if value == "false" => Some("true".to_owned()),
        Requirement::Equals(value) if value.parse::<i64>().is_ok() => Some("7".to_owned()),
        Requirement::Equals(_)
        | Requirement::Includes(_)
        | Requirement::SubsetOf(_)
        | Requirement::OneOf(_) => other,
        Requirement::NotEquals(value) => Some(value.clone()),
        Requirement::AtLeast(least) => number(least - 1),
        Requirement::AtMost(most) => number(most + 1),
        Requirement::MoreThan(less) => number(*less),
        Requirement::Excludes(values) => values.first().cloned(),
        Requirement::Absent(_) => other,
        Requirement::Present(_) => Some(String::new()),
        Requirement::NonzeroDuration(_) => Some("0s".to_owned()),
        Requirement::GateNotOff(gate) => Some(format!("{gate}=false")),
        Requirement::Loopback(_) => Some("0.0.0.0".to_owned()),
        Requirement::ModeAtMost(_) => Some("0777".to_owned()),
        Requirement::TlsUrls(keys) | Requirement::LocalUrls(keys) => {
            keys.first().map(|key| format!("{key}=http://0.0.0.0:1"))
        }
    }
}

/// A value that satisfies a requirement.
fn with(require: &Requirement) -> Option<String> {
    let number = |number: i64| Some(number.to_string());
    match require {
        Requirement::Equals(value) => Some(value.clone()),
        Requirement::NotEquals(_) | Requirement::Present(_) => Some("7".to_owned()),
        Requirement::AtLeast(bound) | Requirement::AtMost(bound) => number(*bound),
        Requirement::MoreThan(less) => number(less + 1),
        Requirement::Includes(values) => Some(values.join(",")),
        Requirement::SubsetOf(values) | Requirement::OneOf(values) => values.first().cloned(),
        Requirement::Excludes(_) | Requirement::Absent(_) => None,
        Requirement::NonzeroDuration(_) => Some("5m".to_owned()),
        Requirement::GateNotOff(gate) => Some(format!("{gate}=true")),
        Requirement::Loopback(_) => Some("127.0.0.1".to_owned()),
        Requirement::ModeAtMost(mode) => Some(mode.to_string()),
        Requirement::TlsUrls(keys) | Requirement::LocalUrls(keys) => {
            keys.first().map(|key| format!("{key}=https://127.0.0.1:1"))
        }
    }
}
