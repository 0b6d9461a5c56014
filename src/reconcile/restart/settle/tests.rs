use super::followed::REASON_PATIENCE;
use super::*;

const RULES: SettleRules = SettleRules {
    settle_time: Duration::from_secs(60),
    limit: Duration::from_secs(600),
};

fn run(letter: char) -> InvocationId {
    letter.to_string().repeat(32).parse().unwrap()
}

fn sample(at: u64, active: ActiveState) -> Sample {
    Sample {
        at: Duration::from_secs(at),
        active,
        auto_restart: false,
        result_failed: false,
        main_pid: Some(100),
        restarts: 0,
        invocation: Some(run('b')),
        marker: MarkerSeen::NotYet,
        ended: None,
    }
}

fn active(at: u64, marker: MarkerSeen) -> Sample {
    Sample {
        marker,
        ..sample(at, ActiveState::Active)
    }
}

fn activating(at: u64) -> Sample {
    sample(at, ActiveState::Activating)
}

/// The word for each answer.
fn course(mut settle: Settle, samples: &[Sample]) -> Vec<String> {
    let word = |answer| match answer {
        Settling::Waiting { .. } => "waiting".to_owned(),
        Settling::Settled {
            at_limit: true,
            ready: true,
        } => "settled at the limit".to_owned(),
        Settling::Settled {
            at_limit: true,
            ready: false,
        } => "settled at the limit, never ready".to_owned(),
        Settling::Settled { .. } => "settled".to_owned(),
        Settling::Failed { reason } => format!("failed: {reason}"),
        Settling::Broken { reason } => format!("broken: {reason}"),
    };
    samples
        .iter()
        .map(|sample| word(settle.take(sample)))
        .collect()
}

fn last(samples: &[Sample]) -> String {
    course(Settle::of_run(run('b'), RULES), samples)
        .pop()
        .unwrap()
}

/// The same, once the journal has had its time to say why.
fn last_in_the_end(samples: &[Sample]) -> String {
    let mut samples = samples.to_vec();
    let end = samples.last().unwrap();
    samples.push(Sample {
        at: end.at + REASON_PATIENCE,
        ..end.clone()
    });
    last(&samples)
}

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

fn with(mut sample: Sample, marker: MarkerSeen) -> Sample {
    sample.marker = marker;
    sample
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

#[test]
fn an_automatic_restart_is_a_failure_whatever_systemd_calls_the_result() {
    let again = Sample {
        main_pid: Some(200),
        restarts: 1,
        invocation: Some(run('c')),
        ..activating(20)
    };
    let why = "failed: K3s ended and the journal does not say why";
    assert_eq!(
        last_in_the_end(&[activating(0), active(8, MarkerSeen::Yes), again]),
        why
    );
    let between = Sample {
        main_pid: None,
        auto_restart: true,
        ..activating(9)
    };
    assert_eq!(last_in_the_end(&[activating(0), between]), why);
}

#[test]
fn a_run_that_was_over_before_the_first_look_is_judged_all_the_same() {
    let said = Some(Ended::Failed("apiserver exited: no".to_owned()));
    let waits = Sample {
        main_pid: None,
        auto_restart: true,
        ended: said.clone(),
        ..activating(1)
    };
    assert_eq!(last(&[waits]), "failed: apiserver exited: no");
    let next_runs = Sample {
        invocation: Some(run('c')),
        restarts: 1,
        ended: said,
        ..active(1, MarkerSeen::NotYet)
    };
    let silent = Sample {
        ended: None,
        ..next_runs.clone()
    };
    assert_eq!(last(&[next_runs]), "failed: apiserver exited: no");
    assert_eq!(last(&[silent]), "broken: somebody restarted K3s");
}

#[test]
fn a_restart_of_ours_that_was_over_before_the_first_look_is_judged_all_the_same() {
    let mut settle = Settle::after(Some(run('a')), RULES);
    settle.sees(&run('a'));
    let old = Sample {
        invocation: Some(run('a')),
        ..active(0, MarkerSeen::Yes)
    };
    assert!(matches!(settle.take(&old), Settling::Waiting { .. }));
    settle.sees(&run('b'));
    let gone = Sample {
        main_pid: None,
        auto_restart: true,
        ended: Some(Ended::Failed("apiserver exited: no".to_owned())),
        ..activating(2)
    };
    assert!(matches!(settle.take(&gone), Settling::Failed { .. }));
}

#[test]
fn the_journals_reason_is_told() {
    let gone = Sample {
        main_pid: None,
        auto_restart: true,
        ended: Some(Ended::Failed(
            "scheduler exited: unknown flag: --nope".to_owned(),
        )),
        ..activating(90)
    };
    assert_eq!(
        last(&[activating(0), active(8, MarkerSeen::Yes), gone]),
        "failed: scheduler exited: unknown flag: --nope"
    );
}

#[test]
fn a_reason_that_the_journal_has_late_is_waited_for_whatever_happens_meanwhile() {
    let ended = |millis, auto_restart| Sample {
        at: Duration::from_millis(millis),
        main_pid: None,
        auto_restart,
        ..activating(0)
    };
    let next_runs = |millis| Sample {
        main_pid: Some(200),
        invocation: Some(run('c')),
        ..ended(millis, false)
    };
    let stopped = |millis| Sample {
        active: ActiveState::Inactive,
        ..ended(millis, false)
    };
    let said = |sample| Sample {
        ended: Some(Ended::Failed("apiserver exited: no".to_owned())),
        ..sample
    };
    let silent = "failed: K3s ended and the journal does not say why";
    for (name, samples, expected) in [
        (
            "it comes",
            vec![ended(900, true), said(ended(1200, true))],
            "failed: apiserver exited: no",
        ),
        (
            "it comes, and the next run is there",
            vec![ended(900, true), said(next_runs(1200))],
            "failed: apiserver exited: no",
        ),
        (
            "it does not come",
            vec![ended(900, true), ended(2800, true), ended(2900, true)],
            silent,
        ),
        (
            "nor while the next runs",
            vec![ended(900, true), next_runs(2899), next_runs(2900)],
            silent,
        ),
        (
            "nor while somebody stops it",
            vec![ended(900, true), stopped(2899), stopped(2900)],
            silent,
        ),
    ] {
        let course = course(Settle::of_run(run('b'), RULES), &samples);
        let (end, before) = course.split_last().unwrap();
        assert_eq!(end, expected, "{name}");
        assert!(
            before.iter().all(|word| word == "waiting"),
            "{name}: {before:?}"
        );
    }
}

#[test]
fn a_unit_that_systemd_does_not_restart_has_failed_only_by_itself() {
    let stopped = Sample {
        main_pid: None,
        ..sample(20, ActiveState::Inactive)
    };
    assert_eq!(
        last(&[activating(0), stopped.clone()]),
        "broken: somebody stopped K3s"
    );
    let failed = Sample {
        main_pid: None,
        result_failed: true,
        ..sample(20, ActiveState::Failed)
    };
    assert!(last_in_the_end(&[activating(0), failed]).starts_with("failed"));
    // From 1.33 on status 0 says nothing; the journal does.
    let quiet = Sample {
        ended: Some(Ended::Failed("kubelet exited: x".to_owned())),
        ..stopped
    };
    assert_eq!(last(&[activating(0), quiet]), "failed: kubelet exited: x");
}

#[test]
fn an_operators_restart_breaks_the_proof_and_is_no_failure() {
    let other = Sample {
        main_pid: Some(300),
        invocation: Some(run('c')),
        ended: Some(Ended::Asked),
        ..activating(30)
    };
    // systemd's count of automatic restarts begins anew with it.
    for restarts in [0, 7] {
        let first = Sample {
            restarts,
            ..activating(0)
        };
        assert_eq!(
            last(&[first, other.clone()]),
            "broken: somebody restarted K3s"
        );
    }
}

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
