//! When a start has failed, and with which reason.

use super::*;

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
