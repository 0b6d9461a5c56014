//! How long a restart is held, to the second.

use std::num::NonZeroU32;

use super::*;

fn wait_of(case: &Case) -> Duration {
    match case.decide() {
        Gate::HeldUntil { wait, when, .. } => {
            assert_eq!(when, case.now.timestamp() + wait);
            wait
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_longest_wait_counts() {
    let case = Case::with(|c| {
        c.restarts = vec![MINUTE, HOUR, HOUR, 20 * HOUR];
        c.quiet_for = Duration::ZERO;
    });
    assert_eq!(wait_of(&case), 4 * HOUR);
    let case = Case::with(|c| {
        c.restarts = vec![MINUTE];
        c.rules.per_day = given(NonZeroU32::new(9).unwrap());
    });
    assert_eq!(wait_of(&case), 9 * MINUTE);
}

#[test]
fn the_budget_frees_one_restart_at_a_time() {
    let case =
        Case::with(|c| c.restarts = vec![HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 5 * HOUR, 6 * HOUR]);
    // Six were made, four are allowed: three of the six have to grow older than a day.
    assert_eq!(wait_of(&case), 20 * HOUR);
}

#[test]
fn each_node_has_its_own_turn_within_the_jitter_and_keeps_it() {
    let turns: Vec<Duration> = (0..50)
        .map(|number| {
            let mut case = Case::with(|c| {
                c.wanted_for = Duration::ZERO;
                c.node_id = format!("node{number}");
            });
            case.rules.jitter.value = 10 * MINUTE;
            let turn = match case.decide() {
                Gate::HeldUntil { wait, .. } => wait,
                _ => Duration::ZERO,
            };
            case.wanted_for = turn;
            assert_eq!(word(&case.decide()), "now");
            turn
        })
        .collect();
    assert!(turns.iter().all(|turn| *turn <= 10 * MINUTE));
    let early = turns.iter().filter(|turn| **turn < 5 * MINUTE).count();
    assert!((10..40).contains(&early), "{early} of 50");
}

/// A timer of less would spin.
#[test]
fn no_wait_is_shorter_than_a_second() {
    let case = Case::with(|c| c.quiet_for = Duration::from_millis(4500));
    assert_eq!(wait_of(&case), Duration::from_secs(1));
}

#[test]
fn no_jitter_is_no_wait() {
    let mut case = Case::with(|c| c.wanted_for = Duration::ZERO);
    case.rules.jitter.value = Duration::ZERO;
    assert_eq!(word(&case.decide()), "now");
}

#[test]
fn a_closed_window_holds_until_its_local_opening() {
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    let case = Case::with(|c| {
        c.now = c.now.with_time_zone(zone);
        c.mode(RestartMode::Window);
        c.windows(&["15:00-16:00"]);
    });
    // Noon UTC is two in the afternoon there.
    assert_eq!(wait_of(&case), HOUR);
}

#[test]
fn in_a_window_turns_come_in_its_first_half() {
    for number in 0..30 {
        let mut case = Case::with(|c| {
            c.mode(RestartMode::Window);
            c.windows(&["12:00-12:10"]);
            c.node_id = format!("node{number}");
        });
        case.rules.jitter.value = 5 * HOUR;
        if word(&case.decide()) == "held" {
            assert!(wait_of(&case) <= 5 * MINUTE);
        }
        case.now = date(2027, 1, 4)
            .at(12, 6, 0, 0)
            .to_zoned(TimeZone::UTC)
            .unwrap();
        assert_eq!(word(&case.decide()), "now");
    }
}

/// In the night when clocks go back an hour is there twice, and the window opens in both.
#[test]
fn in_the_second_pass_of_a_repeated_hour_a_window_is_waited_for_and_not_asked_for_each_second() {
    let case = Case::with(|c| {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let local = date(2027, 10, 31).at(2, 10, 0, 0);
        c.now = zone.to_ambiguous_zoned(local).later().unwrap();
        c.mode(RestartMode::Window);
        c.windows(&["02:30-02:50"]);
    });
    let Gate::HeldUntil { wait, .. } = case.decide() else {
        panic!("{:?}", case.decide());
    };
    assert_eq!(wait, 20 * MINUTE);
}

#[test]
fn a_pause_holds_until_it_ends() {
    let reason = "disk swap".to_owned();
    let case = Case::with(|c| {
        c.brake = Brake::Paused {
            left: 2 * HOUR,
            reason,
        }
    });
    assert_eq!(wait_of(&case), 2 * HOUR);
}
