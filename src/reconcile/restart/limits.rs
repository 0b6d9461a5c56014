//! What holds a restart for a while: quiet, jitter, windows, the interval and the daily budget.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::DateTime;
use sha2::{Digest, Sha256};

use super::gate::Situation;

/// Changes come in bursts (an editor, a package, our own repairs): one restart takes them all.
const QUIET: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A window that is open longer than this to either side of now counts as so long.
const WINDOW_LIMIT_MINUTES: i64 = 2 * 24 * 60;

/// A wait and what for. Zero: there is nothing to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) time: Duration,
    pub(super) why: String,
}

fn wait(time: Duration, why: impl Into<String>) -> Wait {
    Wait {
        time,
        why: why.into(),
    }
}

/// Until nothing has changed for a moment.
pub(super) fn quiet(situation: &Situation<'_>) -> Option<Wait> {
    let left = QUIET.checked_sub(situation.quiet_for)?;
    Some(wait(left, "more changes may come"))
}

/// Until this node's turn in the fleet.
pub(super) fn jitter(situation: &Situation<'_>) -> Wait {
    let turn = turn(situation.node_id, situation.rules.jitter.value);
    let left = turn.saturating_sub(situation.wanted_for);
    wait(
        left,
        "the restarts of a fleet are spread out (restart.jitter)",
    )
}

/// Until the minimum interval has passed since the last restart.
pub(super) fn interval(situation: &Situation<'_>) -> Option<Wait> {
    let last = situation.restarts.iter().min()?;
    let left = situation.rules.minimum_interval.value.checked_sub(*last)?;
    Some(wait(
        left,
        "the last restart was not long ago (restart.minimum_interval)",
    ))
}

/// Until the same time has passed since systemd refused one: its reason is seldom gone in a moment.
pub(super) fn refusal(situation: &Situation<'_>) -> Option<Wait> {
    let interval = situation.rules.minimum_interval.value;
    let left = interval.checked_sub(situation.refused?)?;
    Some(wait(left, "systemd did not take the last restart"))
}

/// Until there are fewer restarts in the last 24 hours than the policy allows.
pub(super) fn budget(situation: &Situation<'_>) -> Option<Wait> {
    let mut recent: Vec<Duration> = situation
        .restarts
        .iter()
        .copied()
        .filter(|age| *age < DAY)
        .collect();
    recent.sort_unstable();
    let allowed = situation.rules.per_day.value.get();
    // With this many restarts younger than a day, the one that has to grow older is the last that would still count.
    let blocking = recent.get(usize::try_from(allowed).ok()?.checked_sub(1)?)?;
    let left = DAY.saturating_sub(*blocking);
    Some(wait(
        left,
        format!(
            "there were {} restarts in 24 hours (restart.per_day)",
            recent.len()
        ),
    ))
}

/// Until the next window, and this node's turn in it. `None` if none ever opens.
pub(super) fn window(situation: &Situation<'_>) -> Option<Wait> {
    let rules = situation.rules;
    let now = situation.now.datetime();
    if !rules.is_window_open(now) {
        let opening = rules.next_opening(now)?;
        let zone = situation.now.time_zone().clone();
        let opens = zone.to_ambiguous_zoned(opening);
        let first = opens.clone().compatible().ok()?.timestamp();
        // Where the hour is there twice it opens twice, and the first time may be over.
        let opens = match first < situation.now.timestamp() {
            true => opens.later().ok()?.timestamp(),
            false => first,
        };
        let time = opens.duration_since(situation.now.timestamp());
        let time = Duration::try_from(time).unwrap_or(Duration::ZERO);
        return Some(wait(
            time.max(Duration::from_secs(1)),
            format!("the window opens at {opening}"),
        ));
    }
    let minutes = |step: i64| {
        let is_open = |count: &i64| {
            let at = now.checked_add((step * count).minutes());
            at.is_ok_and(|at: DateTime| rules.is_window_open(at))
        };
        (1..=WINDOW_LIMIT_MINUTES).take_while(is_open).count() as u64
    };
    let (open_for, left) = (minutes(-1), minutes(1));
    // In a short window turns are closer together: nobody's comes after its first half.
    let length = Duration::from_secs((open_for + left + 1) * 60);
    let turn = turn(situation.node_id, rules.jitter.value.min(length / 2));
    let time = turn.saturating_sub(Duration::from_secs(open_for * 60));
    Some(wait(
        time,
        "the restarts of a fleet are spread over the window",
    ))
}

/// This node's turn within a span: the same each time, different from node to node.
#[must_use]
pub fn turn(node_id: &str, span: Duration) -> Duration {
    let digest = Sha256::new()
        .chain_update("k3warden restart turn")
        .chain_update(node_id)
        .finalize();
    let number = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Duration::from_secs(number.checked_rem(span.as_secs() + 1).unwrap_or(0))
}
