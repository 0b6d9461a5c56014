//! What `diff` foresees of giving back is what `apply` then does: the same things in the same order, with the same end
//! or the same reason.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod dice;
mod host_files;
mod tree;

use std::fs;

use dice::Dice;
use host_files::{Host, hosts};
use serde_json::Value;
use tree::{Answer, Tree, set_mode};

const POLICY: &str = "/etc/k3warden/config.toml";
const SEEDS: u64 = 2;
/// What waited with one policy may go with the next, and what was given back may be wanted again.
const ROUNDS: usize = 3;

/// The controls that an apply works for here, and the paths that it changes.
struct Work {
    controls: Vec<String>,
    paths: Vec<String>,
}

impl Work {
    fn of(host: &Host, tree: &Tree) -> Self {
        let plan = run(host, tree, &["diff", "--format", "json"]).json();
        let mut work = Self {
            controls: Vec::new(),
            paths: Vec::new(),
        };
        for change in plan["changes"].as_array().unwrap() {
            let controls = change["controls"].as_array().unwrap().iter();
            work.controls
                .extend(controls.map(|id| id.as_str().unwrap().to_owned()));
            work.paths
                .push(change["thing"].as_str().unwrap().to_owned());
        }
        work.controls.sort();
        work.controls.dedup();
        work
    }

    /// Turns some of the controls off.
    fn turn_off(&self, tree: &Tree, dice: &mut Dice) {
        let one_in = 1 + dice.below(4);
        let mut policy = "on_disable = \"revert\"\n".to_owned();
        for control in self.controls.iter().filter(|_| dice.one_in(one_in)) {
            policy.push_str(&format!("[control.{control}]\nstate = \"off\"\n"));
        }
        fs::create_dir_all(tree.at("/etc/k3warden")).unwrap();
        fs::write(tree.at(POLICY), policy).unwrap();
    }

    /// Somebody else changes a few things meanwhile.
    fn disturb(&self, tree: &Tree, dice: &mut Dice) {
        let paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        for _ in 0..dice.below(4) {
            let place = tree.at(dice.pick(&paths));
            let Ok(found) = fs::symlink_metadata(&place) else {
                continue;
            };
            match (dice.below(4), found.is_dir(), found.is_file()) {
                (0, true, _) | (0, _, true) => {
                    set_mode(&place, [0o700, 0o750, 0o755][dice.below(3)]);
                }
                (1, true, _) => fs::write(place.join("of-somebody-else"), "").unwrap(),
                (1, _, true) => {
                    let content = fs::read(&place).unwrap();
                    fs::write(&place, [&content[..], b"# theirs\n"].concat()).unwrap();
                }
                (2, _, true) => fs::remove_file(&place).unwrap(),
                (3, true, _) => drop(fs::remove_dir(&place)),
                _ => {}
            }
        }
    }
}

fn run(host: &Host, tree: &Tree, command: &[&str]) -> Answer {
    host.run(tree, &[&["--no-sync"], command].concat())
}

/// Thing by thing as `diff` foresees it.
fn foreseen(report: &Value) -> Vec<String> {
    let given_back = report["given_back"].as_array().unwrap().iter();
    let line = |one: &Value| {
        let text = |name: &str| one[name].as_str().map(str::to_owned);
        let thing = text("thing").unwrap();
        match text("stays") {
            Some(reason) => format!("{thing} stays: {reason}"),
            None => format!("{thing} becomes: {}", text("after").unwrap()),
        }
    };
    given_back.map(line).collect()
}

/// Thing by thing as `apply` told of it; what was that already is nothing that was done.
fn done(said: &str) -> Vec<String> {
    let line = |line: &str| {
        let (what, rest) = line.split_at_checked(11)?;
        let what = match what.trim_end() {
            "put back" => "becomes",
            "stays" | "stays yet" => "stays",
            "failed" => "fails",
            _ => return None,
        };
        let (thing, end) = rest.split_once(": ")?;
        Some(format!("{thing} {what}: {end}"))
    };
    said.lines().filter_map(line).collect()
}

#[test]
fn what_is_foreseen_is_what_is_done_on_every_host() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for host in hosts() {
        for seed in 1..=SEEDS {
            let mut dice = Dice(seed * 7919 + host.name.len() as u64);
            let tree = host.tree();
            let work = Work::of(&host, &tree);
            run(&host, &tree, &["apply"]);
            for round in 0..ROUNDS {
                work.turn_off(&tree, &mut dice);
                work.disturb(&tree, &mut dice);
                let report = run(&host, &tree, &["diff", "--format", "json"]).json();
                let applied = run(&host, &tree, &["apply"]);
                let (foreseen, done) = (foreseen(&report), done(&applied.stderr));
                compared += done.len();
                if foreseen != done {
                    let policy = fs::read_to_string(tree.at(POLICY)).unwrap();
                    wrong.push(format!(
                        "### {} seed {seed} round {round}\nforeseen {foreseen:#?}\ndone {done:#?}\n{policy}",
                        host.name
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        compared > 300,
        "only {compared} things were given back or stayed"
    );
}

const KERNEL_FILE: &str = "/etc/sysctl.d/90-kubelet.conf";

fn kernel_lines(tree: &Tree, command: &[&str]) -> Answer {
    tree.run(&[&["--k3s-version", "1.36.3", "--no-sync"], command].concat())
}

/// A node on which only the bits of a file are ours, for a control that goes with the next plan; in the same plan the kernel's
/// controls write their lines into it.
fn bits_that_wait_for_a_line() -> Tree {
    let tree = Tree::of(
        "\
755 root:root d /var/lib/rancher/k3s
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
644 root:root f /etc/sysctl.d/90-kubelet.conf
| # theirs
644 root:root f /etc/k3warden/catalogue.d/site.toml
| [[control]]
| id = \"site-sysctl-bits\"
| title = \"The guide's file is for root alone\"
| why = \"A test.\"
| role = \"any\"
| [[control.permissions]]
| path = \"/etc/sysctl.d/90-kubelet.conf\"
| mode = \"0600\"
",
    );
    let policy = |off: &[&str]| {
        let off = off
            .iter()
            .map(|control| format!("[control.{control}]\nstate = \"off\"\n"));
        tree.write(
            POLICY,
            &format!("on_disable = \"revert\"\n{}", off.collect::<String>()),
        );
    };
    // Where K3s protects the kernel's values their file stays for that reason alone.
    let protects = "protect-kernel-defaults";
    policy(&[
        protects,
        "kernel-panic",
        "kernel-panic-on-oops",
        "vm-overcommit-memory",
        "vm-panic-on-oom",
        "kernel-keys-root-maxkeys",
        "kernel-keys-root-maxbytes",
    ]);
    assert_ne!(kernel_lines(&tree, &["apply"]).code, Some(2));
    assert_eq!(tree.text(KERNEL_FILE), "# theirs\n");
    policy(&[protects, "site-sysctl-bits"]);
    tree
}

/// What the content was is recorded only once that plan is carried out; put back are the bits, with the lines.
#[test]
fn bits_that_go_and_content_that_comes_in_one_plan_are_foreseen_together() {
    let tree = bits_that_wait_for_a_line();
    let foreseen = foreseen(&kernel_lines(&tree, &["diff", "--format", "json"]).json());
    let applied = kernel_lines(&tree, &["apply"]);
    assert_eq!(foreseen, done(&applied.stderr));
    let [line] = &foreseen[..] else {
        panic!("{foreseen:?}");
    };
    let becomes = format!("{KERNEL_FILE} becomes: ");
    assert!(
        line.starts_with(&becomes) && line.contains("0644"),
        "{line}"
    );
}

/// Bits of a file that are given back are told, though its text stays the same.
#[test]
fn bits_alone_that_are_given_back_are_told_as_before_and_after() {
    let tree = bits_that_wait_for_a_line();
    let told = kernel_lines(&tree, &["diff"]).stdout;
    let given_back = told.split("given back: ").nth(1).unwrap_or_default();
    assert!(
        given_back.contains("0600") && given_back.contains("→") && given_back.contains("0644"),
        "{told}"
    );
}

/// The plan takes our words out of the unit's command, and nothing protects the kernel's values after that.
#[test]
fn a_command_that_the_plan_changes_counts_as_it_will_be() {
    let tree = Tree::of(
        "\
755 root:root d /var/lib/rancher/k3s
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server --protect-kernel-defaults=false
",
    );
    let run =
        |command: &[&str]| tree.run(&[&["--k3s-version", "1.36.3", "--no-sync"], command].concat());
    let policy = |off: &str| {
        let head = "on_disable = \"revert\"\nunit_override = true\n";
        fs::create_dir_all(tree.at("/etc/k3warden")).unwrap();
        fs::write(tree.at(POLICY), format!("{head}{off}")).unwrap();
    };
    policy("");
    run(&["apply"]);
    let off = ["kernel-panic", "protect-kernel-defaults"]
        .map(|control| format!("[control.{control}]\nstate = \"off\"\n"));
    policy(&off.concat());
    let foreseen = foreseen(&run(&["diff", "--format", "json"]).json());
    let applied = run(&["apply"]);
    assert_eq!(foreseen, done(&applied.stderr));
    let goes = |line: &String| line.starts_with("/etc/sysctl.d/90-kubelet.conf becomes: ");
    assert!(foreseen.iter().any(goes), "{foreseen:?}");
}
