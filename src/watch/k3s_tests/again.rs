//! What comes again and again: told once, or a few times, and not each time.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::bench::*;
use super::told::SERVER;
use crate::catalogue::ControlId;
use crate::host::HostError;
use crate::reconcile::{Refused, RefusedBy, Verdict};
use crate::report::event::Kind;
use crate::setting::Outcome;
use crate::watch::signals::Signals;

/// Two tools that disagree about it, and nobody of us between them.
#[test]
fn an_observed_thing_that_comes_and_goes_is_told_with_its_count_and_then_not_until_it_was_quiet() {
    let observe = "[control.server-directory]\nstate = \"observe\"\n";
    let (tree, signals) = (Tree::server(observe), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let flap = |bench: &mut Bench<'_>, seconds: u64| {
        for mode in [0o700, 0o755] {
            bench.now += Duration::from_secs(seconds);
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(tree.path(SERVER), mode).unwrap();
            bench.agent.full_pass(bench.now);
        }
        let mut told = bench.told(Kind::DriftFound);
        told.retain(|event| event.field("CONTROL") == Some("server-directory"));
        let counts = told.iter().map(|event| event.field("COUNT").is_some());
        counts.collect::<Vec<bool>>()
    };
    flap(&mut bench, 5000);
    flap(&mut bench, 5000);
    for expected in [
        &[false][..],
        &[false],
        &[false],
        &[false],
        &[true],
        &[],
        &[],
    ] {
        assert_eq!(flap(&mut bench, 30), expected);
    }
    assert_eq!(bench.verdict("server-directory"), Verdict::Divergent);
    assert_eq!(flap(&mut bench, 1801), [false], "quiet for an hour");
}

/// With all descriptors taken it is up to how many are left just then where on the way to a thing they are missing.
#[test]
fn what_fails_for_want_of_descriptors_is_told_once_wherever_it_shows() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    bench.agent.journal.take();
    let control = ControlId::parse("server-directory").unwrap();
    let mut said = Vec::new();
    for path in ["/var/lib", "/var/lib/rancher", "/var/lib"] {
        let error = HostError::system("open", path.as_ref(), nix::errno::Errno::EMFILE);
        let reason = error.to_string();
        let agent = &mut bench.agent;
        let pass = agent.ground.pass();
        let body = pass.catalogue.control(control.as_str()).unwrap();
        let mut judgement = pass.judge_control(body);
        judgement.verdict = Verdict::Unknown;
        judgement.findings[0].outcome = Outcome::Unknown(reason.clone());
        let event = agent
            .records
            .judged(&agent.ground, &judgement, false, bench.now);
        said.extend(event.map(|event| event.kind));
        for controls in [vec![], vec![control.clone()]] {
            let refused = Refused {
                by: RefusedBy::Host,
                controls,
                reason: reason.clone(),
            };
            let event = agent.records.refused(&agent.ground, &refused);
            said.extend(event.map(|event| event.kind));
        }
    }
    assert_eq!(said, [Kind::Unseen, Kind::Hindered, Kind::RepairFailed]);
}
