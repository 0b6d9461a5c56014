//! What the journal tells of the K3s that runs.

use std::rc::Rc;

use k3warden::k3s::component::Component;
use k3warden::reconcile::Verdict;
use k3warden::setting::{Running, StartedWith};

use crate::server::Server;

/// A journal that was cut keeps the lines of the components that came last.
#[test]
fn what_a_component_was_started_with_is_unknown_where_the_journal_has_only_others() {
    let mut server = Server::new();
    server.apply();
    let words = |server: &Server, components: &[Component]| {
        server.pass(|pass, _| {
            let lines = &pass.effective().as_ref().unwrap().start.components.lines;
            let words = |component| {
                let arguments: &Vec<_> = &lines[component];
                arguments.iter().map(ToString::to_string).collect()
            };
            components
                .iter()
                .map(|component| (*component, words(component)))
                .collect()
        })
    };
    let verdict = |server: &mut Server, components: &[Component]| {
        server.running = Rc::new(Running::Started(StartedWith {
            arguments: Ok(words(server, components)),
            arguments_seen_at: "journal",
            options: None,
        }));
        server.pass(|pass, _| {
            let control = pass.catalogue.control("audit-log-retention").unwrap();
            pass.judge_control(control).verdict
        })
    };
    assert_eq!(
        verdict(&mut server, &[Component::Apiserver, Component::Kubelet]),
        Verdict::Compliant
    );
    assert_eq!(
        verdict(&mut server, &[Component::Kubelet]),
        Verdict::Unknown
    );
}
