//! With `unit_override = true`, a word of the unit's command that outranks K3s's configuration is exchanged by a drop-in of
//! ours; every other word stays as the operator wrote it, and the drop-in follows the unit.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod overridden;
mod tree;

use overridden::{DROP_IN, OVERRIDE, Server, WEAK};

#[test]
fn without_the_policy_the_line_and_both_mends_are_named() {
    let server = Server::new(WEAK, "");
    let control = "audit-log-retention";
    let place = "k3s.service ExecStart (/etc/systemd/system/k3s.service:4)";
    for command in [
        &["check", control][..],
        &["explain", control],
        &["diff"],
        &["apply"],
    ] {
        let said = server.run(command);
        let decided = format!("is decided by {place}");
        for part in [decided.as_str(), "change it there", "unit_override = true"] {
            assert!(said.contains(part), "{command:?}: {said}");
        }
    }
    assert_eq!(server.drop_in(), None);
    assert_eq!(server.verdict("audit-log-retention").0, "divergent");
}

/// As with a line of the configuration: what a control that was turned off wrote stays, unless the policy says otherwise.
#[test]
fn a_command_stays_while_everything_is_observed_and_when_its_control_is_turned_off() {
    const OFF: &str = "[control.audit-log-retention]\nstate = \"off\"\n";
    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    let ours = server.drop_in();
    assert!(ours.is_some());
    for policy in [
        "mode = \"observe\"\n",
        OFF,
        &format!("on_disable = \"keep\"\n{OFF}"),
    ] {
        server.write("etc/k3warden/config.toml", &format!("{OVERRIDE}{policy}"));
        server.apply();
        assert_eq!(server.drop_in(), ours, "{policy}");
    }
    // The operator's new words come before: what stands for others does not stay.
    server.install(&format!("{WEAK} --tls-san=new"));
    server.apply();
    assert_eq!(server.drop_in(), None);

    for policy in [
        format!("{OVERRIDE}on_disable = \"revert\"\n{OFF}"),
        String::new(),
    ] {
        let server = Server::new(WEAK, OVERRIDE);
        server.apply();
        server.write("etc/k3warden/config.toml", &policy);
        server.apply();
        assert_eq!(server.drop_in(), None, "{policy}");
    }
}

/// A list keeps what any file puts into it, and the kubelet's drop-ins come after K3s's options: there another command of the
/// unit is no mend, and none is offered.
#[test]
fn what_a_file_decides_is_to_be_changed_in_that_file() {
    let kubelet = "var/lib/rancher/k3s/agent/etc/kubelet.conf.d/90-x.conf";
    for (path, text) in [
        (
            "etc/rancher/k3s/config.yaml",
            "kubelet-arg: ['tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256']\n",
        ),
        (
            kubelet,
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nprotectKernelDefaults: false\n",
        ),
    ] {
        for policy in ["", "unit_override = true\n"] {
            let server = Server::new("/usr/local/bin/k3s server", policy);
            server.write(path, text);
            let said = server.apply();
            let expected = format!("is decided by /{path}:");
            let line = said.lines().find(|line| line.contains(&expected));
            let line = line.unwrap_or_else(|| panic!("{path}: {said}"));
            assert!(line.contains("change it there"), "{line}");
            assert!(!line.contains("unit_override"), "{line}");
        }
    }
}

#[test]
fn only_the_word_that_outranks_is_exchanged() {
    let ours = "'--kube-apiserver-arg=audit-log-maxage=30'";
    for (command, expected) in [
        (WEAK, format!("/usr/local/bin/k3s server {ours}")),
        (
            "/usr/local/bin/k3s \\\n    server \\\n\t'--log=/x y' \\\n\t'--kube-apiserver-arg' \\\n\t'audit-log-maxage=7' \\\n\t'--tls-san=x' \\\n",
            format!("/usr/local/bin/k3s server '--log=/x y' {ours} '--tls-san=x'"),
        ),
        (
            "-/usr/local/bin/k3s server \"--kube-apiserver-arg=--audit-log-maxage=7\" --log=/%n/100%%/$$ --node-name ${MODE} --with-node-id \\x2d\\x2ddebug",
            format!(
                "-/usr/local/bin/k3s server {ours} --log=/%n/100%%/$$ --node-name ${{MODE}} --with-node-id \\x2d\\x2ddebug"
            ),
        ),
        (
            "/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-maxage=9 -kube-apiserver-arg=audit-log-maxage=7 --debug",
            format!("/usr/local/bin/k3s server {ours} --debug"),
        ),
    ] {
        let server = Server::new(command, OVERRIDE);
        let said = server.apply();
        assert_eq!(server.drop_in(), Some(expected), "{said}");
        assert_eq!(server.argument("audit-log-maxage").unwrap(), "30");
        assert_eq!(server.verdict("audit-log-retention").0, "compliant");
        let again = server.run(&["diff"]);
        assert!(
            !again.contains("zz-k3warden.conf"),
            "applied twice: {again}"
        );
    }
}

#[test]
fn an_option_of_k3s_itself_is_exchanged_in_every_form() {
    for command in [
        "/usr/local/bin/k3s server --write-kubeconfig-mode ${MODE} --debug",
        "/usr/local/bin/k3s server --write-kubeconfig-mode=0644 --debug",
        "/usr/local/bin/k3s server -write-kubeconfig-mode '0644' --debug",
    ] {
        let server = Server::new(command, OVERRIDE);
        server.apply();
        let expected = "/usr/local/bin/k3s server '--write-kubeconfig-mode=0600' --debug";
        assert_eq!(server.drop_in().as_deref(), Some(expected), "{command}");
    }
}

#[test]
fn a_value_that_stands_and_a_value_below_the_configuration_need_no_drop_in() {
    for command in [
        "/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-maxage=90",
        "/usr/local/bin/k3s server",
    ] {
        let server = Server::new(command, OVERRIDE);
        server.apply();
        assert_eq!(server.drop_in(), None, "{command}");
    }
}

#[test]
fn when_the_unit_is_written_anew_the_controls_diverge_until_the_drop_in_follows() {
    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    assert_eq!(server.verdict("audit-log-retention").0, "compliant");
    server.install(&format!("{WEAK} --tls-san=new"));
    let (verdict, findings) = server.verdict("audit-log-retention");
    assert_eq!(verdict, "divergent");
    assert!(findings.contains("made for another command"), "{findings}");
    server.apply();
    assert!(server.drop_in().unwrap().ends_with("--tls-san=new"));
    assert_eq!(server.verdict("audit-log-retention").0, "compliant");
}

#[test]
fn a_drop_in_that_cannot_follow_is_refused_and_the_control_diverges() {
    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    server.install("/usr/local/bin/k3s server $WORDS");
    server.write(
        "etc/systemd/system/k3s.service.d/10-words.conf",
        "[Service]\nEnvironment=\"WORDS=--kube-apiserver-arg=audit-log-maxage=7 --debug\"\n",
    );
    let said = server.apply();
    assert!(said.contains("`$WORDS` in its command"), "{said}");
    assert_eq!(server.verdict("audit-log-retention").0, "divergent");
    assert_eq!(
        server.drop_in(),
        None,
        "the old command is not brought back"
    );
}

#[test]
fn the_drop_in_goes_when_nothing_needs_it_or_the_policy_wants_it_no_more() {
    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    assert!(server.drop_in().is_some());
    server.install("/usr/local/bin/k3s server");
    server.apply();
    assert_eq!(server.drop_in(), None);
    assert_eq!(server.argument("audit-log-maxage").unwrap(), "30");

    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    server.write("etc/k3warden/config.toml", "");
    server.apply();
    assert_eq!(server.drop_in(), None);
    assert_eq!(server.argument("audit-log-maxage").unwrap(), "7");
}

#[test]
fn it_sorts_after_every_drop_in_of_the_operator() {
    let server = Server::new(WEAK, OVERRIDE);
    server.write(
        "run/systemd/system/k3s.service.d/zzz-late.conf",
        "[Service]\nExecStart=\nExecStart=/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-maxage=3\n",
    );
    server.apply();
    assert_eq!(server.drop_in(), None);
    let late = "etc/systemd/system/k3s.service.d/zzzz-k3warden.conf";
    let text = server.0.text(late);
    assert!(text.contains("audit-log-maxage=30"), "{text}");
    assert_eq!(server.argument("audit-log-maxage").unwrap(), "30");
}

#[test]
fn the_ledger_knows_it_and_revert_takes_it_away() {
    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    assert!(server.run(&["ledger"]).contains("zz-k3warden.conf"));
    let said = server.run(&["revert"]);
    assert_eq!(server.drop_in(), None, "{said}");
    assert!(!server.exists("etc/systemd/system/k3s.service.d"));
    assert_eq!(server.argument("audit-log-maxage").unwrap(), "7");
}

#[test]
fn secrets_encryption_stays_the_operators() {
    let server = Server::new(
        "/usr/local/bin/k3s server --secrets-encryption=false",
        "unit_override = true\nnew_cluster = true\n",
    );
    let said = server.apply();
    assert_eq!(server.drop_in(), None, "{said}");
}

/// Purge runs once: what the drop-in alone kept must not outlive it.
#[test]
fn what_only_our_drop_in_kept_goes_with_it() {
    let server = Server::new(
        "/usr/local/bin/k3s server --protect-kernel-defaults=false",
        "unit_override = true\n",
    );
    server.apply();
    assert!(server.drop_in().is_some() && server.exists("etc/sysctl.d/90-kubelet.conf"));
    let reverted = server.0.k3warden(&["revert"]);
    assert_eq!(reverted.code, Some(0), "{reverted:?}");
    assert_eq!(server.drop_in(), None, "{reverted:?}");
    assert!(
        !server.exists("etc/sysctl.d/90-kubelet.conf"),
        "{reverted:?}"
    );
}

#[test]
fn a_token_of_the_command_is_never_shown() {
    let weak = "--kube-apiserver-arg=audit-log-maxage=7";
    let command = |token: &str| {
        format!(
            "/usr/local/bin/k3s server '--token={token}' --agent-token {token} '--etcd-arg=initial-cluster-token={token}' {weak}"
        )
    };
    let server = Server::new(&command("SEKRET"), OVERRIDE);
    let silent = |server: &Server| {
        for arguments in [
            ["diff"].as_slice(),
            &["diff", "--format", "json"],
            &["effective", "--format", "json"],
            &["check"],
            &["apply", "--format", "json"],
            &["ledger"],
            &["ledger", "--format", "json"],
            &["status"],
        ] {
            let said = server.run(arguments);
            assert!(!said.contains("SEKRET"), "{arguments:?}: {said}");
        }
    };
    let said = server.run(&["diff"]);
    let hidden = "+ExecStart=/usr/local/bin/k3s server '--token={secret}' --agent-token '{secret}' '--etcd-arg=initial-cluster-token={secret}' '--kube-apiserver-arg=audit-log-maxage=30'";
    assert!(said.contains(hidden), "{said}");
    silent(&server);
    assert!(server.drop_in().unwrap().contains("--token=SEKRET"));
    let unit_drop_in = "etc/systemd/system/k3s.service.d/zz-k3warden.conf";
    let ours = server.drop_in().unwrap();
    for line in [
        "Environment=K3S_TOKEN=SEKRET",
        "ExecStartPre=/bin/x --token SEKRET",
    ] {
        server.write(unit_drop_in, &format!("{ours}{line}\n"));
        let said = server.run(&["diff"]);
        assert!(
            said.contains("-{a line that k3warden did not write}"),
            "{said}"
        );
        silent(&server);
    }
    server.install(&format!("{} --debug", command("SEKRET2")));
    silent(&server);
    server.write(
        "etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml",
        "token: SEKRET\nkube-apiserver-arg: ['oidc-client-secret=SEKRET']\n",
    );
    silent(&server);
}

#[test]
fn a_secret_that_slipped_into_a_word_of_its_own_is_never_shown() {
    for (version, words, config) in [
        ("1.36.3", "'--token SEKRET'", ""),
        ("1.36.3", "--token= SEKRET", ""),
        ("1.31.4", "--token= SEKRET", ""),
        ("1.36.3", "", "etcd-arg: [initial-cluster-token=SEKRET]\n"),
        ("1.36.3", "", "kube-apiserver-arg: ['token SEKRET']\n"),
        ("1.36.3", "", "'token SEKRET': x\n"),
    ] {
        let server = Server::new(&format!("/usr/local/bin/k3s server {words}"), OVERRIDE);
        server.write("etc/rancher/k3s/config.yaml", config);
        for arguments in [
            ["diff"].as_slice(),
            &["check"],
            &["effective"],
            &["effective", "--format", "json"],
        ] {
            let said = server.0.with_k3s(version, arguments).said();
            assert!(!said.contains("SEKRET"), "{arguments:?}: {said}");
        }
    }
}

impl Server {
    /// All elements of a list of the apiserver at the next start.
    fn elements(&self, version: &str, flag: &str) -> Vec<String> {
        let effective = ["effective", "--format", "json"];
        let report = self.0.with_k3s(version, &effective).json();
        let line = report["arguments"]["kube-apiserver"].as_array().unwrap();
        let flag = format!("--{flag}=");
        let values = line
            .iter()
            .filter_map(|word| word.as_str()?.strip_prefix(&flag));
        let elements = values.flat_map(|value| value.split(','));
        elements.map(str::to_owned).collect()
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table reads best in one piece")]
fn elements_of_a_list_on_the_command_stay_beside_ours() {
    const PLUGINS: &str = "enable-admission-plugins";
    let enforced = "unit_override = true\n[control.deny-service-external-ips]\nstate = \"enforce\"\n\
                    [control.always-pull-images]\nstate = \"enforce\"\n";
    let ours = [
        "NodeRestriction",
        "DenyServiceExternalIPs",
        "AlwaysPullImages",
    ];
    for (version, words, theirs) in [
        ("1.36.3", "+=PodNodeSelector", &["PodNodeSelector"][..]),
        ("1.36.3", "-=PodNodeSelector", &["PodNodeSelector"]),
        (
            "1.36.3",
            "=PodNodeSelector,NodeRestriction",
            &["PodNodeSelector"],
        ),
        (
            "1.36.3",
            "+=PodNodeSelector --kube-apiserver-arg=enable-admission-plugins+=EventRateLimit",
            &["PodNodeSelector", "EventRateLimit"],
        ),
        (
            "1.22.4",
            "=PodNodeSelector,NodeRestriction",
            &["PodNodeSelector"],
        ),
        ("1.22.4", "=NodeRestriction", &[]),
    ] {
        for policy in [
            enforced,
            enforced.trim_start_matches("unit_override = true\n"),
        ] {
            let server = Server::new(
                &format!("/usr/local/bin/k3s server --kube-apiserver-arg={PLUGINS}{words}"),
                policy,
            );
            let said = server.0.with_k3s(version, &["apply"]).said();
            let there = server.elements(version, PLUGINS);
            let case = format!("{version} {words} {policy}: {there:?}: {said}");
            assert!(
                theirs
                    .iter()
                    .all(|plugin| there.contains(&(*plugin).to_owned())),
                "{case}"
            );
            if version == "1.22.4" && policy != enforced {
                continue;
            }
            assert!(
                ours.iter()
                    .all(|plugin| there.contains(&(*plugin).to_owned())),
                "{case}"
            );
            let mut once = there.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), there.len(), "{case}");
            let again = server.0.with_k3s(version, &["diff"]).said();
            assert!(
                !again.contains("k3warden.conf") && !again.contains("zz-k3warden.yaml"),
                "{again}"
            );
        }
    }
}

/// Whoever is sent to a word of his own that our command repeats is sent to where he wrote it; a change in our file would be
/// replaced.
#[test]
fn a_word_of_the_operators_keeps_its_place() {
    let server = Server::new(
        &format!(
            "{WEAK} \\\n  --kube-apiserver-arg=anonymous-auth=true \\\n  --write-kubeconfig-mode=600"
        ),
        OVERRIDE,
    );
    server.apply();
    assert!(server.drop_in().is_some());
    let (verdict, findings) = server.verdict("anonymous-requests");
    let place = "k3s.service ExecStart (/etc/systemd/system/k3s.service:5)";
    assert_eq!(verdict, "divergent", "{findings}");
    assert!(findings.contains(place), "{findings}");
    let report = server.run(&["effective"]);
    let slip = report
        .lines()
        .find(|line| line.contains("write-kubeconfig-mode"));
    assert!(
        slip.is_some_and(|line| line.contains("k3s.service:6")),
        "{report}"
    );
    let ours = server.run(&["effective", "--format", "json"]);
    assert!(
        ours.contains("zz-k3warden.conf"),
        "our own word has ours: {ours}"
    );
}

/// The versions that nothing new is written for: newer than the catalogue, and without what our lines need.
#[test]
fn where_nothing_new_is_written_a_command_of_ours_stays_only_while_it_stands_for_the_units() {
    for version in ["1.39.0", "1.21.0", "1.20.4"] {
        let apply = |server: &Server| server.0.with_k3s(version, &["apply"]).said();
        let server = Server::new(WEAK, OVERRIDE);
        server.apply();
        let ours = server.drop_in();
        assert!(ours.is_some());
        let said = apply(&server);
        assert_eq!(server.drop_in(), ours, "{version}: {said}");

        server.install(&format!("{WEAK} --tls-san=new"));
        let said = apply(&server);
        assert_eq!(server.drop_in(), None, "{version}: {said}");

        let server = Server::new(WEAK, OVERRIDE);
        server.apply();
        server.write("etc/k3warden/config.toml", "");
        let said = apply(&server);
        assert_eq!(server.drop_in(), None, "{version}: {said}");
    }
}

#[test]
fn a_command_that_went_stale_goes_where_the_configuration_is_out_of_our_reach() {
    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    assert!(server.drop_in().is_some());
    server.install(&format!("{WEAK} --config=http://there/k3s.yaml"));
    let said = server.apply();
    assert_eq!(server.drop_in(), None, "{said}");
}

/// The operator's new command would end K3s, and the one that ours brings back does not: it stays, and is told of.
#[test]
fn a_stale_command_without_which_k3s_ends_is_not_taken_away() {
    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    let ours = server.drop_in();
    server.install(&format!("{WEAK} --no-such-option"));
    let said = server.apply();
    assert_eq!(server.drop_in(), ours, "{said}");
    assert!(said.contains("no-such-option"), "{said}");
    assert_eq!(server.verdict("audit-log-retention").0, "divergent");
}

/// Our place in the unit's directory is masked: what needs it is refused, and all other lines are written.
#[test]
fn a_masked_place_of_ours_hinders_only_what_needs_it() {
    let server = Server::new(WEAK, OVERRIDE);
    let place = server.0.at(DROP_IN);
    std::fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/null", &place).unwrap();
    let said = server.apply();
    server.0.assert_writes("audit-log-maxbackup=");
    server.0.assert_leaves_out("audit-log-maxage=");
    let refused = said.lines().find(|line| line.contains("audit-log-maxage"));
    let refused = refused.unwrap_or_else(|| panic!("{said}"));
    assert!(
        refused.contains("is a symbolic link to /dev/null"),
        "{refused}"
    );
    assert!(place.is_symlink());
}

#[test]
fn the_word_of_a_control_that_was_turned_off_stays_beside_those_of_others() {
    let weak = "/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-maxage=7 --kube-apiserver-arg=audit-log-maxsize=7";
    let server = Server::new(weak, OVERRIDE);
    server.apply();
    let ours = server.drop_in().unwrap();
    assert!(
        ours.contains("maxage=30") && ours.contains("maxsize=100"),
        "{ours}"
    );
    let off = "[control.audit-log-retention]\nstate = \"off\"\n";
    server.write("etc/k3warden/config.toml", &format!("{OVERRIDE}{off}"));
    let said = server.apply();
    assert_eq!(server.drop_in(), Some(ours), "{said}");
    let revert = format!("on_disable = \"revert\"\n{OVERRIDE}{off}");
    server.write("etc/k3warden/config.toml", &revert);
    let said = server.apply();
    let ours = server.drop_in().unwrap();
    assert!(
        ours.contains("maxage=7") && ours.contains("maxsize=100"),
        "{ours} {said}"
    );
}

/// The unit was written anew with another place for K3s's configuration and data: all of it is planned for what the unit says now.
#[test]
fn the_first_apply_after_the_unit_was_written_anew_is_for_its_new_places() {
    let server = Server::new(WEAK, OVERRIDE);
    server.apply();
    server.install(&format!(
        "{WEAK} --config=/srv/k3s.yaml --data-dir=/srv/k3s"
    ));
    std::fs::create_dir_all(server.0.at("srv/k3s/server")).unwrap();
    let said = server.apply();
    assert!(server.drop_in().unwrap().contains("--config=/srv/k3s.yaml"));
    let lines = server.0.text("srv/k3s.yaml.d/zz-k3warden.yaml");
    assert!(lines.contains("protect-kernel-defaults"), "{said}");
    assert!(lines.contains("/srv/k3s/server/audit.yaml"), "{lines}");
    let again = server.run(&["diff"]);
    assert!(!again.contains("/srv/"), "applied twice: {again}");
    assert!(!said.contains("is at K3s's default"), "{said}");
}
