//! The kernel values with which a kubelet that protects the kernel defaults would not start, now or after a boot: for a line of
//! ours a reason not to write it, for an operator's own a warning before that boot comes.

use std::path::Path;

use crate::catalogue::{ControlId, SettingBody};
use crate::host::sysctl::same_value;
use crate::host::{HostError, NextBoot, State, SysctlKey, Thing};
use crate::k3s::component::KERNEL_PARAMETERS;
use crate::policy::{Decision, Stance};
use crate::setting::Stage;

use super::super::Pass;
use super::super::service::{kernel, part, preflight};
use super::conditions::Conditions;

/// One of the six that is wrong, or may become so.
struct Fault<'a> {
    name: &'static str,
    wanted: String,
    when: When,
    /// What the policy says of the control that asks for it.
    decided: Option<(&'a ControlId, Decision<'a>)>,
}

/// When it is wrong.
enum When {
    Now,
    AfterBoot,
    /// Right today, and any day somebody else's to change.
    AnyDay,
}

/// What an operator's own protection of the kernel defaults comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endangered {
    /// In one sentence, with the mend.
    pub text: String,
    /// K3s does not start at its next start or after the next boot, as far as anybody can tell, and we leave it so.
    pub is_certain: bool,
}

/// Where an operator's own configuration has the kubelet protect the kernel defaults: each of the six values that is not
/// enforced and with which K3s would not start for it, or that nobody keeps right, with the mend.
#[must_use]
pub fn endangered_by_operator(pass: &Pass<'_>) -> Vec<Endangered> {
    let Some(place) = protected_by_operator(pass) else {
        return Vec::new();
    };
    let conditions = Conditions {
        pass,
        planned: &[],
        encrypts: false,
    };
    match conditions.kernel_faults() {
        Ok(faults) => {
            // What is enforced has its own verdict, and apply sets it or says why not.
            let left = faults.iter().filter(|fault| !fault.is_enforced());
            let said = left.map(|fault| Endangered {
                text: fault.of_operator(&place),
                is_certain: fault.stays(),
            });
            said.collect()
        }
        Err(error) => vec![Endangered {
            text: format!(
                "{place} sets protect-kernel-defaults, and whether K3s starts after the next boot cannot be told: {}",
                error.with_mend()
            ),
            is_certain: false,
        }],
    }
}

/// Where the kubelet would be told so without us.
fn protected_by_operator(pass: &Pass<'_>) -> Option<String> {
    let effective = pass.effective().as_ref().ok()?;
    let place = kernel::protected_by(effective)?;
    // A K3s that ends sooner is warned of as that.
    if effective.unsettled().is_some() {
        return None;
    }
    let ours = part::present(pass).ok()?;
    if ours.files.is_empty() {
        return Some(place);
    }
    let without = preflight::without_part(pass, &ours).ok()?;
    kernel::protected_by(&without)
}

impl Conditions<'_, '_> {
    /// Why a line of ours may not have the kubelet protect the kernel defaults.
    pub(super) fn wrong_kernel_value(&self) -> Option<String> {
        match self.kernel_faults() {
            Ok(faults) => faults.first().map(Fault::of_ours),
            Err(error) => Some(error.to_string()),
        }
    }

    /// What is wrong with the six values as this plan leaves them.
    fn kernel_faults(&self) -> Result<Vec<Fault<'_>>, HostError> {
        let persisted = self.planned.iter().filter_map(|change| {
            let is_sysctl = change.stage == Stage::PersistedSysctl;
            match (&change.thing, &change.after) {
                (Thing::Path(path), State::File { content, .. }) if is_sysctl => {
                    Some((path.as_path(), content.as_slice()))
                }
                _ => None,
            }
        });
        let persisted: Vec<(&Path, &[u8])> = persisted.collect();
        let planned;
        let next_boot = if persisted.is_empty() {
            self.pass.next_boot()?
        } else {
            planned = NextBoot::read_with(&self.pass.host.root, persisted.into_iter())?;
            &planned
        };
        let parameters = KERNEL_PARAMETERS.iter();
        let faults = parameters.filter_map(|(name, wanted)| {
            let key = SysctlKey::parse(name).ok()?;
            let wanted = wanted.to_string();
            let decided = self.decision_on(&key);
            let live = self.live_after(&key);
            let boot = next_boot.assignment(&key);
            let when = if live.is_some_and(|value| !same_value(&value, &wanted)) {
                When::Now
            } else if !boot.is_some_and(|assignment| same_value(&assignment.value, &wanted)) {
                When::AfterBoot
            } else if decided.as_ref().is_some_and(is_excepted) {
                When::AnyDay
            } else {
                return None;
            };
            Some(Fault {
                name,
                wanted,
                when,
                decided,
            })
        });
        Ok(faults.collect())
    }

    /// What the policy says of the control that asks for a kernel value.
    fn decision_on(&self, key: &SysctlKey) -> Option<(&ControlId, Decision<'_>)> {
        let sets = |body: &SettingBody| {
            matches!(body, SettingBody::Sysctl(sysctl)
                if SysctlKey::parse(&sysctl.key).is_ok_and(|known| known == *key))
        };
        let mut controls = self.pass.catalogue.controls().iter();
        let control = controls.find(|control| control.settings.iter().any(|it| sets(&it.body)))?;
        Some((&control.id, self.pass.decide(control).0))
    }

    /// The live value as this plan leaves it; `None` where the machine does not run.
    fn live_after(&self, key: &SysctlKey) -> Option<String> {
        let live = self.pass.host.live.as_ref()?;
        let thing = Thing::Sysctl(key.clone());
        let planned = self.planned.iter().find(|change| change.thing == thing);
        match planned.map(|change| &change.after) {
            Some(State::Value(value)) => Some(value.clone()),
            _ => Some(live.read(key).ok().flatten().unwrap_or_default()),
        }
    }
}

impl Fault<'_> {
    /// Why a line of ours is not written. An exception comes first: it is why nobody makes the value right.
    fn of_ours(&self) -> String {
        let Self { name, wanted, .. } = self;
        let left = self.decided.as_ref().map_or_else(String::new, left_alone);
        if self.decided.as_ref().is_some_and(is_excepted) {
            return format!(
                "protect-kernel-defaults is not set while {name} is the operator's{left}"
            );
        }
        match self.when {
            When::Now | When::AnyDay => format!(
                "protect-kernel-defaults would keep K3s from starting while {name} is not {wanted}{left}"
            ),
            When::AfterBoot => format!(
                "protect-kernel-defaults would keep K3s from starting after a boot that does not set {name} to \
                 {wanted}{left}"
            ),
        }
    }

    fn is_enforced(&self) -> bool {
        let decided = self.decided.as_ref();
        decided.is_some_and(|(_, decision)| matches!(decision.stance, Stance::Enforce))
    }

    /// Whether it is wrong and nobody makes it right: what is not excepted K3s's door sets before a start.
    fn stays(&self) -> bool {
        let is_ours = self.decided.as_ref().is_some_and(|it| !is_excepted(it));
        !is_ours && !matches!(self.when, When::AnyDay)
    }

    /// What an operator's own line at `place` comes to, and the mend. Before a start k3warden makes right what is not excepted,
    /// if it is there then and not switched off.
    fn of_operator(&self, place: &str) -> String {
        let Self { name, wanted, .. } = self;
        let left = self.decided.as_ref().map_or_else(String::new, left_alone);
        let set = format!("set {name} = {wanted} in /etc/sysctl.d");
        let (unless, mend) = match &self.decided {
            Some(decided) if is_excepted(decided) => (
                "",
                format!("{set}, end the exception, or take that line out"),
            ),
            Some((control, _)) => (
                ", unless k3warden sets it before that start",
                format!("{set}, have {control} enforced, or take that line out"),
            ),
            None => ("", format!("{set}, or take that line out")),
        };
        let when = match self.when {
            When::Now => format!("while {name} is not {wanted}{unless}"),
            When::AfterBoot => {
                format!("after the next boot, which does not set {name} to {wanted}{unless}")
            }
            When::AnyDay => format!("once {name} is not {wanted}, which k3warden does not hold"),
        };
        format!("{place} sets protect-kernel-defaults, and K3s does not start {when}{left}; {mend}")
    }
}

fn is_excepted((_, decision): &(&ControlId, Decision<'_>)) -> bool {
    matches!(decision.stance, Stance::Excepted(_))
}

/// The word of the policy for which a kernel value is not made right, as the end of a sentence.
fn left_alone((control, decision): &(&ControlId, Decision<'_>)) -> String {
    let how = match decision.stance {
        Stance::Enforce => return String::new(),
        Stance::Off => "off",
        Stance::Observe => "only observed",
        Stance::Excepted(_) => "excepted",
    };
    let place = decision.place.as_ref();
    let place = place.map_or_else(String::new, |place| format!(" at {place}"));
    format!("; {control} is {how}{place}")
}
