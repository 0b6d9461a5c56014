//! Component arguments: what the next start would give each component.

use crate::catalogue::{ArgumentSetting, K3S_DEFAULT, KeepKind, Requirement, Unless, Value, holds};
use crate::host::{HostError, READ_LIMIT_BYTES};
use crate::k3s::component::{Component, InForce, in_force_on_line, left_to_a_file};
use crate::k3s::{Effective, Place};

use super::configuration::{LeaveOut, Line, Wish};
use super::{Finding, Outcome, Remedy, Running, Subject, Validity};

pub(super) fn judge(setting: &ArgumentSetting, subject: &Subject<'_>) -> Vec<Finding> {
    let effective = match (subject.effective)() {
        Ok(effective) => effective,
        Err(reason) => {
            return vec![finding(setting, "unknown", "", Outcome::Unknown(reason))];
        }
    };
    let (value, place) = match in_force(effective, setting.component, &setting.flag) {
        Observed::Value(value, place) => (value, place),
        Observed::Unseen(error) => {
            let unknown = Outcome::Unknown(error.with_mend());
            return vec![finding(setting, "unknown", "", unknown)];
        }
        Observed::NotRunning => {
            let reason = format!("{} does not run on this node", setting.component);
            return not_applicable(setting, "not running", "", reason);
        }
        Observed::NoSuchFlag => {
            let version = effective.version;
            let reason = format!("{} of K3s {version} knows no such flag", setting.component);
            return not_applicable(setting, "no such flag", "", reason);
        }
    };
    if let Some(reason) = idle(setting, effective) {
        let shown = value.shown_as(&setting.flag);
        return not_applicable(setting, &shown, &place.to_string(), reason);
    }
    // The kubelet's own defaults are values too; where the catalogue says that nothing need be set, they hold.
    let by_default = setting.absent_holds && place == Place::Default;
    let is_right = holds(&setting.require, &value, setting.absent_holds);
    let outcome = if by_default || is_right {
        Outcome::holds_at(effective)
    } else {
        let is_ours = wish(setting, subject).is_some() || leave_out(setting, subject).is_some();
        Outcome::Diverges(vec![match is_ours {
            true => Remedy::Configure,
            false => Remedy::ByOperator,
        }])
    };
    // That nobody sets it is what holds then, not what the kubelet makes of it (`rotate-certificates` is false there).
    let observed = if is_right || !by_default {
        value
    } else {
        Value::Absent
    };
    let mut shown = observed.shown_as(&setting.flag);
    let mut outcome = outcome;
    if let Some(section) = lacks_section(setting, subject, effective, &observed) {
        shown = format!("{shown}, which has no section {section}");
        outcome = Outcome::Diverges(vec![Remedy::ByOperator]);
    }
    let place = breaking_item(setting, effective).unwrap_or(place);
    let mut findings = vec![finding(setting, &shown, &place.to_string(), outcome)];
    findings.extend(judge_running(setting, subject, effective));
    findings
}

/// Why the flag does nothing, where another one leaves it nothing to do.
fn idle(setting: &ArgumentSetting, effective: &Effective) -> Option<String> {
    let Unless { flag, equals } = setting.unless.as_ref()?;
    let found = in_force(effective, setting.component, flag);
    let Observed::Value(value, place) = found else {
        return None;
    };
    let require = Requirement::Equals(equals.clone());
    holds(&require, &value, false)
        .then(|| format!("with --{flag}={equals} ({place}) it does nothing"))
}

/// Where the last item of a list stands that breaks the requirement by itself: it need not be the last of the list.
fn breaking_item(setting: &ArgumentSetting, effective: &Effective) -> Option<Place> {
    if !setting.require.is_broken_by_one() {
        return None;
    }
    let (component, version) = (setting.component, effective.version);
    let found = effective.start.in_force(component, &setting.flag, version);
    let InForce::List { elements } = found else {
        return None;
    };
    let breaks = |(item, _): &(String, Place)| {
        let alone = Value::List(vec![item.clone()]);
        !holds(&setting.require, &alone, setting.absent_holds)
    };
    let breaking = elements.into_iter().rfind(breaks);
    breaking.map(|(_, place)| place)
}

/// The section that is asked of the file which the flag names, where an operator's file is there, is taken and has none.
fn lacks_section<'s>(
    setting: &'s ArgumentSetting,
    subject: &Subject<'_>,
    effective: &Effective,
    value: &Value,
) -> Option<&'s str> {
    let section = setting.section.as_deref()?;
    let Value::Scalar(name) = value else {
        return None;
    };
    let path = effective.named_file(name);
    let content = subject.host.root.read(&path, READ_LIMIT_BYTES).ok()??;
    let kind = KeepKind::AdmissionConfiguration;
    let validity = (subject.validity)(kind, Some(section), &content);
    matches!(validity, Validity::Lacks(_)).then_some(section)
}

/// The same flag of the K3s that runs now. What the kubelet takes from files is not in what K3s logs, so a flag that is
/// on neither command line says nothing.
fn judge_running(
    setting: &ArgumentSetting,
    subject: &Subject<'_>,
    effective: &Effective,
) -> Option<Finding> {
    let running = (subject.running)();
    let Running::Started(started) = running.as_ref() else {
        return None;
    };
    let lines = match &started.arguments {
        Ok(lines) => lines,
        Err(reason) => {
            let reason = format!("what the running K3s was started with is not known: {reason}");
            let unknown = Outcome::Unknown(reason);
            return Some(finding(setting, "unknown", "", unknown).of_running());
        }
    };
    let component = setting.component;
    let Some(words) = lines.get(&setting.component) else {
        // The journal was cut, or the component is yet to be started; one that the next start has none of is no news.
        let runs = !matches!(
            in_force(effective, component, &setting.flag),
            Observed::NotRunning
        );
        let reason = format!(
            "what the running {} was started with is not known: the journal has no such line of this run",
            setting.component
        );
        let unknown = Outcome::Unknown(reason);
        return runs.then(|| finding(setting, "unknown", "", unknown).of_running());
    };
    if left_to_a_file(component, words, &setting.flag) {
        // As with the kubelet's files: the restart gate knows whether it was changed since.
        return None;
    }
    let Observed::Value(value, _) = observed(found_running(setting, effective, words)) else {
        return None;
    };
    if component == Component::Kubelet && value == Value::Absent {
        let mut next = effective.start.components.values(component, &setting.flag);
        next.next()?;
    }
    let outcome = if holds(&setting.require, &value, setting.absent_holds) {
        Outcome::Holds
    } else {
        Outcome::Diverges(vec![Remedy::Restart])
    };
    let shown = value.shown_as(&setting.flag);
    Some(finding(setting, &shown, started.arguments_seen_at, outcome).of_running())
}

/// What the running component was told by its command line, or by a file that the line names and it reads anew itself.
fn found_running(setting: &ArgumentSetting, effective: &Effective, words: &[String]) -> InForce {
    let (component, flag) = (setting.component, &setting.flag);
    match in_force_on_line(component, words, flag, effective.version) {
        InForce::Absent => {
            let start = &effective.start;
            let by_file = start.in_force_by_the_same_file(component, words, flag);
            by_file.unwrap_or(InForce::Absent)
        }
        found => found,
    }
}

/// What a flag comes to.
pub(super) enum Observed {
    Value(Value, Place),
    Unseen(HostError),
    NotRunning,
    NoSuchFlag,
}

pub(super) fn in_force(effective: &Effective, component: Component, flag: &str) -> Observed {
    observed(effective.start.in_force(component, flag, effective.version))
}

fn observed(found: InForce) -> Observed {
    match found {
        InForce::NotRunning => Observed::NotRunning,
        InForce::Unseen(error) => Observed::Unseen(error),
        InForce::NoSuchFlag => Observed::NoSuchFlag,
        InForce::Absent => Observed::Value(Value::Absent, Place::Default),
        InForce::One { value, place } => Observed::Value(Value::Scalar(value), place),
        InForce::Emptied { place } => Observed::Value(Value::List(Vec::new()), place),
        InForce::List { elements } => {
            let place = elements
                .last()
                .map_or(Place::Default, |(_, place)| place.clone());
            let elements = elements.into_iter().map(|(element, _)| element).collect();
            Observed::Value(Value::List(elements), place)
        }
    }
}

/// The line that would give the flag its value, where the catalogue has one.
pub(super) fn wish(setting: &ArgumentSetting, subject: &Subject<'_>) -> Option<Wish> {
    let value = match setting.set.as_deref()? {
        K3S_DEFAULT => default_of(setting, subject)?,
        set => subject.filled(set)?,
    };
    Some(Wish {
        line: Line::Argument {
            component: setting.component,
            flag: setting.flag.clone(),
            value,
        },
        require: setting.require.clone(),
        absent_holds: setting.absent_holds,
    })
}

/// What is left out of the operator's list, where the catalogue says so.
pub(super) fn leave_out(setting: &ArgumentSetting, subject: &Subject<'_>) -> Option<LeaveOut> {
    let may = setting.leave_out && subject.is_asked_for;
    may.then(|| {
        LeaveOut(Wish {
            line: Line::Argument {
                component: setting.component,
                flag: setting.flag.clone(),
                value: default_of(setting, subject).unwrap_or_default(),
            },
            require: setting.require.clone(),
            absent_holds: setting.absent_holds,
        })
    })
}

/// What K3s itself gives the flag, where an operator's items have taken its place; `None` where it gives none.
fn default_of(setting: &ArgumentSetting, subject: &Subject<'_>) -> Option<String> {
    let effective = (subject.effective)().ok()?;
    let line = effective.start.components.line(setting.component);
    let values = line.iter().filter(|argument| argument.flag == setting.flag);
    let mut overrode = values.flat_map(|argument| &argument.overrode);
    let default = overrode.find(|before| before.place == Place::Default);
    default.map(|default| default.value.clone())
}

fn not_applicable(
    setting: &ArgumentSetting,
    observed: &str,
    seen_at: &str,
    reason: String,
) -> Vec<Finding> {
    let outcome = Outcome::NotApplicable(reason);
    vec![finding(setting, observed, seen_at, outcome)]
}

fn finding(setting: &ArgumentSetting, observed: &str, seen_at: &str, outcome: Outcome) -> Finding {
    Finding {
        what: format!("{} --{}", setting.component, setting.flag),
        wanted: setting.require.to_string(),
        observed: observed.to_owned(),
        seen_at: seen_at.to_owned(),
        outcome,
    }
}
