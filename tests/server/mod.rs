//! A node of a machine that runs, in a directory: its live kernel values are plain files, and no K3s runs.

#![allow(dead_code)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use k3warden::catalogue::Catalogue;
use k3warden::host::{Durability, Host, LiveSysctls, Root, Space};
use k3warden::k3s::K3sVersion;
use k3warden::node::{self, Surroundings};
use k3warden::policy::Policy;
use k3warden::reconcile::ledger::{Keeping, Ledger};
use k3warden::reconcile::lock::Lock;
use k3warden::reconcile::service::{cluster, encrypted, last_data_dir};
use k3warden::reconcile::{Judgement, Pass, Plan, Refused, Seen, Written, apply};
use k3warden::setting::Running;

use crate::tree::Tree;

/// The six values that the kubelet checks, as it wants them.
const KERNEL: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];
const LEDGER_PATIENCE: Duration = Duration::from_secs(1);

pub struct Server {
    pub tree: Tree,
    live: tempfile::TempDir,
    pub version: K3sVersion,
    /// Its binary answers when it is asked for it.
    pub says_its_version: bool,
    pub surroundings: Surroundings,
    pub space: Option<Space>,
    catalogue: Catalogue,
    /// What is known of the K3s that runs.
    pub running: Rc<Running>,
}

impl Server {
    /// A server with K3s installed that never started.
    pub fn new() -> Self {
        let tree = Tree::new();
        tree.add("755 root:root d /etc/sysctl.d\n755 root:root d /var/lib/rancher/k3s");
        let server = Self {
            tree,
            live: tempfile::tempdir().unwrap(),
            version: K3sVersion::new(36, 3),
            says_its_version: true,
            surroundings: Surroundings::Machine,
            space: None,
            catalogue: Catalogue::built_in().unwrap(),
            running: Rc::new(Running::Stopped),
        };
        server.unit("server");
        for (key, value) in KERNEL {
            server.kernel(key, value);
        }
        server
    }

    pub fn unit(&self, words: &str) {
        self.write("/etc/systemd/system/k3s.service", &format!(
            "[Service]\nEnvironmentFile=-/etc/systemd/system/k3s.service.env\nExecStart=/usr/local/bin/k3s {words}\n"
        ));
    }

    pub fn kernel(&self, key: &str, value: &str) {
        let path = self.live.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value).unwrap();
    }

    pub fn live(&self, key: &str) -> String {
        let value = std::fs::read_to_string(self.live.path().join(key)).unwrap();
        value.trim().to_owned()
    }

    pub fn policy(&self, text: &str) {
        self.write("/etc/k3warden/config.toml", text);
    }

    pub fn write(&self, path: &str, content: &str) {
        self.tree.write(path, content);
    }

    pub fn set_mode(&self, path: &Path, mode: u32) {
        let place = self.tree.at(path.to_str().unwrap());
        std::fs::set_permissions(place, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn mode(&self, path: &Path) -> u32 {
        let place = self.tree.at(path.to_str().unwrap());
        std::fs::metadata(place).unwrap().permissions().mode() & 0o7777
    }

    pub fn has(&self, path: &str) -> bool {
        self.tree.at(path).exists()
    }

    pub fn read(&self, path: &str) -> String {
        self.tree.text(path)
    }

    pub fn lines(&self) -> String {
        self.tree.lines()
    }

    #[track_caller]
    pub fn assert_writes(&self, words: &str) {
        self.tree.assert_writes(words);
    }

    #[track_caller]
    pub fn assert_leaves_out(&self, words: &str) {
        self.tree.assert_leaves_out(words);
    }

    /// Names in the directory of manifests.
    pub fn manifests(&self) -> Vec<String> {
        let directory = self.tree.at("/var/lib/rancher/k3s/server/manifests");
        let Ok(entries) = std::fs::read_dir(directory) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Looks at the node as a command does, with the ledger at hand.
    pub fn pass<T>(&self, look: impl FnOnce(&Pass<'_>, &mut Ledger) -> T) -> T {
        let root = Root::open(self.tree.path())
            .unwrap()
            .with_durability(Durability::PageCache);
        let root = match self.space {
            Some(space) => root.with_space(space),
            None => root,
        };
        let policy = Policy::load(&root, &self.catalogue).unwrap();
        let mut node = node::discover(
            &root,
            &policy,
            self.surroundings,
            self.says_its_version.then_some(self.version),
        );
        let mut ledger = {
            let lock = Lock::acquire(&root, LEDGER_PATIENCE, "test").unwrap();
            let mut ledger = Ledger::open(&root, Keeping::of(&root), &lock).unwrap();
            last_data_dir::recall(&mut node, &mut ledger, &lock).unwrap();
            cluster::recall(&root, &policy, &mut node, &mut ledger, &lock).unwrap();
            ledger
        };
        let written = {
            let lock = Lock::acquire(&root, LEDGER_PATIENCE, "test").unwrap();
            Written::of(&mut ledger, &lock).unwrap()
        };
        let root = root.sealed_below(&node.places.data_dir);
        let live = LiveSysctls::at(self.live.path()).unwrap();
        let live = match self.surroundings {
            Surroundings::Machine => Some(live),
            Surroundings::Container => Some(live.not_ours()),
            Surroundings::Chroot | Surroundings::Image => None,
        };
        let host = Host { root, live };
        let pass = Pass {
            host: &host,
            node: &node,
            policy: &policy,
            catalogue: &self.catalogue,
            today: jiff::civil::date(2026, 1, 1),
            written: &written,
            held: None,
            seen: Seen::with_running(Rc::clone(&self.running)),
        };
        look(&pass, &mut ledger)
    }

    /// Makes everything true, round by round, and gives what was refused.
    pub fn apply(&self) -> Vec<Refused> {
        for _ in 0..4 {
            let (is_empty, refused) = self.pass(|pass, ledger| {
                let plan = Plan::of(pass, &pass.judge());
                let refused = plan.refused.clone();
                let is_empty = plan.is_empty();
                for outcome in apply(pass.host, ledger, plan, "test", &|| false) {
                    outcome.result.unwrap();
                }
                (is_empty, refused)
            });
            if is_empty {
                return refused;
            }
        }
        panic!("a plan that never becomes empty");
    }

    /// Everything that was refused, as one text.
    pub fn refusals(&self) -> String {
        let refused = self.apply();
        let line = |refused: &Refused| format!("{:?}: {}\n", refused.controls, refused.reason);
        refused.iter().map(line).collect()
    }

    pub fn judge<T>(&self, control: &str, look: impl FnOnce(&Judgement<'_>) -> T) -> T {
        self.pass(|pass, _| look(&pass.judge_control(pass.catalogue.control(control).unwrap())))
    }

    /// What K3s's door notes at a start.
    pub fn decide(&self) {
        self.pass(|pass, ledger| {
            let root = Root::open(self.tree.path()).unwrap();
            let lock = Lock::acquire(&root, LEDGER_PATIENCE, "test").unwrap();
            last_data_dir::note(pass.node, ledger, &lock).unwrap();
            encrypted::note(pass, ledger, &lock).unwrap();
            cluster::decide(&pass.host.root, pass.node, ledger, &lock).unwrap();
        });
    }

    /// What `apply` and the daemon note before a start.
    pub fn expect(&self) {
        self.pass(|pass, ledger| {
            let root = Root::open(self.tree.path()).unwrap();
            let lock = Lock::acquire(&root, LEDGER_PATIENCE, "test").unwrap();
            cluster::expect(pass.node, ledger, &lock).unwrap();
        });
    }

    /// K3s has started: it has data.
    pub fn start(&self) {
        self.decide();
        self.start_without_door();
    }

    pub fn start_without_door(&self) {
        std::fs::create_dir_all(self.tree.at("/var/lib/rancher/k3s/server/db")).unwrap();
    }

    pub fn remove(&self, path: &Path) {
        let place = self.tree.at(&path.to_string_lossy());
        if place.is_dir() {
            std::fs::remove_dir_all(place).unwrap();
        } else {
            std::fs::remove_file(place).unwrap();
        }
    }
}
