//! A change that K3s did not live with: what is put back, what is not written again, and how an operator has it tried once
//! more. And what revert leaves, because a cluster needs it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod tree;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k3warden::host::{Host, Root, Thing};
use k3warden::node::{self, Surroundings};
use k3warden::policy::{self, Policy};
use k3warden::reconcile::ledger::{Keeping, Ledger};
use k3warden::reconcile::lock::Lock;
use k3warden::reconcile::restart::own_part::OurPart;
use k3warden::reconcile::service::circumstances::{Held, Knowledge, circumstances};
use k3warden::reconcile::service::encrypted;
use k3warden::reconcile::service::line_out;
use k3warden::reconcile::service::part;
use k3warden::reconcile::service::preflight::{self, Present};
use k3warden::reconcile::service::rollback::{Failure, RollBack, Who, roll_back};
use k3warden::reconcile::service::stay::{Running, must_stay};
use k3warden::reconcile::{Pass, Seen, Written};
use tree::{DROP_IN, SERVER_UNIT, Tree};

const SERVER: &str = "var/lib/rancher/k3s/server";
const KEY: &str = "var/lib/rancher/k3s/server/cred/encryption-config.json";
const AUDIT_POLICY: &str = "var/lib/rancher/k3s/server/audit.yaml";
const PATIENCE: Duration = Duration::from_secs(10);
const WITH_77_DAYS: &str = "[control.audit-log-retention]\nmax_age_days = 77\n";

struct Node(Tree);

impl Node {
    /// A new server that is hardened, and whose K3s has settled with that.
    fn settled() -> Self {
        Self::settled_with("1.36.3")
    }

    /// The same with another K3s.
    fn settled_with(version: &str) -> Self {
        let node = Self(Tree::new());
        node.write("etc/systemd/system/k3s.service", SERVER_UNIT);
        node.write(
            "etc/k3warden/config.toml",
            &format!("k3s_version = \"{version}\"\nnew_cluster = true\n"),
        );
        node.run(&["apply"]);
        assert!(node.drop_in().contains("secrets-encryption: true"));
        node.settle();
        node
    }

    /// K3s lives with what is there.
    fn settle(&self) {
        self.with_pass(|pass, _| {
            let present = part::present(pass).unwrap();
            let mut knowledge = Knowledge::of(&pass.host.root).unwrap();
            knowledge.settled(present, pass).unwrap();
        });
    }

    fn policy(&self, more: &str) {
        let always = "k3s_version = \"1.36.3\"\nnew_cluster = true\n";
        self.write("etc/k3warden/config.toml", &format!("{always}{more}"));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.at(path)
    }

    fn write(&self, path: &str, text: &str) {
        self.0.write(path, text);
    }

    fn drop_in(&self) -> String {
        self.0.text(DROP_IN)
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let answer = self.0.run(&[&["--no-sync"], arguments].concat());
        (answer.code, answer.said())
    }

    fn with_pass<T>(&self, work: impl FnOnce(&Pass<'_>, &mut Ledger) -> T) -> T {
        let root = Root::open(self.0.path()).unwrap();
        let catalogue = policy::load_catalogue(&root).unwrap();
        let policy = Policy::load(&root, &catalogue).unwrap();
        let node = node::discover(&root, &policy, Surroundings::Image, None);
        let host = Host { root, live: None };
        let lock = Lock::acquire(&host.root, PATIENCE, "test").unwrap();
        let mut ledger = Ledger::open(&host.root, Keeping::of(&host.root), &lock).unwrap();
        let written = Written::of(&mut ledger, &lock).unwrap();
        drop(lock);
        let held = Held::look(&host.root, &circumstances(&policy, &catalogue, &node));
        let pass = Pass {
            host: &host,
            node: &node,
            policy: &policy,
            catalogue: &catalogue,
            today: jiff::Zoned::now().date(),
            written: &written,
            held: held.as_ref(),
            seen: Seen::default(),
        };
        work(&pass, &mut ledger)
    }

    /// A start with what is on disk has failed.
    fn fails(&self) -> RollBack {
        let failed = self.with_pass(|pass, _| part::present(pass).unwrap());
        self.failed(&failed)
    }

    /// A start with this part has failed.
    fn failed(&self, failed: &OurPart) -> RollBack {
        self.with_pass(|pass, ledger| {
            let failure = Failure {
                reason: "apiserver exited: it says so".to_owned(),
                errors: vec!["the last error".to_owned()],
                run: None,
            };
            let who = Who {
                name: "test",
                patience: PATIENCE,
            };
            roll_back(pass, ledger, failed, failure, who).unwrap()
        })
    }
}

#[test]
fn what_failed_goes_back_to_what_last_worked_and_nothing_writes_it_again() {
    let node = Node::settled();
    node.write(KEY, "{}");
    let good = node.drop_in();
    assert!(
        matches!(node.fails(), RollBack::NotOurs),
        "what has worked is not ours to put back"
    );
    assert_eq!(node.drop_in(), good);

    node.policy(WITH_77_DAYS);
    node.run(&["apply"]);
    assert!(node.drop_in().contains("audit-log-maxage=77"));
    assert!(matches!(node.fails(), RollBack::Done(_)));
    assert_eq!(node.drop_in(), good);

    let (code, plan) = node.run(&["diff"]);
    assert!(
        plan.contains("k3warden retry") && plan.contains("it says so"),
        "{plan}"
    );
    assert!(!plan.contains("audit-log-maxage=77"), "{code:?} {plan}");
    let plan = node
        .0
        .run(&["--no-sync", "diff", "--format", "json"])
        .json();
    let refused = plan["refused"].as_array().unwrap();
    let is_held = |refused: &&serde_json::Value| {
        let reason = refused["reason"].as_str().unwrap();
        reason.contains("did not live with it")
    };
    let held: Vec<_> = refused.iter().filter(is_held).collect();
    assert_eq!(held.len(), 1, "{plan}");
    let whose = serde_json::json!(["audit-log-retention"]);
    assert_eq!(held[0]["controls"], whose, "whose line is held back");
    node.run(&["apply"]);
    node.run(&["apply", "--before-start", "k3s.service"]);
    assert_eq!(node.drop_in(), good);

    // The rest of the node is held all the same, and so is what last worked.
    let server = node.path(SERVER);
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    node.write(
        DROP_IN,
        &good.replace("protect-kernel-defaults: true", "# nothing"),
    );
    node.run(&["apply"]);
    assert_eq!(
        fs::metadata(&server).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(node.drop_in(), good);
    assert_eq!(node.run(&["ledger", "--verify"]).0, Some(0));
}

/// K3s ends at the operator's line before it reads a file of ours; what would work in the place of ours nobody can tell.
#[test]
fn a_start_that_ends_before_it_reads_anything_takes_nothing_of_ours_away() {
    let node = Node::settled();
    node.policy(WITH_77_DAYS);
    node.run(&["apply"]);
    let failed = node.drop_in();
    node.write("etc/rancher/k3s/config.yaml", "tls-san: [a\n");
    assert!(matches!(node.fails(), RollBack::NotOurs));
    assert_eq!(node.drop_in(), failed);
    node.with_pass(|pass, _| assert!(pass.held.is_none(), "nothing is in quarantine"));
    // Mended, and still not started: now ours is what has to go.
    node.write("etc/rancher/k3s/config.yaml", "tls-san: [a]\n");
    assert!(matches!(node.fails(), RollBack::Done(_)));
}

/// Our command stands in the place of the unit's: without ours, systemd would read the unit's own again.
#[test]
fn a_command_of_ours_that_k3s_would_not_start_with_is_ours_to_mend() {
    const UNIT_DROP_IN: &str = "etc/systemd/system/k3s.service.d/zz-k3warden.conf";
    let node = Node::settled();
    let unit = SERVER_UNIT.replace(" server", " server --kube-apiserver-arg=audit-log-maxage=7");
    assert_ne!(unit, SERVER_UNIT);
    node.write("etc/systemd/system/k3s.service", &unit);
    node.policy("unit_override = true\n");
    node.run(&["apply"]);
    let ours = node.0.text(UNIT_DROP_IN);
    let present = |node: &Node| {
        node.with_pass(|pass, _| preflight::present(pass, &part::present(pass).unwrap()))
    };
    assert_eq!(present(&node), Present::Starts);
    node.write(UNIT_DROP_IN, &ours.replace("=30", "=many"));
    let Present::EndsByUs(reasons) = present(&node) else {
        panic!("{:?}", present(&node));
    };
    assert!(reasons.concat().contains("many"), "{reasons:?}");
    // A word of the operator's that our command repeats is his, and so is its place.
    let his = unit.replace("=7", "=7 --kube-apiserver-arg=v=many");
    node.write("etc/systemd/system/k3s.service", &his);
    node.run(&["apply"]);
    assert!(node.0.text(UNIT_DROP_IN).contains("v=many"));
    let Present::EndsByOperator(reasons) = present(&node) else {
        panic!("{:?}", present(&node));
    };
    let reasons = reasons.concat();
    assert!(
        reasons.contains("(/etc/systemd/system/k3s.service:"),
        "{reasons}"
    );
}

/// The unit's own command says the same of encryption as ours repeats: nothing is lost with ours.
#[test]
fn a_command_of_ours_that_ends_k3s_goes_also_where_it_repeats_the_word_about_encryption() {
    const UNIT_DROP_IN: &str = "etc/systemd/system/k3s.service.d/zz-k3warden.conf";
    const WORDS: &str = " server --secrets-encryption --kube-apiserver-arg=audit-log-maxage=7";
    let ending = |unit: &str| {
        let node = Node::settled();
        node.write(KEY, "{}");
        node.write(
            "etc/systemd/system/k3s.service",
            &SERVER_UNIT.replace(" server", WORDS),
        );
        node.policy("unit_override = true\n");
        node.run(&["apply"]);
        let ours = node.0.text(UNIT_DROP_IN);
        assert!(ours.contains("--secrets-encryption"), "{ours}");
        node.write(UNIT_DROP_IN, &ours.replace("=30", "=many"));
        node.write("etc/systemd/system/k3s.service", unit);
        let lines = node.drop_in();
        node.write(DROP_IN, &lines.replace("secrets-encryption: true", ""));
        let (_, said) = node.run(&["apply", "--before-start", "k3s.service"]);
        (node, said)
    };
    let (node, said) = ending(&SERVER_UNIT.replace(" server", WORDS));
    assert_eq!(node.0.text(UNIT_DROP_IN), "", "{said}");
    assert!(said.contains("what last worked is put back"), "{said}");
    // The unit was written anew and lost the word: what ours still has of it stays.
    let (node, said) = ending(SERVER_UNIT);
    let ours = node.0.text(UNIT_DROP_IN);
    assert!(ours.contains("--secrets-encryption"), "{said}");
    assert!(
        said.contains("what could be put back does not help"),
        "{said}"
    );
}

#[test]
fn the_kernel_protection_is_taken_out_of_a_command_of_ours_too() {
    const UNIT_DROP_IN: &str = "etc/systemd/system/k3s.service.d/zz-k3warden.conf";
    let node = Node::settled();
    let unit = SERVER_UNIT.replace(" server", " server --protect-kernel-defaults=false");
    node.write("etc/systemd/system/k3s.service", &unit);
    node.policy("unit_override = true\n");
    node.run(&["apply"]);
    assert!(
        node.0
            .text(UNIT_DROP_IN)
            .contains("--protect-kernel-defaults=true")
    );
    let back = node.with_pass(|pass, _| line_out::without_kernel_protection(pass).unwrap());
    let ours = format!("/{UNIT_DROP_IN}");
    assert!(back.unwrap().remove.contains(&ours));
}

/// First the configuration names another place, then the data follows, or the other way round.
#[test]
fn the_encryption_line_stays_while_the_data_moves() {
    for first in ["configuration", "data"] {
        let node = Node::settled();
        node.write(KEY, "{}");
        node.write(
            "etc/k3warden/config.toml",
            "k3s_version = \"1.36.3\"\nnew_cluster = false\n",
        );
        if first == "data" {
            node.run(&["apply", "--before-start", "k3s.service"]);
        }
        let steps: [(&str, &dyn Fn()); 2] = [
            ("configuration", &|| {
                node.write("etc/rancher/k3s/config.yaml", "data-dir: /srv/k3s\n");
            }),
            ("data", &|| {
                fs::create_dir_all(node.path("srv")).unwrap();
                let _ = fs::remove_dir_all(node.path("srv/k3s"));
                fs::rename(node.path("var/lib/rancher/k3s"), node.path("srv/k3s")).unwrap();
            }),
        ];
        let (one, other) = steps
            .into_iter()
            .partition::<Vec<_>, _>(|(name, _)| *name == first);
        for (name, step) in one.into_iter().chain(other) {
            step();
            if (first, name) == ("data", "data") {
                // As a disk that is not mounted: the line may go, and has to come back.
                node.run(&["apply"]);
                continue;
            }
            for _ in 0..2 {
                let (_, said) = node.run(&["apply"]);
                assert!(
                    node.drop_in().contains("secrets-encryption: true"),
                    "{first}: {said}"
                );
            }
            let (_, said) = node.run(&["apply", "--before-start", "k3s.service"]);
            assert!(
                node.drop_in().contains("secrets-encryption: true"),
                "{first}: {said}"
            );
        }
    }
}

/// A line goes while the node is not fit for it, and would come again with the next good moment, and end K3s again.
#[test]
fn what_failed_does_not_come_again_if_it_went_before_anybody_could_put_it_back() {
    let node = Node::settled();
    let good = node.drop_in();
    node.policy(WITH_77_DAYS);
    node.run(&["apply"]);
    let failed = node.with_pass(|pass, _| part::present(pass).unwrap());
    node.write(DROP_IN, &good);
    assert!(matches!(node.failed(&failed), RollBack::Done(_)));
    node.run(&["apply"]);
    assert_eq!(node.drop_in(), good);
    assert!(matches!(node.failed(&failed), RollBack::Already(_)));
}

#[test]
fn retry_and_a_new_policy_have_it_tried_once_more() {
    let node = Node::settled();
    let good = node.drop_in();
    node.policy(WITH_77_DAYS);
    let again: [&dyn Fn(); 2] = [
        &|| {
            let (code, said) = node.run(&["retry"]);
            assert_eq!(code, Some(0), "{said}");
            assert!(
                said.contains("it says so") && said.contains("the last error"),
                "{said}"
            );
        },
        &|| node.policy(&format!("sysctl_interval = \"9s\"\n{WITH_77_DAYS}")),
    ];
    for again in again {
        node.run(&["apply"]);
        assert!(node.drop_in().contains("audit-log-maxage=77"));
        node.fails();
        assert_eq!(node.drop_in(), good);
        again();
        node.run(&["apply"]);
        assert!(node.drop_in().contains("audit-log-maxage=77"));
    }
}

#[test]
fn retry_says_when_there_is_nothing_and_lifts_what_cannot_be_read() {
    let node = Node::settled();
    let (code, said) = node.run(&["retry"]);
    assert_eq!((code, said.trim()), (Some(0), "Nothing is in quarantine."));
    node.write("var/lib/k3warden/quarantine.json", "{ torn");
    let (code, said) = node.run(&["retry"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("could not be read"), "{said}");
    assert!(!node.path("var/lib/k3warden/quarantine.json").exists());
}

#[test]
fn what_cannot_be_lifted_is_not_said_to_be() {
    let node = Node::settled();
    fs::create_dir(node.path("var/lib/k3warden/quarantine.json")).unwrap();
    let (code, said) = node.run(&["retry"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(!said.contains("Lifted"), "{said}");
}

#[test]
fn without_anything_that_worked_all_of_ours_goes_but_the_line_that_the_key_needs() {
    for (key, left) in [(false, 0), (true, 1)] {
        let node = Node::settled();
        fs::remove_file(node.path("var/lib/k3warden/last-good.json")).unwrap();
        if key {
            node.write(KEY, "{}");
        }
        let RollBack::Done(back) = node.fails() else {
            panic!("nothing was put back");
        };
        let drop_in = node.drop_in();
        let lines = drop_in.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.count(), left, "{drop_in}");
        assert_eq!(drop_in.contains("secrets-encryption: true"), key);
        assert_eq!(back.kept.len(), left);
        // The next start fails too: that is about something else, and the quarantine stays what it was about.
        assert!(matches!(node.fails(), RollBack::NotOurs));
        assert_eq!(node.drop_in(), drop_in);
        node.with_pass(|pass, _| assert_eq!(pass.held.unwrap().quarantine, back.quarantine));
    }
}

/// The operator's file came into the place of ours after that had worked.
#[test]
fn a_put_back_never_writes_over_what_an_operator_put_into_our_place() {
    let node = Node::settled();
    let psa = format!("{SERVER}/psa.yaml");
    let own = fs::read_to_string(node.path(&psa))
        .unwrap()
        .replace("restricted", "baseline");
    node.write(&psa, &own);
    assert!(
        matches!(node.fails(), RollBack::NotOurs),
        "nothing of ours is another than it was"
    );
    node.policy(WITH_77_DAYS);
    node.run(&["apply"]);
    let RollBack::Done(_) = node.fails() else {
        panic!("the flag is ours");
    };
    assert!(!node.drop_in().contains("77"), "{}", node.drop_in());
    assert_eq!(fs::read_to_string(node.path(&psa)).unwrap(), own);
}

#[test]
fn what_worked_because_it_mends_something_of_the_operator_s_is_put_back() {
    let node = Node::settled();
    node.write(
        "etc/rancher/k3s/config.yaml",
        "kube-apiserver-arg: [request-timeout=0]\n",
    );
    node.run(&["apply"]);
    let good = node.drop_in();
    assert!(good.contains("request-timeout=300s"), "{good}");
    node.settle();
    node.policy(WITH_77_DAYS);
    node.run(&["apply"]);
    assert_ne!(node.drop_in(), good);
    let RollBack::Done(_) = node.fails() else {
        panic!("the flag is ours");
    };
    assert_eq!(node.drop_in(), good);
}

/// Pod Security Policies worked up to 1.24; no later K3s starts with their plug-in.
#[test]
fn what_worked_with_another_k3s_is_not_put_back_where_this_one_would_not_start_with_it() {
    let node = Node::settled_with("1.24.17");
    assert!(
        node.drop_in().contains("PodSecurityPolicy"),
        "{}",
        node.drop_in()
    );
    node.policy("");
    node.run(&["apply"]);
    assert!(
        !node.drop_in().contains("PodSecurityPolicy"),
        "{}",
        node.drop_in()
    );
    let RollBack::Done(back) = node.fails() else {
        panic!("nobody has proven it");
    };
    assert!(
        !node.drop_in().contains("PodSecurityPolicy"),
        "{}",
        node.drop_in()
    );
    assert_eq!(back.quarantine.reason, "apiserver exited: it says so");
}

#[test]
fn revert_leaves_what_the_cluster_needs_and_says_why() {
    let node = Node::settled();
    node.write(KEY, "{}");
    // The operator's own configuration relies on two things that we made.
    node.write(
        "etc/rancher/k3s/config.yaml",
        "protect-kernel-defaults: true\nkube-apiserver-arg:\n- audit-policy-file=/var/lib/rancher/k3s/server/audit.yaml\n",
    );
    let (code, said) = node.run(&["revert"]);
    assert_eq!(code, Some(1), "{said}");
    for reason in [
        "could not read its Secrets",
        "sets protect-kernel-defaults",
        "K3s's configuration names it",
    ] {
        assert!(said.contains(reason), "{reason}: {said}");
    }
    assert!(node.path(AUDIT_POLICY).exists());
    assert!(node.path("etc/sysctl.d/90-kubelet.conf").exists());
    let left = node.drop_in();
    let lines: Vec<&str> = left.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with("secrets-encryption: true"),
        "{left}"
    );
    assert!(
        !node.path(&format!("{SERVER}/psa.yaml")).exists(),
        "nobody needs it: {said}"
    );

    // Without key and reliance all of it goes.
    fs::remove_dir_all(node.path(KEY).parent().unwrap()).unwrap();
    fs::remove_file(node.path("etc/rancher/k3s/config.yaml")).unwrap();
    let (code, said) = node.run(&["revert"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(node.drop_in(), "");
    assert!(!node.path(AUDIT_POLICY).exists());
}

#[test]
fn revert_keeps_the_encryption_line_while_the_disk_with_the_key_is_not_mounted() {
    let node = Node::settled();
    node.write(KEY, "{}");
    node.with_pass(|pass, ledger| {
        let lock = Lock::acquire(&pass.host.root, PATIENCE, "test").unwrap();
        encrypted::note(pass, ledger, &lock).unwrap();
    });
    fs::rename(node.path(SERVER), node.path("var/lib/rancher/k3s/away")).unwrap();
    let (code, said) = node.run(&["revert"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a disk that is not mounted"), "{said}");
    let left = node.drop_in();
    assert!(left.contains("secrets-encryption: true"), "{left}");
    assert!(!left.contains("audit"), "{left}");
}

#[test]
fn a_file_stays_while_the_running_k3s_reads_it_or_may_read_it() {
    let node = Node::settled();
    fs::remove_file(node.path(DROP_IN)).unwrap();
    node.with_pass(|pass, _| {
        let file = Thing::Path(Path::new("/").join(AUDIT_POLICY));
        for (running, stays) in [
            (Running::Nothing, false),
            (Running::ReadsNot, false),
            (Running::Reads, true),
            (Running::Unknown, true),
        ] {
            let reason = must_stay(pass, &file, &[], &|_| running);
            assert_eq!(reason.is_some(), stays, "{running:?}: {reason:?}");
        }
    });
}
