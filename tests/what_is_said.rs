//! What commands print and exit with: where nothing is done, only looked at, or lost.

#![allow(clippy::unwrap_used, clippy::panic)]

mod tree;

use std::fs::File;
use std::process::{Command, Stdio};

use tree::{Tree, difference};

const SERVER: &str = "\
755 root:root d /etc/rancher/k3s
755 root:root d /var/lib/rancher/k3s
755 root:root d /var/lib/rancher/k3s/server
755 root:root d /var/lib/rancher/k3s/server/db
600 root:root f /var/lib/rancher/k3s/server/db/state.db
| kine
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
";
const POLICY: &str = "755 root:root d /etc/k3warden\n644 root:root f /etc/k3warden/config.toml\n";

fn with_policy(lines: &[&str]) -> Tree {
    let tree = Tree::of(SERVER);
    let text: String = lines.iter().map(|line| format!("| {line}\n")).collect();
    tree.add(&format!("{POLICY}{text}"));
    tree
}

#[test]
fn output_that_is_lost_is_no_success_and_a_reader_who_has_enough_is_no_failure() {
    let tree = Tree::of(SERVER);
    let check = |output: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k3warden"));
        command.arg("--root").arg(tree.path());
        command.args(["--k3s-version", "1.36.3", "effective", "--format", "json"]);
        command
            .stdout(output)
            .stderr(Stdio::piped())
            .output()
            .unwrap()
    };
    let full = File::options().write(true).open("/dev/full").unwrap();
    let lost = check(full.into());
    let said = String::from_utf8_lossy(&lost.stderr).into_owned();
    assert_eq!(lost.status.code(), Some(2), "{said}");
    assert!(
        said.contains("what was to be printed is lost: No space left"),
        "{said}"
    );

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(check(writer.into()).status.code(), Some(0));
}

#[test]
fn diff_shows_what_enforcing_would_do_while_everything_is_observed() {
    let tree = with_policy(&["mode = \"observe\""]);
    let before = tree.snapshot();
    let diff = tree.k3warden(&["diff"]);
    assert_eq!(diff.code, Some(1), "{diff:?}");
    let place = "mode = \"observe\" at /etc/k3warden/config.toml:1";
    assert!(
        diff.stdout.starts_with(&format!("not done: {place}\n")),
        "{diff:?}"
    );
    assert!(
        diff.stdout.contains("/etc/sysctl.d/90-kubelet.conf"),
        "{diff:?}"
    );

    let apply = tree.k3warden(&["apply"]);
    assert!(
        apply
            .stdout
            .starts_with(&format!("Nothing is changed: {place}")),
        "{apply:?}"
    );
    let changed = difference(&before, &tree.snapshot(), "/");
    assert_eq!(changed, Vec::<String>::new());
}

/// A red line that stays red has to say why, and what would make it green.
#[test]
fn a_control_that_is_only_observed_says_so_below_it() {
    let tree = with_policy(&["[control.kernel-panic]", "state = \"observe\""]);
    let said = tree.k3warden(&["check"]).stdout;
    let restricts = "control.network-policy-default.state = \"enforce\"";
    assert!(said.contains(restricts), "{said}");
    assert!(
        said.contains("only observed: /etc/k3warden/config.toml:2"),
        "{said}"
    );
    let explained = tree.k3warden(&["explain", "network-policy-default"]).stdout;
    assert!(explained.contains(restricts), "{explained}");
    let json = tree.k3warden(&["check", "--format", "json"]).json();
    let none = |control: &&serde_json::Value| {
        control["verdict"] == "divergent"
            && control["enforcement"] == "observe"
            && control["note"].is_null()
    };
    let silent: Vec<_> = json["controls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(none)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// The file with the limits is named by another control's flag.
#[test]
fn what_another_control_would_give_is_said_with_the_line_that_makes_it() {
    let limits = "control.event-rate-limit.state = \"enforce\"";
    let tree = with_policy(&[limits]);
    let said = tree.k3warden(&["check", "event-rate-limit"]).stdout;
    let way = "control.pod-security-defaults.state = \"enforce\" in the policy it is given";
    assert!(said.contains(way), "{said}");
    let tree = with_policy(&[limits, "control.pod-security-defaults.state = \"enforce\""]);
    tree.k3warden(&["apply"]);
    let (verdict, findings) = tree
        .k3warden(&["check", "event-rate-limit", "--format", "json"])
        .verdict();
    assert_eq!(verdict, "compliant", "{findings}");
}

#[test]
fn an_exception_says_who_answers_for_it_why_and_until_when() {
    let day = jiff::Zoned::now().date().tomorrow().unwrap();
    let tree = with_policy(&[
        "[[exception]]",
        "control = \"kernel-panic\"",
        "reason = \"the watchdog wants it\"",
        "owner = \"ops\"",
        &format!("expires = {day}"),
    ]);
    let said = tree.k3warden(&["check"]).stdout;
    assert!(
        said.contains(&format!("the watchdog wants it (ops, until {day})")),
        "{said}"
    );
    assert!(
        said.contains(&format!(
            "the exception for kernel-panic (/etc/k3warden/config.toml:1) ends on {day}"
        )),
        "{said}"
    );
}

#[test]
fn a_cis_number_names_its_controls_for_check_as_for_explain() {
    let tree = Tree::of(SERVER);
    let check = tree
        .k3warden(&[
            "check",
            "--format",
            "json",
            "4.2.6",
            "protect-kernel-defaults",
        ])
        .json();
    let ids: Vec<&str> = check["controls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|control| control["id"].as_str().unwrap())
        .collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert!(ids.contains(&"protect-kernel-defaults"), "{ids:?}");
    assert_eq!(once.len(), ids.len(), "{ids:?}");
}

#[test]
fn editions_stand_in_their_order_and_nobody_else_is_said_to_ask_for_a_control() {
    let tree = Tree::of(SERVER);
    let said = tree.k3warden(&["explain", "network-policy-default"]).stdout;
    assert!(said.contains("1.7, 1.8, 1.9, 1.10, 1.11"), "{said}");
    tree.add(
        "755 root:root d /etc/k3warden/catalogue.d\n644 root:root f /etc/k3warden/catalogue.d/site.toml\n\
         | [[control]]\n| id = \"my-x\"\n| title = \"t\"\n| why = \"w\"\n| role = \"any\"\n\
         | [[control.directory]]\n| path = \"/srv/x\"\n| mode = \"0700\"\n",
    );
    let said = tree.k3warden(&["explain", "my-x"]).stdout;
    assert!(
        said.contains("CIS:         no number of its own\n"),
        "{said}"
    );
}

#[test]
fn what_keeps_protect_kernel_defaults_away_is_named_with_its_line() {
    for (state, how) in [("off", "off"), ("observe", "only observed")] {
        let tree = with_policy(&["[control.kernel-panic]", &format!("state = \"{state}\"")]);
        let diff = tree.k3warden(&["diff"]);
        let said = format!("{diff:?}");
        let place = format!(
            "does not set kernel/panic to 10; kernel-panic is {how} at /etc/k3warden/config.toml:2"
        );
        assert!(
            said.replace("kernel.panic to", "kernel/panic to")
                .contains(&place),
            "{said}"
        );
    }
}

#[test]
fn an_operators_audit_policy_that_k3s_would_not_take_is_judged_with_the_reason() {
    let tree = Tree::of(SERVER);
    tree.add("600 root:root f /var/lib/rancher/k3s/server/audit.yaml\n| apiVersion: audit.k8s.io/v1\n| kind: Policy\n| rules: []\n");
    let said = tree
        .k3warden(&["check", "--format", "json", "audit-policy"])
        .json()
        .to_string();
    assert!(said.contains("the operator's own, not valid: "), "{said}");
}

#[test]
fn a_control_that_is_not_there_is_answered_with_those_that_are() {
    let tree = with_policy(&["[control.panic-on-kernel]", "state = \"off\""]);
    let check = tree.k3warden(&["check"]);
    assert_eq!(check.code, Some(2));
    assert!(
        check.stderr.contains("there are `") && check.stderr.contains("`kernel-panic"),
        "{check:?}"
    );
}

/// The table below says what is wanted; the two must agree.
#[test]
fn what_a_control_sets_is_explained_as_it_is_judged_on_this_node() {
    let tree = Tree::of(SERVER);
    let explain = |version: &str| {
        let answer = tree.run(&["--k3s-version", version, "explain", "pki-certificates"]);
        answer.stdout
    };
    let certificates = "/var/lib/rancher/k3s/server/tls/*.crt";
    for (version, mode) in [("1.26.0", "0600"), ("1.36.3", "0644")] {
        let said = explain(version);
        let line = format!("Settings:    {certificates} {mode} or stricter, root:root\n");
        assert!(said.contains(&line), "{version}: {said}");
    }
}

#[test]
fn the_kill_switch_is_said_where_changes_are_shown_and_where_they_would_help() {
    let tree = Tree::of(SERVER);
    tree.add("644 root:root f /etc/k3warden/disabled\n");
    let switch = "/etc/k3warden/disabled exists";
    let diff = tree.k3warden(&["diff"]);
    assert!(
        diff.stdout.starts_with(&format!("not done: {switch}\n")),
        "{diff:?}"
    );
    let json = tree.k3warden(&["diff", "--format", "json"]);
    assert_eq!(json.json()["not_done"][0], switch);
    assert!(json.stderr.contains(switch), "{json:?}");
    let check = tree.k3warden(&["check"]);
    assert!(
        check
            .stdout
            .contains(&format!("nothing is changed: {switch}")),
        "{check:?}"
    );
}

/// The boot after which K3s does not come up any more is foreseen, in an image too.
#[test]
fn an_operators_own_protection_of_kernel_values_that_a_boot_does_not_set_is_warned_of() {
    let warnings = |tree: &Tree| {
        let check = tree.k3warden(&["check", "--format", "json"]).json();
        let warnings = check["warnings"].as_array().unwrap().clone();
        let mut warnings: Vec<String> = warnings
            .iter()
            .map(|warning| warning.as_str().unwrap().to_owned())
            .collect();
        warnings.retain(|warning| warning.contains("protect-kernel-defaults"));
        warnings
    };
    let protected =
        "644 root:root f /etc/rancher/k3s/config.yaml\n| protect-kernel-defaults: true\n";
    let sysctl = |value: u8| {
        format!("644 root:root f /etc/sysctl.d/99-op.conf\n| vm.overcommit_memory = {value}\n")
    };
    let exception = [
        "[[exception]]",
        "control = \"vm-overcommit-memory\"",
        "reason = \"database\"",
        "owner = \"ops\"",
        "expires = 2099-01-01",
    ];
    let tree = with_policy(&exception);
    tree.add(&sysctl(2));
    tree.k3warden(&["apply"]);
    assert_eq!(warnings(&tree), Vec::<String>::new());

    tree.add(protected);
    let said = warnings(&tree);
    let expected = "/etc/rancher/k3s/config.yaml:1 sets protect-kernel-defaults, and K3s does not start after the next boot, which \
                    does not set vm.overcommit_memory to 1; vm-overcommit-memory is excepted at /etc/k3warden/config.toml:1; set \
                    vm.overcommit_memory = 1 in /etc/sysctl.d, end the exception, or take that line out";
    assert_eq!(said, [expected]);

    // Right, and nobody holds it.
    tree.add(&sysctl(1));
    let said = warnings(&tree);
    let any_day =
        "K3s does not start once vm.overcommit_memory is not 1, which k3warden does not hold; ";
    assert!(said.len() == 1 && said[0].contains(any_day), "{said:?}");

    // Our own line beside the operator's makes it no less theirs; what is enforced needs no word.
    let tree = Tree::of(SERVER);
    tree.k3warden(&["apply"]);
    tree.assert_writes("protect-kernel-defaults");
    tree.add(protected);
    assert_eq!(warnings(&tree), Vec::<String>::new());
    tree.add(&format!(
        "{POLICY}| [control.kernel-panic]\n| state = \"off\"\n"
    ));
    std::fs::remove_dir_all(tree.at("/etc/sysctl.d")).unwrap();
    let said = warnings(&tree);
    let place = "/etc/rancher/k3s/config.yaml:1 sets protect-kernel-defaults";
    assert!(said.len() == 1 && said[0].starts_with(place), "{said:?}");
    let off = "; kernel-panic is off at /etc/k3warden/config.toml:2; set kernel.panic = 10 in /etc/sysctl.d, have kernel-panic enforced";
    assert!(said[0].contains(off), "{said:?}");
}

/// Written by a daemon that runs no more.
const LEFT_OVER: &str = r#"{
    "format": "k3warden.status/v1", "k3warden_version": "0.1.0", "pid": 2147483647, "started": 1, "sentence": "69 controls hold",
    "suspended": null, "polling": null, "ledger_damage": null, "refused_policy": null, "last_full_pass": 2,
    "summary": {"compliant": 69, "divergent": 0, "excepted": 0, "not-applicable": 0, "unknown": 0},
    "k3s": {"in_step": null, "pending_restart": null, "held": null, "restarts": {}},
    "last_repair": null, "contention": [], "lost_events": 0, "controls": []
}"#;

/// Nothing sets the six kernel values any more, and the next start of K3s hangs on them.
#[test]
fn the_risk_of_the_kill_switch_is_said_also_where_no_daemon_runs_to_say_it() {
    let protected =
        "644 root:root f /etc/rancher/k3s/config.yaml\n| protect-kernel-defaults: true\n";
    let off = "644 root:root f /etc/k3warden/disabled\n";
    let switch = "/etc/k3warden/disabled exists";
    let risk = "/etc/rancher/k3s/config.yaml:1 sets protect-kernel-defaults, and K3s does not start once one of the six";
    for left_over in [false, true] {
        let tree = Tree::of(SERVER);
        if left_over {
            tree.write("/run/k3warden/status.json", LEFT_OVER);
        }
        let before = tree.k3warden(&["status"]);
        assert!(!before.said().contains("disabled"), "{before:?}");
        tree.add(off);
        let status = tree.k3warden(&["status"]);
        assert_eq!(status.code, Some(2), "{status:?}");
        assert!(status.stderr.contains(switch), "{status:?}");
        assert!(!status.said().contains("protect-kernel"), "{status:?}");

        tree.add(protected);
        for format in [&["status"] as &[&str], &["status", "--format", "json"]] {
            let status = tree.k3warden(format);
            assert_eq!(status.code, Some(2), "{status:?}");
            assert!(status.stderr.contains(switch), "{status:?}");
            assert!(status.stderr.contains(risk), "{status:?}");
        }
        let check = tree.k3warden(&["check", "--format", "json"]).json();
        let warnings = check["warnings"].as_array().unwrap();
        let is_risk = |warning: &&serde_json::Value| warning.as_str().unwrap().contains(risk);
        assert_eq!(warnings.iter().filter(is_risk).count(), 1, "{warnings:?}");
    }
}

/// A daemon that ended left it, and its number is somebody else's by now; or what is there is no status at all.
#[test]
fn a_status_that_no_daemon_stands_behind_is_not_taken_for_the_state_of_the_node() {
    let tree = Tree::of(SERVER);
    let pid = std::process::id();
    let left_over = LEFT_OVER.replace("2147483647", &pid.to_string());
    tree.write("/run/k3warden/status.json", &left_over);
    for (name, code) in [("k3warden", 0), ("systemd-journal", 2)] {
        tree.write(&format!("/proc/{pid}/comm"), &format!("{name}\n"));
        let status = tree.k3warden(&["status"]);
        assert_eq!(status.code, Some(code), "{name}: {status:?}");
        let says_so = status.stderr.contains("does not run any more");
        assert_eq!(says_so, code == 2, "{name}: {status:?}");
    }
    for text in ["", "{\"format\":", "{}"] {
        tree.write("/run/k3warden/status.json", text);
        let status = tree.k3warden(&["status"]);
        assert_eq!(status.code, Some(2), "{status:?}");
        let place = "k3warden: /run/k3warden/status.json is not what the daemon publishes";
        assert!(status.stderr.starts_with(place), "{status:?}");
    }
}

/// Whoever may not read K3s's configuration, or wrote a wrong policy, still learns what could be at stake.
#[test]
fn a_risk_of_the_kill_switch_that_cannot_be_worked_out_is_no_silence() {
    let tree = Tree::of(SERVER);
    tree.add("644 root:root f /etc/k3warden/disabled\n");
    // Without a release nobody knows what K3s would run with.
    let status = tree.run(&["status"]);
    let doubt = "whether protect-kernel-defaults is in force is not known: ";
    assert!(status.stderr.contains(doubt), "{status:?}");

    let tree = with_policy(&["nonsense = 1"]);
    tree.add("644 root:root f /etc/k3warden/disabled\n");
    tree.add("644 root:root f /etc/rancher/k3s/config.yaml\n| protect-kernel-defaults: true\n");
    let status = tree.k3warden(&["status"]);
    let risk = "/etc/rancher/k3s/config.yaml:1 sets protect-kernel-defaults";
    assert!(status.stderr.contains(risk), "{status:?}");
}

#[test]
fn a_cis_number_names_what_is_reverted_where_it_names_one_control() {
    let tree = Tree::of(SERVER);
    tree.add(
        "755 root:root d /var/lib/rancher/k3s/server/tls\n\
         644 root:root f /var/lib/rancher/k3s/server/tls/server-ca.key\n| secret\n",
    );
    tree.k3warden(&["apply"]);
    let reverted = tree.k3warden(&["revert", "1.1.21"]);
    assert_eq!(reverted.code, Some(0), "{reverted:?}");
    let key = "put back   /var/lib/rancher/k3s/server/tls/server-ca.key: 0644";
    assert!(reverted.stdout.contains(key), "{reverted:?}");

    let many = tree.k3warden(&["revert", "5.3.2"]);
    assert_eq!(many.code, Some(2), "{many:?}");
    for part in [
        "5.3.2 is the number of ",
        "`network-policy-default`",
        "by name",
    ] {
        assert!(many.stderr.contains(part), "{part}: {many:?}");
    }
    let none = tree.k3warden(&["revert", "99.1"]);
    assert!(
        none.stderr.contains("there is no control `99.1`"),
        "{none:?}"
    );
}

#[test]
fn a_table_that_no_terminal_takes_is_as_wide_as_it_needs_and_no_padding_wider() {
    let tree = Tree::of(SERVER);
    let table = |columns: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k3warden"));
        command.env_remove("COLUMNS").arg("--root").arg(tree.path());
        command.args(["--k3s-version", "1.36.3", "check", "--all"]);
        command.envs(columns.map(|columns| ("COLUMNS", columns)));
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let (table, _) = output.split_once("\n\n").unwrap();
        table.to_owned()
    };
    let narrow = table(Some("100"));
    let widest = |table: &str| table.lines().map(|line| line.chars().count()).max();
    assert!(widest(&narrow) <= Some(100), "{narrow}");
    for columns in [None, Some("0"), Some("wide")] {
        let plain = table(columns);
        // Blanks that fill a cell up end there; whatever needs more room takes it.
        let filled = |line: &str| line.rfind("   ").map_or(0, |place| place + 3);
        let widest = plain.lines().map(filled).max();
        assert!(widest <= Some(122), "{plain}");
        // A finding is a line, which grep finds whole.
        assert!(plain.lines().count() < narrow.lines().count(), "{plain}");
    }
}
