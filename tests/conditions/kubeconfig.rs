//! The mode of `k3s.yaml`, which K3s sets at each start.

use std::path::Path;

use k3warden::reconcile::Verdict;

use crate::CONFIG;
use crate::server::Server;

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
        server.assert_leaves_out("write-kubeconfig-mode");
        server.judge("k3s-yaml-kubeconfig", |judged| {
            assert_eq!(judged.verdict, Verdict::Divergent);
            let said = format!("{:?}", judged.findings);
            assert!(said.contains(where_from), "{said}");
        });
        server.policy("");
        server.apply();
        server.assert_writes("write-kubeconfig-mode: '0600'");
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
