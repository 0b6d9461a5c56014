//! One pass over the node: everything that judging and planning look at, taken together.

mod blind;
mod deployed;
mod judge;
mod seen;
mod subject;

pub use seen::Seen;

use std::path::Path;
use std::rc::Rc;

use jiff::civil::Date;

use crate::catalogue::{Catalogue, Control, ControlId, SettingBody};
use crate::host::{Host, HostError, Thing};
use crate::node::Node;
use crate::policy::{Decision, Policy, Stance};
use crate::setting::configuration::{LeaveOut, Wish};
use crate::setting::{self, Change, Persisted, Stage, Subject, Want};

use super::Written;
use super::ahead::Ahead;
use super::baseline::{self, Applies};
use super::service::circumstances::Held;

/// What a pass looks at. Borrowed, so that it cannot outlive a reload.
#[allow(missing_debug_implementations)]
pub struct Pass<'a> {
    /// The machine.
    pub host: &'a Host,
    /// What the node is.
    pub node: &'a Node,
    /// What the operator wants.
    pub policy: &'a Policy,
    /// What CIS and the guide ask.
    pub catalogue: &'a Catalogue,
    /// The day that exceptions are judged by.
    pub today: Date,
    /// What we wrote ourselves, as far as the ledger knows.
    pub written: &'a Written,
    /// A part of ours that is not written again, because K3s did not live with it.
    pub held: Option<&'a Held>,
    /// What was worked out already. A pass is about one moment: after changes take a new one.
    pub seen: Seen,
}

/// The one line of the policy that has a control enforced. It stands above all tables of its file.
#[must_use]
pub fn enforcing_line(control: &ControlId) -> String {
    format!("control.{control}.state = \"enforce\"")
}

impl<'a> Pass<'a> {
    /// The same pass over a host that is taken to be as a plan leaves it.
    #[must_use]
    pub fn over<'h>(&'h self, host: &'h Host) -> Pass<'h> {
        Pass {
            host,
            seen: self.seen.begun_anew(),
            ..*self
        }
    }

    /// The same pass over a node that is taken to be this one.
    pub(super) fn of_node<'h>(&'h self, node: &'h Node) -> Pass<'h> {
        Pass {
            node,
            seen: self.seen.begun_anew(),
            ..*self
        }
    }

    /// The same pass over a host that is taken to be brought into these states.
    pub(super) fn looking_ahead<'h>(&'h self, host: &'h Host, ahead: &Rc<Ahead>) -> Pass<'h> {
        Pass {
            host,
            seen: self.seen.looking_ahead(ahead),
            ..*self
        }
    }

    /// How far a control is taken here. One that restricts workloads is only observed on a cluster that has data, until
    /// the policy says otherwise: a workload that cannot be made again after a reboot would be our fault.
    pub fn decide(&self, control: &Control) -> (Decision<'a>, Option<String>) {
        let decision = self.policy.enforcement(control, self.today);
        if !self.waits_for_the_operator(control) {
            return (decision, None);
        }
        let note = format!(
            "it restricts workloads, and this is not known to be a new cluster: observed until \
             the policy has, above its tables, {}",
            enforcing_line(&control.id)
        );
        (
            Decision {
                stance: Stance::Observe,
                place: None,
            },
            Some(note),
        )
    }

    /// Whether a control restricts workloads, this is no new cluster, and the policy says nothing of it.
    pub(super) fn waits_for_the_operator(&self, control: &Control) -> bool {
        let decision = self.policy.enforcement(control, self.today);
        let by_default = decision.stance == Stance::Enforce && decision.place.is_none();
        control.restricts_workloads && by_default && !self.node.new_cluster
    }

    /// The changes after which the next boot sets these values.
    ///
    /// # Errors
    /// When the sysctl.d files cannot be read.
    pub fn persist_sysctls(&self, wants: &[Want]) -> Result<Vec<Persisted>, HostError> {
        let persist = |subject: &Subject<'_>| setting::persist_sysctls(subject, wants);
        self.with_subject(self.host, None, persist)
    }

    /// The directories to create so that a file of our configuration has a parent.
    ///
    /// # Errors
    /// When a directory on the way cannot be looked at.
    pub fn missing_directories(&self, path: &Path) -> Result<Vec<Change>, HostError> {
        self.with_subject(self.host, None, |subject| {
            setting::missing_parents(subject, path, Stage::Configuration)
        })
    }

    /// The lines that the settings of a control want in K3s's configuration.
    #[must_use]
    pub fn wishes(&self, control: &Control) -> Vec<Wish> {
        self.of_settings(control, setting::wish)
    }

    /// What the settings of a control want left out of an operator's lists.
    pub(super) fn leave_outs(&self, control: &Control) -> Vec<LeaveOut> {
        self.of_settings(control, setting::leave_out)
    }

    fn of_settings<T>(
        &self,
        control: &Control,
        asked: fn(&SettingBody, &Subject<'_>) -> Option<T>,
    ) -> Vec<T> {
        let applies = |range| baseline::version(range, self.node) == Applies::Yes;
        let settings = control
            .settings
            .iter()
            .filter(|setting| applies(setting.k3s));
        settings
            .filter_map(|setting| {
                self.with_subject(self.host, Some(control), |subject| {
                    asked(&setting.body, subject)
                })
            })
            .collect()
    }

    /// Whether a thing is a file that a control asked for earlier, for a name that the policy has taken out of its list.
    pub(super) fn is_taken_out(&self, id: &str, thing: &Thing) -> bool {
        let (Some(control), Thing::Path(path)) = (self.catalogue.control(id), thing) else {
            return false;
        };
        self.with_subject(self.host, Some(control), |subject| {
            setting::is_taken_out(&control.settings, subject, path)
        })
    }

    /// The CIS edition that numbers and modes are taken from.
    #[must_use]
    pub fn edition(&self) -> Option<&'a str> {
        let version = self.node.version.as_ref().map(|fact| fact.value);
        let editions = self.catalogue.editions();
        self.policy
            .edition
            .as_ref()
            .and_then(|given| editions.named(&given.value))
            .or_else(|| editions.for_version(version))
            .map(|edition| edition.name.as_str())
    }
}
