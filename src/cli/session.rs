//! What every command starts from: the machine, the policy, the catalogue and the node.

use std::path::Path;

use jiff::Zoned;
use jiff::civil::Date;

use super::Global;
use super::exit::CliError;
use crate::catalogue::{Catalogue, Control};
use crate::host::{Durability, Host, LiveSysctls, Root};
use crate::node::{self, Node, Surroundings};
use crate::policy::{self, KillSwitch, Policy};
use crate::reconcile::ledger::Ledger;
use crate::reconcile::{Judgement, Pass};
use crate::report::Assessment;

/// One run of a command.
#[derive(Debug)]
pub struct Session {
    /// The machine.
    pub host: Host,
    /// What CIS and the guide ask.
    pub catalogue: Catalogue,
    /// What the operator wants.
    pub policy: Policy,
    /// What the node is.
    pub node: Node,
    /// What we changed so far.
    pub ledger: Ledger,
    /// The day that exceptions are judged by.
    pub today: Date,
}

impl Session {
    /// Opens the machine that the command line names.
    ///
    /// # Errors
    /// When the root cannot be opened, or the policy or the catalogue is wrong.
    pub fn open(global: &Global) -> Result<Self, CliError> {
        let durability = if global.no_sync { Durability::PageCache } else { Durability::Synced };
        let root = Root::open(&global.root)?.with_durability(durability);
        let surroundings = Surroundings::look(&root);
        let catalogue = policy::load_catalogue(&root)?;
        let policy = Policy::load(&root, &catalogue)?;
        let node = node::discover(&root, &policy, surroundings, global.k3s_version);
        let ledger = Ledger::open(&root, policy.ledger_limit_bytes())?;
        let root = root.sealed_below(&node.places.data_dir);
        let live = surroundings.is_machine().then(|| LiveSysctls::at(Path::new("/proc/sys")));
        let host = Host { root, live };
        Ok(Self { host, catalogue, policy, node, ledger, today: Zoned::now().date() })
    }

    /// Runs something with a pass over this node.
    pub fn with_pass<'a, T>(&'a self, run: impl FnOnce(&Pass<'a>) -> T) -> T {
        let written_by = |thing: &_, content: &[u8]| self.ledger.written_by(thing, content);
        run(&Pass {
            host: &self.host,
            node: &self.node,
            policy: &self.policy,
            catalogue: &self.catalogue,
            today: self.today,
            written_by: &written_by,
        })
    }

    /// The controls of these names.
    ///
    /// # Errors
    /// When one is not in the catalogue; names the nearest one.
    pub fn named(&self, names: &[String]) -> Result<Vec<&Control>, CliError> {
        names.iter().map(|name| self.control(name)).collect()
    }

    fn control(&self, name: &str) -> Result<&Control, CliError> {
        if let Some(control) = self.catalogue.control(name) {
            return Ok(control);
        }
        let ids = self.catalogue.controls().iter().map(|control| control.id.as_str());
        Err(match policy::nearest(name, ids) {
            Some(near) => format!("there is no control `{name}`; did you mean `{near}`?").into(),
            None => format!("there is no control `{name}`; `k3warden check --all` lists them").into(),
        })
    }

    /// The report of judgements.
    #[must_use]
    pub fn assessment(&self, judgements: &[Judgement<'_>]) -> Assessment {
        self.with_pass(|pass| Assessment::of(pass, judgements, node::id(&self.host.root)))
    }

    /// Why nothing may be changed at all, if so.
    #[must_use]
    pub fn kill_switch(&self) -> Option<KillSwitch> {
        KillSwitch::look(&self.host.root)
    }
}
