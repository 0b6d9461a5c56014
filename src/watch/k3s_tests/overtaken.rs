//! What K3s reads is changed while it starts.

use super::bench::*;
use super::tree::DROP_IN;
use crate::host::systemd::ActiveState;
use crate::watch::signals::Signals;

#[test]
fn what_was_taken_out_and_written_again_before_k3s_was_ready_counts_neither_as_read_nor_as_proven()
{
    for (is_ready_before, in_step) in [(false, None), (true, Some(true))] {
        let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
        let mut bench = Bench::new(&tree, &signals);
        bench.begin();
        bench.k3s_starts();
        if !is_ready_before {
            let starting = ActiveState::Activating;
            bench.machine.set(|inside| inside.status.active = starting);
        }
        bench.until("followed", |bench| bench.agent.k3s.start.is_some());
        let ours = tree.drop_in();
        for content in ["debug: true\n", &ours] {
            tree.write(DROP_IN, content);
            bench.agent.reads_differ(bench.now);
        }
        let ready = ActiveState::Active;
        bench.machine.set(|inside| inside.status.active = ready);
        bench.is_ready();
        bench.until("settled", |bench| bench.agent.k3s.start.is_none());
        bench.quiet_minutes();
        assert_eq!(bench.agent.k3s.in_step, in_step, "{is_ready_before}");
        assert_eq!(tree.last_good().is_some(), is_ready_before);
        assert_eq!(bench.machine.restarts_asked(), 0, "{is_ready_before}");
    }
}

/// Whether a start has read the one or the other, it is the door's word by which it is judged when it fails.
#[test]
fn what_was_overtaken_is_put_back_all_the_same_where_k3s_ends() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let good = tree.drop_in();
    bench.reload(WITH_77_DAYS);
    bench.until("asked", |bench| bench.machine.restarts_asked() == 1);
    let tried = tree.drop_in();
    bench.k3s_starts();
    for content in [&good, &tried] {
        tree.write(DROP_IN, content);
        bench.agent.reads_differ(bench.now);
    }
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    bench.dies(DIES);
    bench.until("put back", |bench| bench.tree.drop_in() == good);
    assert!(tree.quarantine().is_some());
}
