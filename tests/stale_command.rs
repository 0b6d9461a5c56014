//! A drop-in of ours for K3s's unit that stands for another command than the unit has now: what a start in progress gets, what must not
//! be lost with it, and who says so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod overridden;
mod tree;

use overridden::{DROP_IN, OVERRIDE, Server, WEAK};
use tree::DROP_IN as LINES;

const KEY: &str = "var/lib/rancher/k3s/server/cred/encryption-config.json";

/// With a drop-in of ours for this command.
fn overridden(command: &str, policy: &str) -> Server {
    let server = Server::new(command, policy);
    let said = server.apply();
    assert!(server.drop_in().is_some(), "{said}");
    server
}

/// The start in progress gets the old command, and what that reads stays right for it.
#[test]
fn the_door_plans_for_the_command_that_the_start_gets() {
    let agent = "/usr/local/bin/k3s agent --server=https://x:6443 --token=abc";
    for now in [
        &format!("{WEAK} --config=/srv/k3s.yaml"),
        &format!("{WEAK} --protect-kernel-defaults=true --kube-apiserver-arg=request-timeout=300s"),
        agent,
    ] {
        let server = overridden(WEAK, OVERRIDE);
        let lines = server.0.text(LINES);
        server.install(now);
        let said = server.run(&["apply", "--before-start", "k3s.service"]);
        assert_eq!(server.0.text(LINES), lines, "{now}: {said}");
        assert!(said.contains("CRITICAL"), "{said}");
    }
}

/// Once there is a key nothing takes away what turns encryption on, whoever wrote it.
#[test]
fn the_only_word_about_encryption_stays_under_a_key() {
    let paths: [(&str, &[&str]); 3] = [
        (OVERRIDE, &["apply"]),
        ("", &["apply"]),
        (OVERRIDE, &["revert"]),
    ];
    for (policy, command) in paths {
        let server = Server::new(&format!("{WEAK} --secrets-encryption"), OVERRIDE);
        server.write(KEY, "{}");
        server.apply();
        let ours = server.drop_in().unwrap();
        assert!(ours.contains("--secrets-encryption"), "{ours}");
        server.install(WEAK);
        server.write("etc/k3warden/config.toml", policy);
        let said = server.run(command);
        assert_eq!(server.drop_in().as_ref(), Some(&ours), "{said}");
        assert!(said.contains("could not read its Secrets"), "{said}");
        // Said again where it is read, the drop-in can follow.
        server.write("etc/rancher/k3s/config.yaml", "secrets-encryption: true\n");
        let said = server.run(command);
        assert_ne!(server.drop_in(), Some(ours), "{said}");
    }
}

#[test]
fn a_server_becomes_an_agent_with_one_apply() {
    let server = overridden(WEAK, &format!("{OVERRIDE}new_cluster = true\n"));
    server.0.assert_writes("secrets-encryption: true");
    server.write(KEY, "{}");
    server.install("/usr/local/bin/k3s agent --server=https://x:6443 --token=abc");
    let said = server.apply();
    assert_eq!(server.drop_in(), None, "{said}");
    server.0.assert_leaves_out("secrets-encryption");
    server.0.assert_leaves_out("kube-apiserver-arg");
    let report = server.run(&["effective"]);
    assert!(report.lines().next().unwrap().contains("agent"), "{report}");
}

/// K3s starts with what is there, and would not with what would be made of it.
#[test]
fn a_command_without_which_k3s_ends_is_left() {
    let server = overridden(
        "/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-maxage=7x",
        OVERRIDE,
    );
    let ours = server.drop_in();
    server.write("etc/k3warden/config.toml", "");
    let said = server.apply();
    assert_eq!(server.drop_in(), ours, "{said}");
    assert!(said.contains("without it K3s would not start"), "{said}");

    let server = overridden(WEAK, OVERRIDE);
    let ours = server.drop_in();
    server.install(&format!("{WEAK} --kubelet-arg=nosuch=1"));
    let said = server.apply();
    assert_eq!(server.drop_in(), ours, "{said}");
    assert!(said.contains("without it K3s would not start"), "{said}");
}

/// A word that came out of a variable is not read again.
#[test]
fn other_variables_make_a_command_stale_where_one_of_ours_came_from_one() {
    let unit = "[Service]\nEnvironmentFile=/etc/k3s.env\nExecStart=/usr/local/bin/k3s server $EXTRA $MORE\n";
    let server = Server::new(WEAK, OVERRIDE);
    server.write("etc/systemd/system/k3s.service", unit);
    server.write(
        "etc/k3s.env",
        "EXTRA=--kube-apiserver-arg=audit-log-maxage=7\nMORE=--debug\n",
    );
    server.apply();
    assert_eq!(server.verdict("audit-log-retention").0, "compliant");
    server.write(
        "etc/k3s.env",
        "EXTRA=--kube-apiserver-arg=audit-log-maxage=7\nMORE=--tls-san=x\n",
    );
    assert_eq!(
        server.verdict("audit-log-retention").0,
        "compliant",
        "systemd reads $MORE again"
    );
    server.write("etc/k3s.env", "EXTRA=--tls-san=edge.example\n");
    assert_eq!(server.verdict("audit-log-retention").0, "divergent");
    let said = server.apply();
    assert_eq!(server.drop_in(), None, "{said}");
    let report = server.run(&["effective"]);
    assert!(report.contains("edge.example"), "{report}");
}

#[test]
fn a_command_for_a_unit_that_has_none_is_told_of() {
    let server = overridden(WEAK, OVERRIDE);
    for unit in [
        "[Service]\nType=notify\n".to_owned(),
        format!("[Service]\nType=oneshot\nExecStart={WEAK} --tls-san=new\nExecStart=/bin/true\n"),
    ] {
        server.write("etc/systemd/system/k3s.service", &unit);
        assert_eq!(
            server.verdict("audit-log-retention").0,
            "divergent",
            "{unit}"
        );
    }
}

#[test]
fn a_stale_command_of_a_control_that_was_turned_off_is_warned_of() {
    let server = overridden(WEAK, OVERRIDE);
    let off = "[control.audit-log-retention]\nstate = \"off\"\n";
    server.write("etc/k3warden/config.toml", &format!("{OVERRIDE}{off}"));
    server.install(&format!("{WEAK} --tls-san=new"));
    let said = server.run(&["check"]);
    assert!(
        said.contains("zz-k3warden.conf was made for another command"),
        "{said}"
    );
}

/// Another unit starts K3s by now; should the old one come back, it is not to bring back its command of long ago.
#[test]
fn a_command_for_another_unit_than_the_nodes_is_taken_away() {
    let server = overridden(WEAK, OVERRIDE);
    std::fs::remove_file(server.0.at("etc/systemd/system/k3s.service")).unwrap();
    server.write(
        "etc/systemd/system/k3s-agent.service",
        "[Service]\nExecStart=/usr/local/bin/k3s agent --server=https://x:6443 --token=abc\n",
    );
    let said = server.apply();
    assert_eq!(server.drop_in(), None, "{said}");
}

#[test]
fn whoever_only_observes_changes_nothing_of_ours() {
    let observing = |more: &str| format!("mode = \"observe\"\n{more}");
    for policy in [observing(OVERRIDE), observing("")] {
        let server = overridden(WEAK, OVERRIDE);
        let before = (server.drop_in(), server.0.text(LINES));
        server.write("etc/k3warden/config.toml", &policy);
        server.install(&format!("{WEAK} --tls-san=new"));
        let said = server.apply();
        assert_eq!((server.drop_in(), server.0.text(LINES)), before, "{said}");
    }
}

/// Its name alone makes no file ours.
#[test]
fn a_file_of_the_operators_under_a_name_like_ours_is_his() {
    let his = "[Service]\nLimitNOFILE=5\nEnvironment=K3S_DATASTORE_ENDPOINT=mysql://x\n";
    let place = "etc/systemd/system/k3s.service.d/10-z-k3warden.conf";
    let server = Server::new(WEAK, "");
    server.write(place, his);
    server.apply();
    assert_eq!(server.0.text(place), his);

    let server = Server::new(WEAK, OVERRIDE);
    server.write("usr/lib/systemd/system/k3s.service.d/zz-k3warden.conf", his);
    let said = server.apply();
    assert!(
        server.exists("etc/systemd/system/k3s.service.d/zzz-k3warden.conf"),
        "{said}"
    );
    let report = server.run(&["effective"]);
    assert!(report.contains("datastore-endpoint"), "{report}");
    assert_eq!(server.argument("audit-log-maxage").unwrap(), "30");
}

#[test]
fn what_cannot_be_written_beside_the_unit_is_refused_beforehand() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::new(WEAK, OVERRIDE);
    let directory = server.0.at("etc/systemd/system/k3s.service.d");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let said = server.run(&["diff"]);
    assert!(!said.contains("+ExecStart"), "{said}");
    assert!(said.contains("is writable by others than root"), "{said}");
}

/// Of a list the elements of a control that was turned off stay, as they do in a line of the configuration.
#[test]
fn the_elements_of_a_control_that_was_turned_off_stay_in_the_list() {
    let command = "/usr/local/bin/k3s server --kube-apiserver-arg=enable-admission-plugins=PodNodeSelector,NodeRestriction";
    let policy = |state: &str| {
        format!(
            "{OVERRIDE}[control.deny-service-external-ips]\nstate = \"enforce\"\n[control.always-pull-images]\nstate = \"{state}\"\n"
        )
    };
    let server = Server::new(command, &policy("enforce"));
    let apply = || server.0.with_k3s("1.22.4", &["apply"]).said();
    apply();
    let ours = server.0.text(DROP_IN);
    assert!(
        ours.contains("AlwaysPullImages") && ours.contains("DenyServiceExternalIPs"),
        "{ours}"
    );
    server.write("etc/k3warden/config.toml", &policy("off"));
    for _ in 0..2 {
        let said = apply();
        let command = server.drop_in().unwrap();
        assert!(command.contains("AlwaysPullImages"), "{said}");
        assert!(command.contains("DenyServiceExternalIPs"), "{said}");
    }
}

#[test]
fn another_binary_keeps_the_version_that_was_given() {
    let server = overridden(WEAK, OVERRIDE);
    server.install("/opt/k3s server --kube-apiserver-arg=audit-log-maxage=7 --tls-san=new");
    let said = server.apply();
    assert!(
        server.drop_in().unwrap().starts_with("/opt/k3s server"),
        "{said}"
    );
}

/// A stale command that cannot be removed is refused beforehand, and not planned again and again.
#[test]
fn a_stale_command_that_cannot_be_removed_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let server = overridden(WEAK, OVERRIDE);
    server.install(&format!("{WEAK} --config=http://there/k3s.yaml"));
    let directory = server.0.at("etc/systemd/system/k3s.service.d");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let said = server.run(&["diff"]);
    assert!(said.contains("is writable by others than root"), "{said}");
    assert!(
        !said.contains("--- /etc/systemd/system/k3s.service.d"),
        "{said}"
    );
}
