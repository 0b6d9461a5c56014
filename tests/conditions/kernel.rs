//! Kernel values: `protect-kernel-defaults` is written where the kubelet will find all six as it wants them.

use k3warden::host::Thing;
use k3warden::node::Surroundings;
use k3warden::reconcile::service::stay::{Running as KubeletRuns, must_stay};
use k3warden::reconcile::{Plan, Verdict};

use crate::server::Server;
use crate::tree::DROP_IN;
use crate::{CONFIG, excepted};

const PROTECT: &str = "protect-kernel-defaults: true";

#[test]
fn in_an_image_the_next_boot_stands_for_the_live_values() {
    let mut server = Server::new();
    server.surroundings = Surroundings::Image;
    // What the builder's kernel has is of no interest.
    server.kernel("kernel/panic", "77");
    server.apply();
    server.assert_writes(PROTECT);
}

/// The values come before the configuration in every plan, so the first one may rely on them.
#[test]
fn one_plan_sets_a_wrong_live_value_and_has_it_protected() {
    let server = Server::new();
    server.kernel("kernel/panic", "0");
    let plan = server.pass(|pass, _| Plan::of(pass, &pass.judge()));
    let drop_in = plan.changes.iter().find_map(|planned| {
        let ours = planned
            .change
            .thing
            .to_string()
            .ends_with("z-k3warden.yaml");
        ours.then(|| format!("{:?}", planned.change.after))
    });
    assert!(drop_in.is_some(), "{:?}", plan.refused);
    server.apply();
    server.assert_writes(PROTECT);
}

#[test]
fn a_value_that_an_exception_leaves_wrong_at_the_next_boot_refuses_protection() {
    for surroundings in [Surroundings::Image, Surroundings::Machine] {
        let mut server = Server::new();
        server.surroundings = surroundings;
        server.policy(&excepted("kernel-panic"));
        let refused = server.refusals();
        server.assert_leaves_out(PROTECT);
        assert!(refused.contains("kernel.panic"), "{refused}");
        assert!(
            server.lines().contains("tls-cipher-suites"),
            "the rest is written: {}",
            server.lines()
        );
    }
}

#[test]
fn our_line_goes_when_a_value_becomes_the_operators() {
    let server = Server::new();
    server.apply();
    server.assert_writes(PROTECT);
    server.policy(&excepted("vm-overcommit-memory"));
    server.write("/etc/sysctl.d/99-site.conf", "vm.overcommit_memory = 2\n");
    server.apply();
    server.assert_leaves_out(PROTECT);
}

/// As long as the value is right K3s would start, and from any moment on it would not.
#[test]
fn an_exception_refuses_protection_before_the_value_is_another() {
    let server = Server::new();
    server.apply();
    server.assert_writes(PROTECT);
    server.policy(&excepted("vm-panic-on-oom"));
    let refused = server.refusals();
    server.assert_leaves_out(PROTECT);
    assert!(
        refused.contains("vm-panic-on-oom is excepted at"),
        "{refused}"
    );
}

/// A kubelet in a container checks the values of the kernel around it, which are not ours to set.
#[test]
fn in_a_container_the_kernel_around_it_decides_and_is_left_alone() {
    let mut server = Server::new();
    server.surroundings = Surroundings::Container;
    server.kernel("vm/overcommit_memory", "0");
    let refused = server.refusals();
    server.assert_leaves_out(PROTECT);
    assert!(refused.contains("vm.overcommit_memory"), "{refused}");
    let verdict = |server: &Server| {
        server.pass(|pass, _| {
            let control = pass.catalogue.control("vm-overcommit-memory").unwrap();
            pass.judge_control(control).verdict
        })
    };
    assert_eq!(verdict(&server), Verdict::Divergent);
    assert_eq!(server.live("vm/overcommit_memory"), "0");
    server.kernel("vm/overcommit_memory", "1");
    server.apply();
    assert_eq!(verdict(&server), Verdict::Compliant);
    server.assert_writes(PROTECT);
}

#[test]
fn a_live_value_that_the_operators_kubelet_insists_on_is_not_put_back() {
    let server = Server::new();
    server.kernel("kernel/panic", "0");
    server.apply();
    let thing = Thing::Sysctl("kernel.panic".parse().unwrap());
    let stays = |server: &Server| {
        server.pass(|pass, _| must_stay(pass, &thing, &[], &|_| KubeletRuns::Nothing))
    };
    std::fs::remove_file(server.tree.at(DROP_IN)).unwrap();
    server.write(CONFIG, "protect-kernel-defaults: true\n");
    let reason = stays(&server).unwrap().to_string();
    assert!(reason.contains("config.yaml:1"), "{reason}");
    server.write(CONFIG, "");
    assert_eq!(stays(&server), None);
}
