//! Which start is followed, and when it proves nothing.

use super::*;

/// It is not the one that we asked for.
#[test]
fn a_run_that_is_over_and_waits_to_be_started_again_is_not_followed_after_a_restart() {
    let over = Sample {
        main_pid: None,
        auto_restart: true,
        invocation: Some(run('a')),
        ..activating(0)
    };
    let samples = [
        over,
        activating(1),
        active(2, MarkerSeen::Yes),
        active(62, MarkerSeen::Yes),
    ];
    assert_eq!(
        course(Settle::after(None, RULES), &samples),
        ["waiting", "waiting", "waiting", "settled"]
    );
}

#[test]
fn what_is_being_stopped_does_not_settle() {
    let stopping = Sample {
        marker: MarkerSeen::Yes,
        ..sample(61, ActiveState::Deactivating)
    };
    assert_eq!(last(&[active(0, MarkerSeen::Yes), stopping]), "waiting");
}

#[test]
fn an_agent_that_gives_up_on_its_server_has_not_failed() {
    let again = Sample {
        restarts: 1,
        invocation: Some(run('c')),
        ended: Some(Ended::ServerUnreachable("x".to_owned())),
        ..activating(300)
    };
    assert_eq!(
        last(&[activating(0), activating(200), again]),
        "broken: the agent gave up waiting for its server"
    );
}

#[test]
fn the_old_process_may_take_its_time_to_stop() {
    let old = |at, active| Sample {
        main_pid: Some(50),
        invocation: Some(run('a')),
        ..sample(at, active)
    };
    let course = course(
        Settle::after(Some(run('a')), RULES),
        &[
            old(0, ActiveState::Active),
            old(700, ActiveState::Deactivating),
            activating(705),
            active(710, MarkerSeen::Yes),
            active(769, MarkerSeen::Yes),
            active(770, MarkerSeen::Yes),
        ],
    );
    assert_eq!(
        course,
        [
            "waiting", "waiting", "waiting", "waiting", "waiting", "settled"
        ]
    );
}

#[test]
fn the_door_runs_before_the_main_process_and_is_waited_for() {
    let before = Sample {
        main_pid: None,
        ..activating(0)
    };
    assert_eq!(last(&[before.clone(), activating(1)]), "waiting");
    assert_eq!(
        last(&[
            before,
            active(2, MarkerSeen::Yes),
            active(62, MarkerSeen::Yes)
        ]),
        "settled"
    );
}

#[test]
fn restarts_from_before_do_not_count_against_this_start() {
    let counted = |mut sample: Sample| {
        sample.restarts = 7;
        sample
    };
    let samples = [
        counted(activating(0)),
        counted(active(5, MarkerSeen::Yes)),
        counted(active(65, MarkerSeen::Yes)),
    ];
    assert_eq!(last(&samples), "settled");
}

#[test]
fn a_decision_stands() {
    let mut settle = Settle::of_run(run('b'), RULES);
    settle.take(&activating(0));
    settle.take(&activating(600));
    let gone = Sample {
        restarts: 4,
        ..activating(700)
    };
    let settled = Settling::Settled {
        at_limit: true,
        ready: false,
    };
    assert_eq!(settle.take(&gone), settled);
}
