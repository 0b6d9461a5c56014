//! The six kernel values without which a kubelet that protects the kernel defaults does not start. They are made right
//! before every start, also while we are paused: a node that cannot start is worse than a value that we set.

use crate::catalogue::{ControlId, SettingBody};
use crate::host::sysctl::same_value;
use crate::host::{State, SysctlKey, Thing};
use crate::k3s::component::{Component, InForce, KERNEL_PARAMETERS};
use crate::k3s::{ConfigurationError, Effective};
use crate::node::NotKnown;
use crate::policy::Stance;
use crate::reconcile::{Pass, PlannedChange};
use crate::setting::{Change, Effect, Stage};

const FLAG: &str = "protect-kernel-defaults";

/// Where the kubelet is told to protect the kernel defaults; `None` if it is not.
#[must_use]
pub fn protected_by(effective: &Effective) -> Option<String> {
    let found = effective
        .start
        .in_force(Component::Kubelet, FLAG, effective.version);
    match found {
        InForce::One { value, place } if value == "true" => Some(place.to_string()),
        _ => None,
    }
}

/// What can go wrong while the kill switch is on, for whoever looks: it keeps K3s's door out too, so nobody makes the six
/// values right before a kubelet that insists on them. Where it cannot be told whether it does, that and why. Nothing where
/// it does not, or where no K3s is that could start.
#[must_use]
pub fn risk_while_off(pass: &Pass<'_>) -> Option<String> {
    const RISK: &str =
        "K3s does not start once one of the six kernel values is wrong; nobody puts it right now";
    let error = match pass.effective() {
        Ok(effective) => {
            let place = protected_by(effective)?;
            return Some(format!("{place} sets protect-kernel-defaults, and {RISK}"));
        }
        Err(error) => error,
    };
    let may_start = pass.node.is_installed() || pass.node.unit_problem.is_some();
    may_start.then(|| {
        let why = match pass.node.effective(pass.host) {
            Err(NotKnown::Configuration(ConfigurationError::Host(error))) => error.with_mend(),
            _ => error.clone(),
        };
        format!(
            "whether protect-kernel-defaults is in force is not known: {why}; while it is, {RISK}"
        )
    })
}

/// The values that are wrong now, as changes. One that an exception leaves to the operator has none, and is named in the
/// second list.
#[must_use]
pub fn wrong_values(pass: &Pass<'_>) -> (Vec<PlannedChange>, Vec<String>) {
    let mut changes = Vec::new();
    let mut left = Vec::new();
    let Some(live) = &pass.host.live else {
        return (changes, left);
    };
    for (name, wanted) in KERNEL_PARAMETERS {
        let Ok(key) = SysctlKey::parse(name) else {
            continue;
        };
        let wanted = wanted.to_string();
        let now = live.read(&key).ok().flatten();
        if now.as_deref().is_some_and(|now| same_value(now, &wanted)) {
            continue;
        }
        match (now, control(pass, name)) {
            (Some(now), Some(control)) if live.is_ours() => changes.push(PlannedChange {
                controls: vec![control],
                change: Change {
                    thing: Thing::Sysctl(key),
                    before: State::Value(now),
                    after: State::Value(wanted),
                    stage: Stage::LiveSysctl,
                    effect: Effect::None,
                },
            }),
            _ => left.push(name.to_owned()),
        }
    }
    (changes, left)
}

/// The control that asks for a value, unless an exception takes it out.
fn control(pass: &Pass<'_>, name: &str) -> Option<ControlId> {
    let asks =
        |body: &SettingBody| matches!(body, SettingBody::Sysctl(setting) if setting.key == name);
    let mut controls = pass.catalogue.controls().iter();
    let control =
        controls.find(|control| control.settings.iter().any(|setting| asks(&setting.body)))?;
    let stance = pass.policy.enforcement(control, pass.today).stance;
    (!matches!(stance, Stance::Excepted(_))).then(|| control.id.clone())
}
