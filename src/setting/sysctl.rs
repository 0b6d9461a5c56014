//! Kernel parameters: the live value, and the one that the next boot will set.

use crate::catalogue::SysctlSetting;
use crate::host::sysctl::same_value;
use crate::host::{HostError, LiveSysctls, Refusal, State, SysctlKey, Thing};

use super::{Change, Effect, Finding, Outcome, Remedy, Stage, Subject, Want, sysctl_file};

pub(super) fn judge(setting: &SysctlSetting, subject: &Subject<'_>) -> Vec<Finding> {
    let key = match SysctlKey::parse(&setting.key) {
        Ok(key) => key,
        Err(error) => {
            return vec![finding(
                setting,
                "unknown",
                "",
                Outcome::Unknown(error.to_string()),
            )];
        }
    };
    let live = subject.host.live.as_ref().map_or_else(
        || Live::NotRunning,
        |live| match live.read(&key) {
            Ok(None) => Live::NoSuchKey,
            Ok(Some(value)) => Live::Value(value, Kernel::of(live)),
            Err(error) => Live::Unreadable(Finding::unreadable(
                setting.key.clone(),
                setting.value.clone(),
                &error,
            )),
        },
    );
    if matches!(live, Live::NoSuchKey) {
        let reason = "not supported by this kernel".to_owned();
        return vec![finding(
            setting,
            "no such key",
            "/proc/sys",
            Outcome::NotApplicable(reason),
        )];
    }
    let mut findings = Vec::with_capacity(2);
    match live {
        Live::Value(value, whose) => findings.push(judge_live(setting, &key, &value, whose)),
        Live::Unreadable(finding) => findings.push(finding),
        Live::NotRunning | Live::NoSuchKey => {}
    }
    findings.push(judge_next_boot(setting, &key, subject));
    findings
}

/// Judges the live value alone; nothing if this kernel has no such key.
pub(super) fn judge_key(
    setting: &SysctlSetting,
    key: &SysctlKey,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let Some(live) = &subject.host.live else {
        return Vec::new();
    };
    let finding = match live.read(key) {
        Ok(Some(value)) => judge_live(setting, key, &value, Kernel::of(live)),
        Err(error) => Finding::unreadable(setting.key.clone(), setting.value.clone(), &error),
        Ok(None) => return Vec::new(),
    };
    vec![finding]
}

/// The live value, where a kernel runs.
enum Live {
    NotRunning,
    NoSuchKey,
    Value(String, Kernel),
    Unreadable(Finding),
}

/// Whose kernel it is.
#[derive(Clone, Copy)]
enum Kernel {
    Ours,
    /// That of the machine around a container.
    Around,
}

impl Kernel {
    const fn of(live: &LiveSysctls) -> Self {
        match live.is_ours() {
            true => Self::Ours,
            false => Self::Around,
        }
    }
}

fn judge_live(setting: &SysctlSetting, key: &SysctlKey, value: &str, whose: Kernel) -> Finding {
    let place = format!("/proc/sys/{}", key.as_str());
    if same_value(value, &setting.value) {
        return finding(setting, value, &place, Outcome::Holds);
    }
    match whose {
        Kernel::Ours => {
            let change = Change {
                thing: Thing::Sysctl(key.clone()),
                before: State::Value(value.to_owned()),
                after: State::Value(setting.value.clone()),
                stage: Stage::LiveSysctl,
                effect: Effect::None,
            };
            let outcome = Outcome::Diverges(vec![Remedy::Change(change)]);
            finding(setting, value, &place, outcome)
        }
        Kernel::Around => {
            let observed = format!("{value}; {}", Refusal::OtherKernel);
            let outcome = Outcome::Diverges(vec![Remedy::ByOperator]);
            finding(setting, &observed, &place, outcome)
        }
    }
}

fn judge_next_boot(setting: &SysctlSetting, key: &SysctlKey, subject: &Subject<'_>) -> Finding {
    let remedy = || {
        let want = Want {
            key: key.clone(),
            value: setting.value.clone(),
        };
        match sysctl_file::persist(subject, std::slice::from_ref(&want)) {
            Err(error @ HostError::Refused { .. }) => Outcome::Unknown(error.to_string()),
            // Other failures are met again when all keys are planned together, and told there.
            _ => Outcome::Diverges(vec![Remedy::PersistSysctl(want)]),
        }
    };
    let mut finding = match (subject.next_boot)() {
        Err(error) => {
            return Finding::unreadable(setting.key.clone(), setting.value.clone(), &error);
        }
        Ok(next_boot) => match next_boot.assignment(key) {
            Some(winner) => {
                let place = winner.place();
                let is_right = same_value(&winner.value, &setting.value);
                let for_all = is_right
                    && sysctl_file::is_ours_for_all(subject, &winner.path).unwrap_or(false);
                let (observed, outcome) = match (is_right, for_all) {
                    (true, true) => {
                        let observed =
                            format!("{}, and others than root may write it", winner.value);
                        (observed, remedy())
                    }
                    (true, false) => (winner.value.clone(), Outcome::Holds),
                    (false, _) => (winner.value.clone(), remedy()),
                };
                finding(setting, &observed, &place, outcome)
            }
            None => match next_boot.exclusion(key) {
                Some(exclusion) => finding(setting, "left out there", &exclusion.place(), remedy()),
                None => finding(setting, "not set", "sysctl.d", remedy()),
            },
        },
    };
    finding.what = format!("{} at next boot", setting.key);
    finding
}

fn finding(setting: &SysctlSetting, observed: &str, seen_at: &str, outcome: Outcome) -> Finding {
    Finding {
        what: setting.key.clone(),
        wanted: setting.value.clone(),
        observed: observed.to_owned(),
        seen_at: seen_at.to_owned(),
        outcome,
    }
}
