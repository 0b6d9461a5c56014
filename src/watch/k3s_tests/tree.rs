//! The tree of a node.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::catalogue::Catalogue;
use crate::host::records::{Records, STATE};
use crate::host::{Durability, Host, LiveSysctls, Root};
use crate::node::{self, Surroundings};
use crate::policy::{self, Policy};
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::proof::{LastGood, Quarantine};
use crate::reconcile::service::cluster;
use crate::reconcile::{Written, running};
use crate::watch::ground::{Ground, NoGround, Sources};

pub(super) const DROP_IN: &str = "etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml";

/// A server's tree. It has never run K3s.
pub(super) struct Tree(tempfile::TempDir);

impl Tree {
    pub(super) fn server(policy: &str) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.write(
            "etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s server\n",
        );
        tree.policy(policy);
        tree
    }

    pub(super) fn agent() -> Self {
        let tree = Self::server("");
        tree.write(
            "etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s agent --server https://10.0.0.1:6443\n",
        );
        tree
    }

    pub(super) fn policy(&self, more: &str) {
        let always = "k3s_version = \"1.36.3\"\n";
        self.write("etc/k3warden/config.toml", &format!("{always}{more}"));
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), text).unwrap();
    }

    pub(super) fn drop_in(&self) -> String {
        std::fs::read_to_string(self.path(DROP_IN)).unwrap_or_default()
    }

    pub(super) fn records(&self) -> Records {
        Records::at(&Root::open(self.0.path()).unwrap(), STATE).unwrap()
    }

    pub(super) fn last_good(&self) -> Option<OurPart> {
        LastGood::load(&self.records())
            .record()
            .map(|good| good.part)
    }

    pub(super) fn quarantine(&self) -> Option<Quarantine> {
        Quarantine::load(&self.records()).record()
    }
}

impl Sources for Tree {
    /// As a machine, so that its K3s is asked about.
    fn open(&self) -> Result<Ground, NoGround> {
        let root = Root::open(self.0.path()).unwrap();
        let wrong = |error: policy::PolicyError| NoGround::Rules(error.to_string());
        let catalogue = policy::load_catalogue(&root).map_err(wrong)?;
        let policy = Policy::load(&root, &catalogue).map_err(wrong)?;
        self.look_again(&Rc::new(catalogue), &policy)
    }

    fn look_again(&self, catalogue: &Rc<Catalogue>, policy: &Policy) -> Result<Ground, NoGround> {
        let root = Root::open(self.0.path()).unwrap();
        let root = root.with_durability(Durability::PageCache);
        let (catalogue, mut policy) = (Rc::clone(catalogue), policy.clone());
        let rules = &mut policy.restart;
        for time in [
            &mut rules.settle_time,
            &mut rules.jitter,
            &mut rules.minimum_interval,
        ] {
            time.value = Duration::ZERO;
        }
        let node = node::discover(&root, &policy, Surroundings::Machine, None);
        let live = LiveSysctls::at(&self.path("proc/sys")).ok();
        let host = Host { root, live };
        let running = running::kept(&host, &node).into();
        let mut ground = Ground {
            host,
            catalogue,
            policy,
            node,
            written: Written::default(),
            held: None,
            running,
            today: jiff::Zoned::now().date(),
        };
        let mut ledger = ground.open_ledger().unwrap();
        ground.look_up_written(&mut ledger).unwrap();
        let lock = ground.lock().unwrap();
        let root = &ground.host.root;
        cluster::recall(root, &ground.policy, &mut ground.node, &mut ledger, &lock).unwrap();
        ground.look_for_quarantine();
        Ok(ground)
    }
}
