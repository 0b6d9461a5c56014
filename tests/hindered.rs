//! What stands in the way of a change, for each kind of setting: it is said, nothing is touched, and the answer is
//! unknown. K3s's own configuration is judged by what K3s reads, so there the control stays divergent and the refusal is
//! said beside it. (`chattr +i` needs a machine of its own: tests/machine/cases/immutable-and-odd.sh.)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::process::Command;

use tree::{Answer, Tree, VERSION, answer};

/// A kind of setting: what diverges, where, and which control says so.
struct Setting {
    name: &'static str,
    control: &'static str,
    path: &'static str,
    /// What diverges where nothing is odd; empty: it is absent.
    divergent: &'static str,
    directory: bool,
}

const SETTINGS: [Setting; 7] = [
    Setting {
        name: "directory",
        control: "pki-directory",
        path: "/var/lib/rancher/k3s/server/tls",
        divergent: "755 root:root d /var/lib/rancher/k3s/server/tls\n",
        directory: true,
    },
    Setting {
        name: "directory to be made",
        control: "audit-log-directory",
        path: "/var/lib/rancher/k3s/server/logs",
        divergent: "",
        directory: true,
    },
    Setting {
        name: "file with content",
        control: "pod-security-configuration",
        path: "/var/lib/rancher/k3s/server/psa.yaml",
        divergent: "600 root:root f /var/lib/rancher/k3s/server/psa.yaml\n| other\n",
        directory: false,
    },
    Setting {
        name: "permissions",
        control: "admin-kubeconfig",
        path: "/var/lib/rancher/k3s/server/cred/admin.kubeconfig",
        divergent: "644 root:root f /var/lib/rancher/k3s/server/cred/admin.kubeconfig\n| secret\n",
        directory: false,
    },
    Setting {
        name: "sysctl file",
        control: "kernel-panic",
        path: "/etc/sysctl.d/90-kubelet.conf",
        divergent: "644 root:root f /etc/sysctl.d/90-kubelet.conf\n| kernel.panic = 5\n",
        directory: false,
    },
    Setting {
        name: "manifest",
        control: "network-policy-kube-public",
        path: "/var/lib/rancher/k3s/server/manifests/k3warden-netpol-kube-public.yaml",
        divergent: "600 root:root f /var/lib/rancher/k3s/server/manifests/k3warden-netpol-kube-public.yaml\n| other\n",
        directory: false,
    },
    Setting {
        name: "drop-in",
        control: "audit-log-retention",
        path: "/etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml",
        divergent: "600 root:root f /etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml\n| # Written by k3warden\n",
        directory: false,
    },
];

const HOST: &str = "\
755 root:root d /etc/sysctl.d
755 root:root d /etc/rancher/k3s/config.yaml.d
755 root:root d /var/lib/rancher/k3s
700 root:root d /var/lib/rancher/k3s/server
700 root:root d /var/lib/rancher/k3s/server/cred
700 root:root d /var/lib/rancher/k3s/server/manifests
644 root:root f /elsewhere
| other
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
755 root:root d /etc/k3warden
644 root:root f /etc/k3warden/config.toml
| [control.network-policy-kube-public]
| state = \"enforce\"
";

/// What stands at the path, and the words that say why it stays.
type Odd = (&'static str, fn(&Setting) -> String, &'static str);

const ODD: [Odd; 7] = [
    (
        "link",
        |setting| format!("777 root:root l {} -> /elsewhere\n", setting.path),
        "it is a symbolic link to /elsewhere",
    ),
    (
        "hard links",
        |setting| format!("644 root:root h {} -> /elsewhere\n", setting.path),
        "it has 2 hard links",
    ),
    (
        "FIFO",
        |setting| format!("644 root:root p {}\n", setting.path),
        "it is a FIFO where a",
    ),
    (
        "socket",
        |setting| format!("644 root:root s {}\n", setting.path),
        "it is a socket where a",
    ),
    (
        "device",
        |setting| format!("644 root:root c {}\n", setting.path),
        "it is a device where a",
    ),
    (
        "too large",
        |setting| {
            format!(
                "600 root:root f {}\n| {}\n",
                setting.path,
                "#".repeat(1 << 20)
            )
        },
        "it is larger than 1048576 bytes",
    ),
    (
        "parent writable by others",
        |setting| {
            let parent = setting.path.rsplit_once('/').unwrap().0;
            // The directories of K3s's own below the data dir are made safe, the rest is not ours to judge.
            let parent = if parent.starts_with("/var") {
                "/var/lib/rancher"
            } else {
                parent
            };
            format!("{}777 root:root d {parent}\n", setting.divergent)
        },
        "is writable by others than root",
    ),
];

/// What is wrong with the answers about a setting that something is in the way of.
fn wrong(
    setting: &Setting,
    tree: &Tree,
    why: &str,
    run: impl Fn(&[&str]) -> Answer,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let before = tree.snapshot();
    let plan = run(&["diff", "--format", "json"]).json();
    let changes = plan["changes"].as_array().unwrap();
    if changes.iter().any(|change| change["thing"] == setting.path) {
        wrong.push("diff would change it".to_owned());
    }
    let unseen = plan["unseen"].as_array().unwrap();
    if setting.name != "drop-in" && !unseen.iter().any(|control| control == setting.control) {
        wrong.push("diff does not say that it could not be judged".to_owned());
    }
    let applied = run(&["apply", "--format", "json"]);
    let report = applied.json();
    let controls = report["check"]["controls"].as_array().unwrap();
    let judged = controls
        .iter()
        .find(|judged| judged["id"] == setting.control)
        .unwrap();
    // What K3s cannot read of its configuration, nobody can.
    let drop_in = setting.name == "drop-in";
    let verdict = judged["verdict"].as_str().unwrap();
    if verdict != "unknown" && !(drop_in && verdict == "divergent") {
        wrong.push(format!("it is {verdict}"));
    }
    let told = format!("{judged}{}", report["refused"]);
    if !told.contains(why) {
        wrong.push(format!("nothing says `{why}`: {told}"));
    }
    let code = if verdict == "unknown" { 2 } else { 1 };
    if applied.code < Some(code) {
        wrong.push(format!("apply ends with {:?}", applied.code));
    }
    let after = tree.snapshot();
    if after.get(setting.path) != before.get(setting.path)
        || after["/elsewhere"] != before["/elsewhere"]
    {
        wrong.push("it was touched".to_owned());
    }
    wrong
}

#[test]
fn what_is_odd_is_left_untouched_and_said() {
    let mut all = Vec::new();
    for setting in &SETTINGS {
        for (odd, build, why) in &ODD {
            // A directory has no further names and no size; whoever writes K3s's files may make them large.
            let never = (setting.directory && matches!(*odd, "hard links" | "too large"))
                || (setting.name == "permissions" && *odd == "too large");
            if never {
                continue;
            }
            let tree = Tree::of(HOST);
            tree.add(&build(setting));
            let wrong = wrong(setting, &tree, why, |command| tree.k3warden(command));
            all.extend(
                wrong
                    .into_iter()
                    .map(|wrong| format!("{} / {odd}: {wrong}", setting.name)),
            );
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn what_is_on_a_read_only_mount_is_left_untouched_and_the_mount_is_named() {
    let mut all = Vec::new();
    for setting in &SETTINGS {
        let tree = Tree::of(HOST);
        tree.add(setting.divergent);
        let mount = if setting.path.starts_with("/etc") {
            "/etc"
        } else {
            "/var/lib/rancher"
        };
        let read_only = |command: &[&str]| {
            let mut unshare = Command::new("unshare");
            unshare.arg("--mount");
            if !nix::unistd::geteuid().is_root() {
                unshare.arg("--map-root-user");
            }
            let script = "mount --bind $ROOT$MOUNT $ROOT$MOUNT; mount -o remount,bind,ro $ROOT$MOUNT; exec \"$@\"";
            unshare
                .args([
                    "bash",
                    "-euc",
                    script,
                    "bash",
                    env!("CARGO_BIN_EXE_k3warden"),
                    "--root",
                ])
                .arg(tree.path())
                .args(VERSION)
                .args(command)
                .env("ROOT", tree.path())
                .env("MOUNT", mount);
            answer(&mut unshare)
        };
        let why = format!("it is on a read-only mount, {mount}");
        let wrong = wrong(setting, &tree, &why, read_only);
        all.extend(
            wrong
                .into_iter()
                .map(|wrong| format!("{}: {wrong}", setting.name)),
        );
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn without_anything_in_the_way_each_of_them_is_made_right() {
    let tree = Tree::of(HOST);
    for setting in &SETTINGS {
        tree.add(setting.divergent);
    }
    let report = tree.k3warden(&["apply", "--format", "json"]).json();
    let made: Vec<&str> = report["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["thing"].as_str().unwrap())
        .collect();
    for setting in &SETTINGS {
        assert!(made.contains(&setting.path), "{}: {made:?}", setting.name);
    }
}
