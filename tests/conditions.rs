//! What must be so on the node before a line is written for K3s: kernel values, a section for a plug-in, room for logs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod server;
mod tree;

use std::path::Path;
use std::rc::Rc;

use k3warden::host::{Space, Thing};
use k3warden::k3s::K3sVersion;
use k3warden::k3s::component::Component;
use k3warden::node::Surroundings;
use k3warden::reconcile::service::stay::{Running as KubeletRuns, must_stay};
use k3warden::reconcile::{Plan, Verdict};
use k3warden::setting::{Running, StartedWith};
use server::{DROP_IN, Server};

const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
const PSA: &str = "/var/lib/rancher/k3s/server/psa.yaml";
const PROTECT: &str = "protect-kernel-defaults: true";
const MIB: u64 = 1 << 20;

fn excepted(control: &str) -> String {
    format!(
        "[[exception]]\ncontrol = \"{control}\"\nreason = \"test\"\nowner = \"test\"\nexpires = 2026-06-01\n"
    )
}

#[test]
fn in_an_image_the_next_boot_stands_for_the_live_values() {
    let mut server = Server::new();
    server.surroundings = Surroundings::Image;
    // What the builder's kernel has is of no interest.
    server.kernel("kernel/panic", "77");
    server.apply();
    assert!(server.lines().contains(PROTECT), "{}", server.lines());
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
    assert!(server.lines().contains(PROTECT), "{}", server.lines());
}

#[test]
fn a_value_that_an_exception_leaves_wrong_at_the_next_boot_refuses_protection() {
    for surroundings in [Surroundings::Image, Surroundings::Machine] {
        let mut server = Server::new();
        server.surroundings = surroundings;
        server.policy(&excepted("kernel-panic"));
        let refused = server.refusals();
        assert!(!server.lines().contains(PROTECT), "{}", server.lines());
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
    assert!(server.lines().contains(PROTECT));
    server.policy(&excepted("vm-overcommit-memory"));
    server.write("/etc/sysctl.d/99-site.conf", "vm.overcommit_memory = 2\n");
    server.apply();
    assert!(!server.lines().contains(PROTECT), "{}", server.lines());
}

const RATE_LIMIT: &str = "[control.event-rate-limit]\nstate = \"enforce\"\n";
const OWN: &str =
    "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n";
const OWN_SECURITY: &str = "- name: PodSecurity\n  configuration:\n    apiVersion: pod-security.admission.config.k8s.io/v1\n    kind: PodSecurityConfiguration\n    defaults: {enforce: baseline}\n";
const OWN_LIMIT: &str = "- name: EventRateLimit\n  configuration:\n    apiVersion: eventratelimit.admission.k8s.io/v1alpha1\n    kind: Configuration\n    limits:\n    - {type: Server, qps: 5000, burst: 20000}\n";

#[test]
fn a_plug_in_and_its_section_come_together() {
    let server = Server::new();
    server.policy(RATE_LIMIT);
    let refused = server.refusals();
    assert_eq!(refused, "");
    let psa = server.read(PSA);
    assert_eq!(
        psa.matches("kind: AdmissionConfiguration").count(),
        1,
        "{psa}"
    );
    assert!(
        psa.contains("- name: PodSecurity") && psa.contains("- name: EventRateLimit"),
        "{psa}"
    );
    assert!(
        server
            .lines()
            .contains("'enable-admission-plugins=NodeRestriction,EventRateLimit'"),
        "{}",
        server.lines()
    );
    for control in [
        "event-rate-limit",
        "pod-security-configuration",
        "pod-security-defaults",
    ] {
        assert_eq!(
            server.judge(control, |judged| judged.verdict),
            Verdict::Compliant,
            "{control}"
        );
    }
}

#[test]
fn an_operators_file_without_the_section_stays_and_the_plug_in_is_refused() {
    let server = Server::new();
    server.policy(RATE_LIMIT);
    let own = format!("{OWN}{OWN_SECURITY}");
    server.write(PSA, &own);
    let refused = server.refusals();
    assert_eq!(server.read(PSA), own);
    assert!(
        refused.contains("event-rate-limit") && refused.contains("EventRateLimit"),
        "{refused}"
    );
    let lines = server.lines();
    assert!(
        !lines.contains("EventRateLimit") && lines.contains("admission-control-config-file"),
        "{lines}"
    );
    server.judge("event-rate-limit", |judged| {
        assert_eq!(judged.verdict, Verdict::Divergent);
        let said = format!("{:?}", judged.findings);
        assert!(said.contains("has no section EventRateLimit"), "{said}");
    });
    assert_eq!(
        server.judge("pod-security-configuration", |judged| judged.verdict),
        Verdict::Compliant
    );
}

#[test]
fn an_operators_file_without_pod_security_stays_too_and_the_verdict_says_so() {
    let server = Server::new();
    server.policy(RATE_LIMIT);
    let own = format!("{OWN}{OWN_LIMIT}");
    server.write(PSA, &own);
    server.apply();
    assert_eq!(server.read(PSA), own);
    assert!(
        server.lines().contains("EventRateLimit"),
        "{}",
        server.lines()
    );
    server.judge("pod-security-configuration", |judged| {
        let said = format!("{:?}", judged.findings);
        assert!(said.contains("has no section PodSecurity"), "{said}");
    });
}

#[test]
fn an_operators_file_with_both_sections_serves_both() {
    let server = Server::new();
    server.policy(RATE_LIMIT);
    server.write(PSA, &format!("{OWN}{OWN_SECURITY}{OWN_LIMIT}"));
    assert_eq!(server.refusals(), "");
    assert!(
        server.lines().contains("EventRateLimit"),
        "{}",
        server.lines()
    );
}

#[test]
fn a_section_outlives_its_control_while_k3s_names_the_file() {
    for on_disable in ["keep", "revert"] {
        let server = Server::new();
        server.policy(RATE_LIMIT);
        server.apply();
        server.policy(&format!("on_disable = \"{on_disable}\"\n"));
        server.apply();
        assert!(server.read(PSA).contains("EventRateLimit"), "{on_disable}");
        assert_eq!(
            server.lines().contains("EventRateLimit"),
            on_disable == "keep",
            "{}",
            server.lines()
        );
    }
}

/// A disk of 8 GiB: the kubelet evicts below 409 MiB.
fn disk(free_mib: u64) -> Space {
    Space {
        total_bytes: 8192 * MIB,
        available_bytes: free_mib * MIB,
    }
}

#[test]
fn audit_logs_that_the_disk_has_no_room_for_are_refused_with_values_that_fit() {
    let mut server = Server::new();
    server.space = Some(disk(800));
    let refused = server.refusals();
    assert!(!server.lines().contains("audit-log-"), "{}", server.lines());
    assert!(
        server.lines().contains("audit-policy-file"),
        "{}",
        server.lines()
    );
    for word in [
        "1100 MiB",
        "800 MiB",
        "409 MiB",
        "audit-log-maxbackup=10",
        "audit-log-maxsize=35",
        "exception for audit-log-size",
    ] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    // The advice is taken.
    server.write(
        CONFIG,
        "kube-apiserver-arg: [audit-log-maxbackup=10, audit-log-maxsize=35]\n",
    );
    server.policy(&excepted("audit-log-size"));
    assert_eq!(server.refusals(), "");
    assert!(
        server.lines().contains("audit-log-path"),
        "{}",
        server.lines()
    );
}

#[test]
fn audit_logs_that_fit_are_written() {
    let mut server = Server::new();
    server.space = Some(disk(1600));
    server.apply();
    assert!(
        server.lines().contains("audit-log-path"),
        "{}",
        server.lines()
    );
}

#[test]
fn the_operators_eviction_threshold_counts() {
    let mut server = Server::new();
    server.space = Some(disk(1600));
    server.write(
        CONFIG,
        "kubelet-arg: ['eviction-hard=nodefs.available<1Gi']\n",
    );
    let refused = server.refusals();
    assert!(refused.contains("1024 MiB"), "{refused}");
    server.version = K3sVersion::new(31, 14);
    assert!(server.refusals().contains("1024 MiB"));
}

#[test]
fn a_kubelet_drop_in_sets_the_threshold_from_1_32_on() {
    let mut server = Server::new();
    server.space = Some(disk(1600));
    server.write(
        "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-site.conf",
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nevictionHard:\n  nodefs.available: 25%\n",
    );
    let refused = server.refusals();
    assert!(refused.contains("2048 MiB"), "{refused}{}", server.lines());
}

#[test]
fn what_the_logs_take_already_is_theirs() {
    let mut server = Server::new();
    server.space = Some(disk(1600));
    server.apply();
    // K3s has written its logs since, and the disk is as full as we said it would be.
    let log = server.tree.at("/var/lib/rancher/k3s/server/logs/audit.log");
    std::fs::File::create(&log)
        .unwrap()
        .set_len(1000 * MIB)
        .unwrap();
    server.space = Some(disk(600));
    assert_eq!(server.refusals(), "");
    // Somebody else fills it: logs that exist do not end for that.
    server.space = Some(disk(100));
    assert_eq!(server.refusals(), "");
    assert!(
        server.lines().contains("audit-log-path"),
        "{}",
        server.lines()
    );
}

#[test]
fn logs_that_the_operator_lets_grow_without_end_are_bounded_whatever_the_disk() {
    let mut server = Server::new();
    server.space = Some(disk(500));
    server.write(
        CONFIG,
        "kube-apiserver-arg: [audit-log-path=/var/log/audit.log]\n",
    );
    server.apply();
    assert!(
        server.lines().contains("audit-log-maxbackup=10"),
        "{}",
        server.lines()
    );
}

#[test]
fn an_image_does_not_know_its_disk_and_is_written() {
    let mut server = Server::new();
    server.surroundings = Surroundings::Image;
    server.policy("new_cluster = true\n");
    server.apply();
    assert!(
        server.lines().contains("audit-log-path"),
        "{}",
        server.lines()
    );
}

#[test]
fn up_to_1_24_no_audit_log_is_named_in_a_directory_that_is_missing() {
    let mut server = Server::new();
    server.version = K3sVersion::new(24, 17);
    server.policy("[control.audit-log-directory]\nstate = \"off\"\n");
    let refused = server.refusals();
    assert!(
        !server.lines().contains("audit-log-path"),
        "{}",
        server.lines()
    );
    assert!(
        refused.contains("/var/lib/rancher/k3s/server/logs"),
        "{refused}"
    );
}

#[test]
fn what_k3s_does_to_k3s_yaml_at_each_start_is_not_undone_each_time() {
    let kubeconfig = Path::new("/etc/rancher/k3s/k3s.yaml");
    for (command, config, mode, word) in [
        (
            "server --write-kubeconfig-mode 644",
            "",
            0o644,
            "k3s.service:3",
        ),
        (
            "server",
            "write-kubeconfig-group: adm\n",
            0o640,
            "config.yaml:1",
        ),
    ] {
        let server = Server::new();
        server.unit(command);
        server.write(CONFIG, config);
        server.write(kubeconfig.to_str().unwrap(), "kind: Config\n");
        server.set_mode(kubeconfig, mode);
        server.apply();
        assert_eq!(server.mode(kubeconfig), mode, "{word}");
        server.judge("k3s-yaml-kubeconfig", |judged| {
            assert_eq!(judged.verdict, Verdict::Divergent, "{word}");
            let said = format!("{:?}", judged.findings);
            assert!(said.contains(word), "{said}");
        });
    }
    // A mode that nobody asks for is drift.
    let server = Server::new();
    server.write(kubeconfig.to_str().unwrap(), "kind: Config\n");
    server.set_mode(kubeconfig, 0o644);
    server.apply();
    assert_eq!(server.mode(kubeconfig), 0o600);
}

#[test]
fn the_mode_of_k3s_yaml_is_judged_by_its_option_and_taken_over_only_if_enforced() {
    for (where_from, set) in [
        ("config.yaml:1", (CONFIG, "write-kubeconfig-mode: '644'\n")),
        (
            "K3S_KUBECONFIG_MODE",
            (
                "/etc/systemd/system/k3s.service.env",
                "K3S_KUBECONFIG_MODE=644\n",
            ),
        ),
        // Unquoted it is 384 to K3s, which then leaves the file as it was.
        ("config.yaml:1", (CONFIG, "write-kubeconfig-mode: 0600\n")),
    ] {
        let server = Server::new();
        server.write(set.0, set.1);
        server.policy("[control.k3s-yaml-kubeconfig]\nstate = \"observe\"\n");
        server.apply();
        assert!(
            !server.lines().contains("write-kubeconfig-mode"),
            "{}",
            server.lines()
        );
        server.judge("k3s-yaml-kubeconfig", |judged| {
            assert_eq!(judged.verdict, Verdict::Divergent);
            let said = format!("{:?}", judged.findings);
            assert!(said.contains(where_from), "{said}");
        });
        server.policy("");
        server.apply();
        assert!(
            server.lines().contains("write-kubeconfig-mode: '0600'"),
            "{}",
            server.lines()
        );
        assert_eq!(
            server.judge("k3s-yaml-kubeconfig", |judged| judged.verdict),
            Verdict::Compliant
        );
    }
}

/// "No more than 0600" is what is asked: what an operator holds back beyond that is not handed out by us.
#[test]
fn a_stricter_mode_of_k3s_yaml_stands_however_it_is_written() {
    for mode in ["'000'", "'0400'", "'0200'", "0"] {
        let server = Server::new();
        server.write(CONFIG, &format!("write-kubeconfig-mode: {mode}\n"));
        server.apply();
        let lines = server.lines();
        assert!(!lines.contains("write-kubeconfig-mode"), "{mode}: {lines}");
        let verdict = server.judge("k3s-yaml-kubeconfig", |judged| judged.verdict);
        assert_eq!(verdict, Verdict::Compliant, "{mode}");
    }
    // Unquoted it is 256 to K3s, and that lets others write.
    let server = Server::new();
    server.write(CONFIG, "write-kubeconfig-mode: 0400\n");
    server.apply();
    assert!(server.lines().contains("write-kubeconfig-mode: '0600'"));
}

#[test]
fn the_namespace_of_the_load_balancer_is_exempt_from_pod_security() {
    let server = Server::new();
    server.write(CONFIG, "servicelb-namespace: edge-lb\n");
    server.apply();
    let psa = server.read(PSA);
    assert!(
        psa.contains("'kube-system', 'compliance-operator-system', 'edge-lb'"),
        "{psa}"
    );
    // K3s's own default is in the list already, and twice would end the apiserver.
    server.write(CONFIG, "servicelb-namespace: kube-system\n");
    server.apply();
    let psa = server.read(PSA);
    assert!(
        psa.contains("['kube-system', 'compliance-operator-system']"),
        "{psa}"
    );
}

#[test]
fn up_to_1_24_the_file_of_the_plug_in_has_its_section_alone() {
    let mut server = Server::new();
    server.version = K3sVersion::new(24, 17);
    server.policy(RATE_LIMIT);
    assert_eq!(server.refusals(), "");
    assert!(
        server.lines().contains("EventRateLimit") && server.lines().contains("psa.yaml"),
        "{}",
        server.lines()
    );
    assert!(
        !server.read(PSA).contains("PodSecurity"),
        "{}",
        server.read(PSA)
    );
    // The upgrade brings Pod Security in with its own control, and downgrading takes it out.
    server.version = K3sVersion::new(25, 16);
    assert_eq!(server.refusals(), "");
    assert!(
        server.read(PSA).contains("PodSecurity"),
        "{}",
        server.read(PSA)
    );
    server.version = K3sVersion::new(24, 17);
    assert_eq!(server.refusals(), "");
    assert!(
        !server.read(PSA).contains("PodSecurity"),
        "{}",
        server.read(PSA)
    );
}

#[test]
fn on_a_cluster_with_data_the_plug_in_does_not_bring_pod_security_into_force() {
    let server = Server::new();
    server.start();
    server.remove(std::path::Path::new("/var/lib/k3warden"));
    server.policy(RATE_LIMIT);
    let refused = server.refusals();
    let lines = server.lines();
    assert!(
        !lines.contains("admission-control-config-file") && !lines.contains("EventRateLimit"),
        "{lines}"
    );
    assert!(refused.contains("event-rate-limit"), "{refused}");
}

/// A kubelet in a container checks the values of the kernel around it, which are not ours to set.
#[test]
fn in_a_container_the_kernel_around_it_decides_and_is_left_alone() {
    let mut server = Server::new();
    server.surroundings = Surroundings::Container;
    server.kernel("vm/overcommit_memory", "0");
    let refused = server.refusals();
    assert!(!server.lines().contains(PROTECT), "{}", server.lines());
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
    assert!(server.lines().contains(PROTECT), "{}", server.lines());
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
