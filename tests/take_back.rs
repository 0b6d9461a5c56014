//! Taking back some controls and not others: each takes its own part away, and what several share goes with the last.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use k3warden::report::METRICS_BEGIN_WITH;
use tree::{DROP_IN, Tree, difference};

const HOST: &str = "\
755 root:root d /etc/rancher/k3s
755 root:root d /var/lib/rancher/k3s
700 root:root d /var/lib/rancher/k3s/server
777 root:root d /var/lib/rancher/k3s/server/cred
644 root:root f /var/lib/rancher/k3s/server/cred/scheduler.kubeconfig
| secret
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
";

const CREDENTIALS: &str = "/var/lib/rancher/k3s/server/cred";

#[test]
fn one_control_takes_its_line_alone_out_of_the_drop_in() {
    let tree = Tree::of(HOST);
    let before = tree.snapshot();
    tree.k3warden(&["apply"]);
    let whole = tree.text(DROP_IN);
    let line = |text: &str| {
        text.lines()
            .any(|line| line.ends_with("# audit-log-retention"))
    };
    assert!(line(&whole), "{whole}");

    let reverted = tree.k3warden(&["revert", "audit-log-retention"]);
    assert_eq!(reverted.code, Some(0), "{reverted:?}");
    let rest = tree.text(DROP_IN);
    assert!(!line(&rest), "{rest}");
    assert_eq!(rest.lines().count() + 1, whole.lines().count(), "{rest}");

    tree.k3warden(&["apply"]);
    assert_eq!(tree.text(DROP_IN), whole);
    tree.k3warden(&["revert"]);
    assert_eq!(
        difference(&before, &tree.snapshot(), "/nothing"),
        Vec::<String>::new()
    );
}

#[test]
fn a_file_of_ours_that_others_could_write_decides_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    for (operators, name) in [
        ("", "90-kubelet.conf"),
        ("kernel.panic = 7\n", "zz-k3warden.conf"),
    ] {
        let tree = Tree::of(HOST);
        std::fs::create_dir_all(tree.at("/etc/sysctl.d")).unwrap();
        let other = tree.at("/etc/sysctl.d/95-site.conf");
        std::fs::write(&other, operators).unwrap();
        let before = tree.snapshot();
        tree.k3warden(&["apply"]);
        let ours = tree.at(&format!("/etc/sysctl.d/{name}"));
        for path in [&ours, &other] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
        }
        let check = tree.k3warden(&["check", "kernel-panic"]);
        assert_eq!(check.code, Some(1), "{check:?}");
        assert!(
            check.stdout.contains("others than root may write it"),
            "{check:?}"
        );
        let applied = tree.k3warden(&["apply"]);
        assert_eq!(mode(&ours) & 0o777, 0o644, "{applied:?}");
        assert_eq!(
            mode(&other) & 0o777,
            0o666,
            "an operator's own file is theirs"
        );
        assert_eq!(tree.k3warden(&["check", "kernel-panic"]).code, Some(0));
        std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o644)).unwrap();
        tree.k3warden(&["revert"]);
        let left = difference(&before, &tree.snapshot(), "/nothing");
        assert_eq!(left, Vec::<String>::new());
    }
}

#[test]
fn a_directory_that_others_could_write_waits_for_what_is_in_it() {
    let tree = Tree::of(HOST);
    let before = tree.snapshot();
    tree.k3warden(&["apply"]);
    let reverted = tree.k3warden(&["revert", "credentials-directory"]);
    assert!(
        reverted.stdout.contains("something of k3warden's is in it"),
        "{reverted:?}"
    );
    assert_eq!(tree.snapshot()[CREDENTIALS].mode, 0o700);

    let reverted = tree.k3warden(&[
        "revert",
        "scheduler-kubeconfig",
        "control-plane-credentials",
    ]);
    assert_eq!(reverted.code, Some(0), "{reverted:?}");
    assert_eq!(tree.snapshot()[CREDENTIALS], before[CREDENTIALS]);
    tree.k3warden(&["revert"]);
    assert_eq!(
        difference(&before, &tree.snapshot(), "/nothing"),
        Vec::<String>::new()
    );
}

#[test]
fn a_directory_made_for_one_control_stays_for_the_file_of_another_and_goes_with_it() {
    let tree = Tree::of(HOST);
    let config = "755 root:root d /etc/k3warden\n644 root:root f /etc/k3warden/config.toml\n";
    let policy = |state: &str| {
        format!("{config}| [control.network-policy-kube-public]\n| state = \"{state}\"\n")
    };
    let manifests = "/var/lib/rancher/k3s/server/manifests";
    tree.add(&policy("observe"));
    let before = tree.snapshot();
    tree.k3warden(&["apply"]);
    assert!(tree.at(manifests).is_dir());
    tree.add(&policy("enforce"));
    tree.k3warden(&["apply"]);
    let manifest = format!("{manifests}/k3warden-netpol-kube-public.yaml");
    assert!(tree.at(&manifest).is_file());

    tree.k3warden(&["revert", "manifests-directory"]);
    assert!(tree.at(&manifest).is_file());
    let reverted = tree.k3warden(&["revert", "network-policy-kube-public"]);
    assert_eq!(reverted.code, Some(0), "{reverted:?}");
    assert!(!tree.at(manifests).exists(), "{reverted:?}");
    tree.k3warden(&["revert"]);
    let left = difference(&before, &tree.snapshot(), "/nothing");
    let policy_alone = left
        .iter()
        .all(|line| line.contains("/etc/k3warden/config.toml"));
    assert!(policy_alone, "{left:?}");
}

#[test]
fn nothing_is_put_back_while_the_kill_switch_is_thrown() {
    let tree = Tree::of(HOST);
    tree.k3warden(&["apply"]);
    tree.add("644 root:root f /etc/k3warden/disabled\n");
    let hardened = tree.snapshot();
    let reverted = tree.k3warden(&["revert"]);
    assert_eq!(reverted.code, Some(2), "{reverted:?}");
    assert!(
        reverted.stdout.contains("/etc/k3warden/disabled exists"),
        "{reverted:?}"
    );
    assert_eq!(
        difference(&hardened, &tree.snapshot(), "/"),
        Vec::<String>::new()
    );
    let status = tree.k3warden(&["status"]);
    assert!(
        status.stderr.contains("/etc/k3warden/disabled exists"),
        "{status:?}"
    );
}

#[test]
fn what_stays_because_somebody_changed_it_can_be_taken_back_by_force_later() {
    use std::os::unix::fs::PermissionsExt;
    let loose = "755 root:root d /var/lib/rancher/k3s/agent\n";
    for named in [&[] as &[&str], &["agent-directory"]] {
        let tree = Tree::of(&format!("{HOST}{loose}"));
        let before = tree.snapshot();
        let agent = tree.at("/var/lib/rancher/k3s/agent");
        tree.k3warden(&["apply"]);
        std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o750)).unwrap();

        for _ in 0..2 {
            let kept = tree.k3warden(&[&["revert"], named].concat());
            assert_eq!(kept.code, Some(1), "{kept:?}");
            assert!(kept.stdout.contains("--force takes it back"), "{kept:?}");
        }
        let forced = tree.k3warden(&[&["revert", "--force"], named].concat());
        assert_eq!(forced.code, Some(0), "{forced:?}");
        assert_eq!(tree.snapshot()["/var/lib/rancher/k3s/agent"].mode, 0o755);
        tree.k3warden(&["revert"]);
        let left = difference(&before, &tree.snapshot(), "/nothing");
        assert_eq!(left, Vec::<String>::new());
    }
}

/// A file of an operator's under our name: its bits are wrong, and ours stands beside it.
#[test]
fn one_apply_makes_content_and_bits_right_and_both_come_back() {
    for access in ["644 root:root", "640 1000:1000"] {
        let operators = format!("{access} f {DROP_IN}\n| # mine\n");
        let tree = Tree::of(&format!(
            "{HOST}755 root:root d /etc/rancher/k3s/config.yaml.d\n{operators}"
        ));
        let before = tree.snapshot();
        let applied = tree.k3warden(&["apply"]);
        assert!(
            !applied.stdout.contains("about to be changed"),
            "{applied:?}"
        );
        let ours = "/etc/rancher/k3s/config.yaml.d/zzz-k3warden.yaml";
        let written = tree.text(ours);
        assert!(written.contains("protect-kernel-defaults"), "{applied:?}");
        assert_eq!(tree.text(DROP_IN), "# mine\n");
        assert_eq!(tree.snapshot()[DROP_IN].mode, 0o600);

        // Both drift at once.
        std::fs::write(tree.at(ours), "").unwrap();
        tree::set_mode(&tree.at(ours), 0o644);
        tree.k3warden(&["apply"]);
        assert_eq!(tree.text(ours), written);
        assert_eq!(tree.snapshot()[ours].mode, 0o600);

        tree.k3warden(&["revert"]);
        assert_eq!(
            difference(&before, &tree.snapshot(), "/nothing"),
            Vec::<String>::new()
        );
    }
}

/// Six controls have a line in one file. What one of them cannot give back now it gives back later.
#[test]
fn a_line_that_could_not_go_goes_when_what_held_it_is_gone() {
    let path = "/etc/sysctl.d/90-kubelet.conf";
    let tree = Tree::of(HOST);
    tree.k3warden(&["apply"]);
    let held = tree.k3warden(&["revert", "kernel-panic"]);
    assert_eq!(held.code, Some(1), "{held:?}");
    assert!(
        held.stdout.contains("sets protect-kernel-defaults"),
        "{held:?}"
    );
    tree.k3warden(&["revert", "protect-kernel-defaults"]);
    let gone = tree.k3warden(&["revert", "kernel-panic"]);
    assert!(!tree.text(path).contains("kernel.panic = 10"), "{gone:?}");
    assert!(tree.text(path).contains("vm.panic_on_oom"), "{gone:?}");

    let tree = Tree::of(&format!(
        "{HOST}644 root:root f /etc/k3warden/config.toml\n| [control.protect-kernel-defaults]\n| state = \"off\"\n"
    ));
    tree.k3warden(&["apply"]);
    let edited = tree.text(path) + "net.ipv4.ip_forward = 1\n";
    std::fs::write(tree.at(path), edited).unwrap();
    let kept = tree.k3warden(&["revert", "kernel-panic"]);
    assert!(kept.stdout.contains("--force takes it back"), "{kept:?}");
    let forced = tree.k3warden(&["revert", "--force", "kernel-panic"]);
    assert!(!tree.text(path).contains("kernel.panic = 10"), "{forced:?}");
}

/// The guide names this file, so a configuration tool may write it long after we made it.
#[test]
fn lines_that_somebody_wrote_into_a_file_of_ours_stay_when_ours_go() {
    const GUIDE: &str = "/etc/sysctl.d/90-kubelet.conf";
    let tree = Tree::of(HOST);
    tree.k3warden(&["apply"]);
    let theirs = "# of the site\nnet.ipv4.ip_forward = 1\n";
    std::fs::write(tree.at(GUIDE), format!("{theirs}kernel.panic = 10\n")).unwrap();
    tree.k3warden(&["apply"]);
    assert!(tree.text(GUIDE).starts_with(theirs), "{}", tree.text(GUIDE));

    tree.k3warden(&["revert", "protect-kernel-defaults", "vm-panic-on-oom"]);
    let rest = tree.text(GUIDE);
    assert!(
        rest.starts_with(theirs)
            && rest.contains("kernel.panic = 10")
            && !rest.contains("vm.panic_on_oom"),
        "{rest}"
    );
    let said = tree.k3warden(&["revert"]);
    assert_eq!(tree.text(GUIDE), theirs, "{said:?}");
}

/// K3s would start with what is there.
#[track_caller]
fn assert_starts(tree: &Tree) {
    let effective = tree.k3warden(&["effective", "--format", "json"]).json();
    assert!(effective["ends"].is_null(), "{}", effective["ends"]);
}

#[test]
fn revert_says_what_stays_in_the_cluster() {
    let tree = Tree::of(HOST);
    tree.write("/etc/k3warden/config.toml", "new_cluster = true\n");
    tree.k3warden(&["apply"]);
    let said = tree.k3warden(&["revert"]).stdout;
    for line in [
        "kubectl -n kube-public delete --ignore-not-found networkpolicy k3warden-intra-namespace",
        "kubectl -n default patch serviceaccount default",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(
        !said.contains("delete --ignore-not-found serviceaccount"),
        "{said}"
    );
}

/// A server of a new cluster with an admission plug-in and its section.
fn with_rate_limit() -> Tree {
    let tree = Tree::of(HOST);
    tree.write(
        "/etc/k3warden/config.toml",
        "new_cluster = true\n[control.event-rate-limit]\nstate = \"enforce\"\n",
    );
    tree.k3warden(&["apply"]);
    tree.assert_writes("EventRateLimit");
    tree
}

/// The file of the limits stays while the plug-in that needs them does.
#[test]
fn a_section_stays_while_its_plug_in_does() {
    let tree = with_rate_limit();
    tree.write(DROP_IN, &format!("{}# mine\n", tree.lines()));
    let said = tree.k3warden(&["revert", "event-rate-limit"]).stdout;
    assert!(
        said.contains("EventRateLimit and without a section"),
        "{said}"
    );
    assert_starts(&tree);
}

#[test]
fn a_plug_in_is_reverted_with_its_section_from_a_file_that_k3s_still_names() {
    let tree = with_rate_limit();
    tree.k3warden(&["revert", "event-rate-limit"]);
    assert_starts(&tree);
    tree.assert_leaves_out("EventRateLimit");
    let psa = tree.text("/var/lib/rancher/k3s/server/psa.yaml");
    assert!(!psa.contains("EventRateLimit"), "{psa}");
    // K3s still names the file, for another plug-in.
    assert!(psa.contains("PodSecurity"), "{psa}");
}

/// What the daemon has left for a collector: in three places somebody else has something by now, and one cannot be reached.
#[test]
fn the_metrics_go_when_everything_is_put_back_and_hinder_nothing() {
    let tree = Tree::of(HOST);
    let before = tree.snapshot();
    tree.k3warden(&["apply"]);
    let ours = format!("{METRICS_BEGIN_WITH}build_info x\n");
    tree.write("/var/collected/ours.prom", &ours);
    tree.write("/var/collected/theirs.prom", "node_load1 1\n");
    std::os::unix::fs::symlink("loop", tree.at("/var/loop")).unwrap();
    std::os::unix::fs::symlink("ours.prom", tree.at("/var/collected/link.prom")).unwrap();
    tree.write("/var/collected/large.prom", &ours.repeat(50_000));
    let places = [
        "/var/loop/x.prom",
        "/var/collected/ours.prom",
        "/var/collected/theirs.prom",
        "/var/collected/link.prom",
        "/var/collected/large.prom",
    ];
    tree.write(
        "/var/lib/k3warden/metrics-file.json",
        &serde_json::to_string(&places).unwrap(),
    );

    tree.k3warden(&["revert", "audit-log-retention"]);
    assert_eq!(tree.text("/var/collected/ours.prom"), ours);

    let reverted = tree.k3warden(&["revert"]);
    assert_eq!(reverted.code, Some(2), "{reverted:?}");
    for part in [
        "removed    /var/collected/ours.prom: metrics",
        "failed     ",
        "/var/loop/x.prom",
    ] {
        assert!(reverted.stdout.contains(part), "{reverted:?}");
    }
    let said = ["theirs.prom", "link.prom", "large.prom"];
    let said = said.map(|name| reverted.stdout.contains(name));
    assert_eq!(said, [false; 3], "{reverted:?}");
    std::fs::remove_file(tree.at("/var/loop")).unwrap();
    let again = tree.k3warden(&["revert"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(tree.text("/var/collected/theirs.prom"), "node_load1 1\n");
    let is_there = |name: &str| tree.at(name).symlink_metadata().is_ok();
    assert!(is_there("/var/collected/link.prom") && is_there("/var/collected/large.prom"));
    std::fs::remove_dir_all(tree.at("/var/collected")).unwrap();
    assert_eq!(
        difference(&before, &tree.snapshot(), "/nothing"),
        Vec::<String>::new()
    );
}
