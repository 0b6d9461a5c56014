//! K3s options: what the next start would run with, and what the running K3s was started with.

use std::collections::BTreeMap;

use crate::catalogue::{OptionSetting, Value, holds};
use crate::k3s::{Effective, KnownOption, OptionKind, Options, Place};

use super::configuration::{LeaveOut, Line, Wish};
use super::{Finding, Outcome, Remedy, Running, Subject, option_traces};

pub(super) fn judge(setting: &OptionSetting, subject: &Subject<'_>) -> Vec<Finding> {
    let effective = match (subject.effective)() {
        Ok(effective) => effective,
        Err(reason) => return vec![unknown(setting, &reason)],
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
    if let Some(error) = effective.start.effect_unseen(&setting.name) {
        return vec![unknown(setting, &error.with_mend())];
    }
    let outcome = if holds(&setting.require, &value, setting.absent_holds) {
        Outcome::holds_at(effective)
    } else {
        let is_ours = wish(setting, subject).is_some() || leave_out(setting, subject).is_some();
        Outcome::Diverges(vec![match is_ours {
            true => Remedy::Configure,
            false => Remedy::ByOperator,
        }])
    };
    let shown = value.shown_as(&setting.name);
    let place = breaking_item(setting, effective).unwrap_or(place);
    let mut findings = vec![finding(setting, &shown, &place.to_string(), outcome)];
    findings.extend(judge_running(setting, subject, effective));
    findings
}

/// Where the last item of a list stands that breaks the requirement by itself: it need not be the last of the list.
fn breaking_item(setting: &OptionSetting, effective: &Effective) -> Option<Place> {
    let option = effective.configuration.merge.options.get(&setting.name)?;
    if !option.list || !setting.require.is_broken_by_one() {
        return None;
    }
    let breaks = |item: &str| {
        let alone = Value::List(vec![item.to_owned()]);
        !holds(&setting.require, &alone, setting.absent_holds)
    };
    let mut items = option.values.iter().rev();
    items
        .find(|item| breaks(&item.value))
        .map(|item| item.place.clone())
}

/// The same option of the K3s that runs now.
fn judge_running(
    setting: &OptionSetting,
    subject: &Subject<'_>,
    effective: &Effective,
) -> Option<Finding> {
    let running = (subject.running)();
    let Running::Started(started) = running.as_ref() else {
        return None;
    };
    let overruled = option_traces::overruled(&setting.name, effective, started);
    // Where something else than the option has the last word, what the option was tells nothing.
    if overruled.is_none() && own(effective, &setting.name) != in_force(effective, &setting.name) {
        return None;
    }
    let noted = || match &started.options {
        Some(options) => {
            let value = started_with(effective, options, &setting.name)?;
            Some(Some((value, AT_ITS_START)))
        }
        None => Some(option_traces::of(setting, subject, effective, started)),
    };
    let seen = match overruled {
        Some(overruled) => Some(overruled),
        None => noted()?,
    };
    let (observed, seen_at, outcome) = match seen {
        Some((value, seen_at)) if holds(&setting.require, &value, setting.absent_holds) => {
            (value.shown_as(&setting.name), seen_at, Outcome::Holds)
        }
        Some((value, seen_at)) => {
            let outcome = Outcome::Diverges(vec![Remedy::Restart]);
            (value.shown_as(&setting.name), seen_at, outcome)
        }
        None => {
            let reason = "what the running K3s was started with was not written down; it is from its next start on";
            let outcome = Outcome::Unknown(reason.to_owned());
            ("unknown".to_owned(), "", outcome)
        }
    };
    Some(finding(setting, &observed, seen_at, outcome).of_running())
}

/// Where the options of a start are kept.
const AT_ITS_START: &str = "noted when this K3s started";

/// The value that an option had at a start which set these; `None` if this release knows no such option.
fn started_with(
    effective: &Effective,
    options: &BTreeMap<String, Vec<String>>,
    name: &str,
) -> Option<Value> {
    let known = Options::of(effective.configuration.role, effective.version).find(name)?;
    Some(match (options.get(name), known.kind) {
        (None, _) => default(known),
        (Some(values), OptionKind::List) => Value::List(values.clone()),
        (Some(values), _) => values.last().cloned().map_or(Value::Absent, Value::Scalar),
    })
}

/// The value of an option at the next start and what gave it; `None` if this release knows no such option. Where an
/// argument or a file of a component has the last word, that counts.
pub(super) fn in_force(effective: &Effective, name: &str) -> Option<(Value, Place)> {
    let (value, place) = own(effective, name)?;
    let on = Value::Scalar(true.to_string());
    match effective.start.effect_of(name, effective.version) {
        // A component's own default is decided by the option that is not given.
        Some((is_on, Place::Default)) if is_on == (value == on) => Some((value, place)),
        Some((is_on, decided)) => Some((Value::Scalar(is_on.to_string()), decided)),
        None => Some((value, place)),
    }
}

/// The value of an option itself at the next start and what gave it.
fn own(effective: &Effective, name: &str) -> Option<(Value, Place)> {
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
    Some((default(known), Place::Default))
}

/// What an option is where nothing sets it.
fn default(known: &KnownOption) -> Value {
    match (known.default, known.kind) {
        (Some(default), OptionKind::List) => Value::List(vec![default.to_owned()]),
        (Some(default), _) => Value::Scalar(default.to_owned()),
        (None, OptionKind::Bool) => Value::Scalar("false".to_owned()),
        (None, _) => Value::Absent,
    }
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

/// What is left out of the operator's list, where the catalogue says so.
pub(super) fn leave_out(setting: &OptionSetting, subject: &Subject<'_>) -> Option<LeaveOut> {
    let may = setting.leave_out && subject.is_asked_for;
    may.then(|| {
        LeaveOut(Wish {
            line: Line::Option {
                name: setting.name.clone(),
                value: String::new(),
            },
            require: setting.require.clone(),
            absent_holds: setting.absent_holds,
        })
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
