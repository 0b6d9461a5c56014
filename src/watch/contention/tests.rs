use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

fn thing() -> Thing {
    Thing::Sysctl("vm.panic_on_oom".parse().unwrap())
}

/// Somebody who undoes at once whatever we do: how often we repair in some time, and the longest pause.
fn fight(total: Duration, undone_after: Duration) -> (u32, Duration, Contention) {
    let (mut contention, start) = (Contention::default(), Instant::now());
    let (mut now, mut repairs, mut longest) = (start, 0, Duration::ZERO);
    while now - start < total {
        match contention.advice(&thing(), now) {
            Advice::Repair => {
                repairs += 1;
                contention.repaired(&thing(), "10", now);
                now += undone_after;
            }
            Advice::LeaveUntil(until) => {
                longest = longest.max(until - now);
                now = until;
            }
        }
    }
    (repairs, longest, contention)
}

#[test]
fn a_fight_is_answered_less_and_less_often_but_never_given_up() {
    for (undone_after, total, repairs, longest) in [
        // A tool that resets every quarter of an hour, or every five minutes, is repaired at once, each time.
        (900 * SECOND, DAY, 96..=96, Duration::ZERO),
        (300 * SECOND, DAY, 288..=288, Duration::ZERO),
        // Where it is undone more often than that, so it is for a while, and backed off then as a loop is.
        (240 * SECOND, DAY, 320..=345, LONGEST_DELAY),
        (60 * SECOND, 3600 * SECOND, 60..=60, Duration::ZERO),
        (60 * SECOND, DAY, 330..=345, LONGEST_DELAY),
        (30 * SECOND, 3600 * SECOND, 60..=70, LONGEST_DELAY),
        (3 * SECOND, 3600 * SECOND, 60..=70, LONGEST_DELAY),
        (3 * SECOND, DAY, 330..=345, LONGEST_DELAY),
        // One that fights in a loop is backed off to the longest delay.
        (MILLISECOND, 3600 * SECOND, 25..=32, LONGEST_DELAY),
        (500 * MILLISECOND, 3600 * SECOND, 25..=32, LONGEST_DELAY),
        (1200 * MILLISECOND, 3600 * SECOND, 25..=32, LONGEST_DELAY),
        (1900 * MILLISECOND, 3600 * SECOND, 25..=32, LONGEST_DELAY),
    ] {
        let (found, pause, _) = fight(total, undone_after);
        assert!(
            repairs.contains(&found),
            "{undone_after:?}: {found} repairs"
        );
        assert!(pause <= longest, "{undone_after:?}: {pause:?}");
        assert!(
            pause + undone_after + SECOND >= longest,
            "{undone_after:?}: {pause:?}"
        );
    }
}

#[test]
fn it_is_said_once_that_it_begins_and_once_that_it_ends() {
    let (mut contention, start) = (Contention::default(), Instant::now());
    let mut turns = Vec::new();
    for number in 0..40 {
        turns.extend(contention.repaired(&thing(), "10", start + number * 60 * SECOND));
    }
    let count = SLOW_COUNT as u64;
    assert_eq!(turns, [Turn::Begins { count }]);
    let last = start + 39 * 60 * SECOND;
    assert_eq!(contention.contended().count(), 1);
    assert_eq!(contention.quiet(last + QUIET - SECOND), []);
    let ends = Turn::Ends {
        thing: thing(),
        count: 40,
    };
    assert_eq!(contention.quiet(last + QUIET), [ends]);
    assert_eq!(contention.quiet(last + QUIET), []);
    assert_eq!(contention.advice(&thing(), last + QUIET), Advice::Repair);
}

#[test]
fn the_slowest_rhythm_that_begins_a_contention_does_not_end_it() {
    let (mut contention, start) = (Contention::default(), Instant::now());
    let (mut begun, mut ended) = (0, 0);
    let minutes = SLOW.as_secs() as u32 / 60;
    let rhythm = minutes / (SLOW_COUNT as u32 - 1);
    for minute in 0..24 * minutes {
        let now = start + minute * 60 * SECOND;
        if minute % rhythm == 0 {
            begun += u32::from(contention.repaired(&thing(), "10", now).is_some());
        }
        ended += contention.quiet(now).len();
    }
    assert_eq!((begun, ended), (1, 0));
}

#[test]
fn what_its_repairs_have_cost_is_made_good_by_quiet() {
    let (mut contention, start) = (Contention::default(), Instant::now());
    // An hour of somebody's tests, thirty times over, with a night between them.
    for night in 0..30 {
        for repair in 0..40 {
            let now = start + night * DAY + repair * 90 * SECOND;
            assert_eq!(contention.advice(&thing(), now), Advice::Repair);
            contention.repaired(&thing(), "10", now);
        }
        contention.quiet(start + night * DAY + DAY / 2);
    }
}

#[test]
fn one_contended_thing_does_not_hold_up_another() {
    let (_, _, contention) = fight(30 * SECOND, MILLISECOND);
    let other = Thing::Sysctl("kernel.panic".parse().unwrap());
    assert_eq!(contention.advice(&other, Instant::now()), Advice::Repair);
}

#[test]
fn what_was_left_alone_is_named_when_its_time_is_over() {
    let (mut contention, start) = (Contention::default(), Instant::now());
    for _ in 0..FAST_COUNT {
        contention.repaired(&thing(), "10", start);
    }
    assert_eq!(contention.next_due(), Some(start + FIRST_DELAY));
    assert_eq!(contention.due(start), []);
    assert_eq!(contention.due(start + FIRST_DELAY), [thing()]);
    assert_eq!(contention.due(start + FIRST_DELAY), []);
}

#[test]
fn a_few_repairs_are_no_contention_and_are_forgotten() {
    let (mut contention, start) = (Contention::default(), Instant::now());
    for _ in 1..SLOW_COUNT {
        assert_eq!(contention.repaired(&thing(), "10", start), None);
    }
    assert_eq!(contention.quiet(start + SLOW), []);
    assert!(contention.things.is_empty());
}

#[test]
fn ten_thousand_things_take_bounded_memory() {
    let (mut contention, now) = (Contention::default(), Instant::now());
    for number in 0..10_000 {
        contention.repaired(
            &Thing::Sysctl(number.to_string().parse().unwrap()),
            "10",
            now,
        );
    }
    assert!(contention.things.len() <= REMEMBERED);
}

#[test]
fn what_we_want_otherwise_each_time_is_no_fight() {
    let (mut contention, start) = (Contention::default(), Instant::now());
    for number in 0..40 {
        let wanted = if number % 2 == 0 { "one" } else { "other" };
        let turn = contention.repaired(&thing(), wanted, start + number * SECOND);
        assert_eq!(turn, None);
    }
    assert!(!contention.is_contended(&thing()));
}
