//! A K3s that ends whatever is put back.

use super::bench::*;
use crate::reconcile::restart::proof::Quarantine;
use crate::report::event::Kind;
use crate::watch::news::{Blame, News};
use crate::watch::signals::Signals;

#[test]
fn a_k3s_that_fails_always_costs_one_put_back_and_one_message() {
    let (tree, signals) = (
        Tree::server("new_cluster = true\n"),
        Signals::catch().unwrap(),
    );
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    assert!(tree.drop_in().contains("audit-log-maxage"));
    // A real K3s makes the key before its components start.
    tree.write(KEY, "{}");
    bench.k3s_starts();
    bench.dies(DIES);
    bench.until("put back", |bench| bench.tree.quarantine().is_some());
    let quarantine = tree.quarantine().unwrap();
    let left = tree.drop_in();
    assert!(
        left.contains("secrets-encryption: true") && !left.contains("audit-log"),
        "{left}"
    );
    for _ in 0..6 {
        bench.k3s_starts();
        bench.dies(DIES);
        bench.quiet_minutes();
        bench.agent.full_pass(bench.now);
        assert_eq!(tree.drop_in(), left);
        let kept = tree.quarantine().unwrap();
        let exonerated = Quarantine {
            exonerated: true,
            restarted: true,
            told: kept.told.clone(),
            ..quarantine.clone()
        };
        assert_eq!(
            kept, exonerated,
            "it is about what failed first, was not the cause, and K3s has read what was put back"
        );
    }
    let told = bench.agent.keeper.told[&Kind::K3sFails].clone();
    assert!(matches!(told, News::Ended(Blame::NotOurs, _)), "{told:?}");
    assert_eq!(bench.machine.restarts_asked(), 0);

    // Whatever it was is over: what was not the cause is tried again.
    bench.k3s_starts();
    bench.is_ready();
    bench.until("lifted", |bench| bench.tree.quarantine().is_none());
    bench.agent.full_pass(bench.now);
    assert!(
        tree.drop_in().contains("audit-log-maxage"),
        "{}",
        tree.drop_in()
    );
}

#[test]
fn what_a_failed_first_start_left_behind_is_no_reason_to_try_a_little_less() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    assert!(tree.drop_in().contains("secrets-encryption: true"));
    bench.k3s_starts();
    tree.write("var/lib/rancher/k3s/server/db/state.db", "");
    bench.dies(DIES);
    bench.until("put back", |bench| bench.tree.quarantine().is_some());
    assert_eq!(tree.drop_in(), "");
    // There is data now, so the encryption of Secrets is asked for no more.
    bench.agent.on_k3s_inputs_changed(bench.now);
    bench.agent.full_pass(bench.now);
    assert_eq!(tree.drop_in(), "");
    assert!(!tree.path("var/lib/rancher/k3s/server/audit.yaml").exists());
}

/// On a slow node the next start has begun while ours is put back, reads what is left, and ends as the one before.
#[test]
fn what_a_put_back_left_is_not_put_back_as_if_it_were_another_change() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    bench.k3s_starts();
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    bench.says(DIES);
    bench.k3s_starts_without_door();
    bench.agent.look_for_start(bench.now);
    bench.until("put back", |bench| bench.tree.quarantine().is_some());
    bench.door_records();
    let first = tree.quarantine().unwrap();
    assert!(tree.drop_in().contains("secrets-encryption: true"));
    // There is data and no key now, so the line goes.
    tree.write("var/lib/rancher/k3s/server/db/state.db", "");
    bench.agent.on_k3s_inputs_changed(bench.now);
    bench.agent.full_pass(bench.now);
    assert_eq!(tree.drop_in(), "");
    bench.told(Kind::RestartRolledBack);
    bench.dies(DIES);
    bench.quiet_minutes();
    let quarantine = tree.quarantine().unwrap();
    assert_eq!(quarantine.part, first.part);
    assert!(
        quarantine.exonerated,
        "it ended without it in the same words"
    );
    let told = bench.told(Kind::RestartRolledBack);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn a_k3s_that_fails_always_is_told_of_once_in_whatever_words_it_does() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let mut told = std::collections::BTreeSet::new();
    for number in 0..4 {
        bench.k3s_starts();
        bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
        bench.says(&format!(
            "time=\"2026-11-23T10:00:0{number}Z\" level=error msg=\"dial tcp 10.0.0.1:4{number}: refused\""
        ));
        bench.dies(&DIES.replace(
            "exited: no",
            &format!("exited: listen tcp :{number}: in use"),
        ));
        bench.until("known", |bench| bench.agent.k3s.start.is_none());
        told.insert(bench.agent.keeper.told[&Kind::K3sFails].clone());
    }
    assert_eq!(told.len(), 1, "{told:?}");
}
