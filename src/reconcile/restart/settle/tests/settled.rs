//! When a start has settled.

use super::*;

#[test]
fn the_settle_time_counts_from_the_marker_and_not_from_ready() {
    let course = course(
        Settle::of_run(run('b'), RULES),
        &[
            activating(0),
            active(6, MarkerSeen::NotYet),
            active(70, MarkerSeen::NotYet),
            active(80, MarkerSeen::Yes),
            active(139, MarkerSeen::Yes),
            active(140, MarkerSeen::Yes),
        ],
    );
    assert_eq!(
        course,
        [
            "waiting", "waiting", "waiting", "waiting", "waiting", "settled"
        ]
    );
}

/// An agent's kubelet has started, and the agent may still end before it is ready.
#[test]
fn a_marker_before_ready_counts_from_ready_on() {
    let course = course(
        Settle::of_run(run('b'), RULES),
        &[
            with(activating(5), MarkerSeen::Yes),
            with(activating(70), MarkerSeen::Yes),
            active(80, MarkerSeen::Yes),
            active(139, MarkerSeen::Yes),
            active(140, MarkerSeen::Yes),
        ],
    );
    assert_eq!(
        course,
        ["waiting", "waiting", "waiting", "waiting", "settled"]
    );
}

#[test]
fn where_nobody_writes_the_marker_ready_counts() {
    let course = course(
        Settle::of_run(run('b'), RULES),
        &[
            with(activating(0), MarkerSeen::NotWritten),
            with(activating(300), MarkerSeen::NotWritten),
            active(310, MarkerSeen::NotWritten),
            active(370, MarkerSeen::NotWritten),
        ],
    );
    assert_eq!(course, ["waiting", "waiting", "waiting", "settled"]);
}

/// Looks at a K3s that is READY, two seconds apart: `y` the marker is there, `n` not yet, `u` nobody knows. When it has
/// settled, in seconds.
fn settles_at(looks: &str) -> Option<u64> {
    let mut settle = Settle::of_run(run('b'), RULES);
    let mut looks = looks.chars().zip((0..).step_by(2));
    looks.find_map(|(look, at)| {
        let marker = match look {
            'y' => MarkerSeen::Yes,
            'n' => MarkerSeen::NotYet,
            _ => MarkerSeen::Unreadable,
        };
        let answer = settle.take(&active(at, marker));
        matches!(answer, Settling::Settled { .. }).then_some(at)
    })
}

#[test]
fn ready_counts_only_while_the_journal_stays_unreadable() {
    let many = |look: &str| look.repeat(50);
    for (name, looks, expected) in [
        ("never readable", many("u"), Some(68)),
        ("one look failed", format!("nu{}", many("n")), None),
        ("now and then", many("uuuun"), None),
        (
            "readable again, without the marker",
            format!("{}{}", "u".repeat(20), many("n")),
            None,
        ),
        (
            "readable again, with it",
            format!("{}{}", "u".repeat(20), many("y")),
            Some(100),
        ),
        ("it was there before", format!("y{}", many("u")), Some(60)),
    ] {
        assert_eq!(settles_at(&looks), expected, "{name}");
    }
}

/// Nothing counts before READY, though nobody could read that the marker is not there.
#[test]
fn without_a_journal_the_time_before_ready_does_not_count() {
    let unreadable = |sample| Sample {
        marker: MarkerSeen::Unreadable,
        ..sample
    };
    let mut samples: Vec<Sample> = (0..10).map(|at| unreadable(activating(2 * at))).collect();
    samples.push(unreadable(active(80, MarkerSeen::Unreadable)));
    assert_eq!(last(&samples), "waiting");
    samples.push(unreadable(active(140, MarkerSeen::Unreadable)));
    assert_eq!(last(&samples), "settled");
}

#[test]
fn the_same_process_at_the_upper_limit_has_settled_ready_or_not() {
    assert_eq!(last(&[activating(0), activating(599)]), "waiting");
    assert_eq!(
        last(&[activating(0), activating(600)]),
        "settled at the limit, never ready"
    );
    assert_eq!(
        last(&[activating(0), active(600, MarkerSeen::NotYet)]),
        "settled at the limit"
    );
}

#[test]
fn a_restart_that_never_comes_about_is_not_waited_for_for_ever() {
    let old = |at| Sample {
        invocation: Some(run('a')),
        ..active(at, MarkerSeen::Yes)
    };
    let after_restart = Settle::after(Some(run('a')), RULES);
    assert_eq!(
        course(after_restart, &[old(100), old(699), old(700)]),
        ["waiting", "waiting", "broken: the old K3s was not stopped"]
    );
}
