//! K3s options: what the next start would run with.

use crate::catalogue::OptionSetting;
use crate::k3s::{Effective, OptionKind, Options, Place, is_secret};

use super::configuration::{Line, Wish};
use super::requirement::{Value, holds};
use super::{Finding, Outcome, Remedy, Subject};

pub(super) fn judge(setting: &OptionSetting, subject: &Subject<'_>) -> Vec<Finding> {
    let effective = match (subject.effective)() {
        Ok(effective) => effective,
        Err(reason) => return vec![unknown(setting, reason)],
    };
    let Some((value, place)) = in_force(effective, &setting.name) else {
        let reason = format!("K3s {} has no such option here", effective.version);
        return vec![finding(
            setting,
            "no such option",
            "",
            Outcome::NotApplicable(reason),
        )];
    };
    let outcome = if holds(&setting.require, &value, setting.absent_holds) {
        Outcome::Holds
    } else {
        Outcome::Diverges(vec![match wish(setting, subject) {
            Some(_) => Remedy::Configure,
            None => Remedy::ByOperator,
        }])
    };
    let shown = if is_secret(&setting.name) {
        "{secret}".to_owned()
    } else {
        value.shown()
    };
    vec![finding(setting, &shown, &place.to_string(), outcome)]
}

/// The value of an option at the next start and what gave it; `None` if this release knows no such option.
pub(super) fn in_force(effective: &Effective, name: &str) -> Option<(Value, Place)> {
    let configuration = &effective.configuration;
    if let Some(option) = configuration.merge.options.get(name) {
        let place = option
            .values
            .last()
            .map_or(Place::Default, |value| value.place.clone());
        let mut values = option.values.iter().map(|value| value.value.clone());
        let value = if option.list {
            Value::List(values.collect())
        } else {
            values.next_back().map_or(Value::Absent, Value::Scalar)
        };
        return Some((value, place));
    }
    let known = Options::of(configuration.role, effective.version).find(name)?;
    let value = match (known.default, known.kind) {
        (Some(default), OptionKind::List) => Value::List(vec![default.to_owned()]),
        (Some(default), _) => Value::Scalar(default.to_owned()),
        (None, OptionKind::Bool) => Value::Scalar("false".to_owned()),
        (None, _) => Value::Absent,
    };
    Some((value, Place::Default))
}

/// The line that would give the option its value, where the catalogue has one.
pub(super) fn wish(setting: &OptionSetting, subject: &Subject<'_>) -> Option<Wish> {
    let value = subject.filled(setting.set.as_deref()?)?;
    Some(Wish {
        line: Line::Option {
            name: setting.name.clone(),
            value,
        },
        require: setting.require.clone(),
        absent_holds: setting.absent_holds,
    })
}

fn unknown(setting: &OptionSetting, reason: &str) -> Finding {
    finding(setting, "unknown", "", Outcome::Unknown(reason.to_owned()))
}

fn finding(setting: &OptionSetting, observed: &str, seen_at: &str, outcome: Outcome) -> Finding {
    Finding {
        what: setting.name.clone(),
        wanted: setting.require.to_string(),
        observed: observed.to_owned(),
        seen_at: seen_at.to_owned(),
        outcome,
    }
}
