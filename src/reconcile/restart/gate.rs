//! The restart gate: whether K3s is restarted now. A pure decision.

mod situation;

use std::time::Duration;

use jiff::{Timestamp, Zoned};

pub use situation::{Brake, Encryption, Gate, Life, Preflight, Situation, Wanted};

use super::inputs::sentence;
use super::limits::{self, Wait};
use super::standing::Standing;
use crate::catalogue::Datastore;
use crate::k3s::Role;
use crate::policy::{RestartMode, RestartRules};

/// Decides.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> Gate {
    let differences = match situation.standing {
        Standing::InStep(_) => return Gate::NotNeeded,
        _ if matches!(situation.life, Life::Stopped | Life::StartsAgain) => return Gate::NotNeeded,
        Standing::Unknown(why) => return Gate::Unknown { why: why.clone() },
        Standing::Differs(_, differences) => sentence(differences),
    };
    let blocked = stopped(situation)
        .or_else(|| unfit(situation))
        .or_else(|| busy(situation));
    if let Some(gate) = blocked {
        return gate;
    }
    match timing(situation) {
        Ok(None) => Gate::Now { why: differences },
        Ok(Some(wait)) => held(situation.now, wait),
        Err(why) => Gate::Pending { why },
    }
}

/// What the policy says, or without a word in it the default of this node.
#[must_use]
pub fn mode_in_force(
    rules: &RestartRules,
    role: Option<Role>,
    datastore: Option<Datastore>,
) -> RestartMode {
    let given = rules.mode.as_ref().map(|given| given.value);
    given.unwrap_or_else(|| default_mode(role, datastore))
}

/// Without a word in the policy: all servers of a cluster must not restart together, and nothing local can prevent that.
const fn default_mode(role: Option<Role>, datastore: Option<Datastore>) -> RestartMode {
    match (role, datastore) {
        (Some(Role::Agent), _) | (Some(Role::Server), Some(Datastore::Sqlite)) => RestartMode::Auto,
        _ => RestartMode::Never,
    }
}

fn stopped(situation: &Situation<'_>) -> Option<Gate> {
    match situation.brake {
        Brake::Free => None,
        Brake::KillSwitch(switch) => Some(Gate::Refused {
            why: format!("k3warden is off: {switch}"),
        }),
        Brake::Unreadable(why) => Some(Gate::Refused { why: why.clone() }),
        Brake::Observe => Some(pending("mode = \"observe\" changes nothing")),
        Brake::Paused { left, reason } => {
            let why = format!("k3warden is paused: {reason}");
            Some(held(situation.now, Wait { time: *left, why }))
        }
    }
}

/// What a restart would break.
fn unfit(situation: &Situation<'_>) -> Option<Gate> {
    let why = match (situation.quarantine, situation.preflight) {
        (Some(reason), _) => format!(
            "K3s did not start with this before ({reason}); `k3warden retry` lifts the quarantine"
        ),
        (None, Preflight::Fails(reasons)) => {
            format!("K3s would not start: {}", reasons.join("; "))
        }
        (None, Preflight::Unknown(why)) => format!("cannot tell whether K3s would start: {why}"),
        (None, Preflight::Passes) => encryption_hazard(situation.encryption)?.to_owned(),
    };
    Some(Gate::Refused { why })
}

/// Why a restart would harm the Secrets of the cluster (K3s pkg/secretsencrypt).
const fn encryption_hazard(encryption: Encryption) -> Option<&'static str> {
    let Encryption::Server {
        key_exists,
        has_data,
        next_start,
    } = encryption
    else {
        return None;
    };
    match next_start {
        Some(false) if key_exists => Some(
            "the next start would run without secrets-encryption although there is a key: encrypted Secrets could not be \
             read; set `secrets-encryption: true` again",
        ),
        Some(true) if !key_exists && has_data => Some(
            "the next start would turn secrets-encryption on in a cluster that has data; `k3warden explain \
             secrets-encryption` has the runbook",
        ),
        None if key_exists => Some(
            "cannot tell whether the next start would still encrypt Secrets, and there is a key",
        ),
        _ => None,
    }
}

fn busy(situation: &Situation<'_>) -> Option<Gate> {
    if let Wanted::ByPutBack { done } = situation.wanted {
        return done.then(|| {
            pending("K3s was restarted once after ours was put back; that is never done twice")
        });
    }
    if situation.settling {
        return Some(pending("the last start has not settled yet"));
    }
    match situation.life {
        // An agent without its server, or a start that hangs, must not keep a cure out for ever.
        Life::Starting(time) if time < situation.rules.settle_limit.value => {
            Some(pending("K3s is starting"))
        }
        _ => None,
    }
}

/// When: nothing to wait for, a wait, or not by us (why).
fn timing(situation: &Situation<'_>) -> Result<Option<Wait>, String> {
    if situation.wanted == Wanted::ByHand {
        return Ok(None);
    }
    let rules = situation.rules;
    let mode = mode_in_force(rules, situation.role, situation.datastore);
    if mode == RestartMode::Never {
        return Err(why_never(situation, rules.mode.is_some()));
    }
    let has_windows = !rules.windows.value.is_empty();
    match situation.wanted {
        Wanted::ByPutBack { .. } => return Ok(limits::refusal(situation)),
        Wanted::ByOperatorsFiles => {
            return Err("only the operator's own files differ and every control holds".to_owned());
        }
        Wanted::ByNewBinary => {
            return Err(
                "there is another K3s binary, and whoever put it there starts it".to_owned(),
            );
        }
        Wanted::ByCatalogue if !has_windows => {
            return Err(
                "only a new catalogue or package wants it, and there is no window".to_owned(),
            );
        }
        _ => {}
    }
    let in_window = mode == RestartMode::Window || situation.wanted == Wanted::ByCatalogue;
    if in_window && !has_windows {
        return Err("restart.mode is \"window\" and there is no window".to_owned());
    }
    let place = if in_window {
        limits::window(situation).ok_or("no window opens ever again")?
    } else {
        limits::jitter(situation)
    };
    let waits = [
        Some(place),
        limits::quiet(situation),
        limits::interval(situation),
        limits::refusal(situation),
        limits::budget(situation),
    ];
    let longest = waits.into_iter().flatten().max_by_key(|wait| wait.time);
    Ok(longest.filter(|wait| !wait.time.is_zero()))
}

fn why_never(situation: &Situation<'_>, given: bool) -> String {
    if given {
        return "restart.mode is \"never\"".to_owned();
    }
    match (situation.role, situation.datastore) {
        (Some(Role::Server), Some(datastore @ (Datastore::Etcd | Datastore::External))) => format!(
            "servers of one cluster must not restart together (datastore {datastore}); restart.mode in the policy allows it"
        ),
        _ => "role and datastore of this node are not known; restart.mode in the policy decides"
            .to_owned(),
    }
}

fn held(now: &Zoned, wait: Wait) -> Gate {
    // A timer of no length would spin.
    let time = wait.time.max(Duration::from_secs(1));
    Gate::HeldUntil {
        when: now.timestamp().checked_add(time).unwrap_or(Timestamp::MAX),
        wait: time,
        why: wait.why,
    }
}

fn pending(why: &str) -> Gate {
    Gate::Pending {
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
