//! Admission plug-ins: one is named where the file that its section is in has that section.

use k3warden::k3s::K3sVersion;
use k3warden::reconcile::Verdict;

use crate::CONFIG;
use crate::server::Server;

const PSA: &str = "/var/lib/rancher/k3s/server/psa.yaml";
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
    server.assert_writes("'enable-admission-plugins=NodeRestriction,EventRateLimit'");
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
    server.assert_writes("EventRateLimit");
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
    server.assert_writes("EventRateLimit");
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
