//! What revert and purge leave, because K3s would not start or could not read its Secrets without it.

use std::path::Path;

use super::part;
use super::{inputs, kernel, line_out};
use crate::host::{State, SysctlKey, Thing, systemd};
use crate::k3s::component::{
    Component, InForce, KERNEL_PARAMETERS, plugins_without_section, refuses_audit_log,
};
use crate::k3s::{Effective, Files};
use crate::node::facts;
use crate::reconcile::configuration::files_after;
use crate::reconcile::restart::own_part::EncryptionKey;
use crate::reconcile::restart::starts::Starts;
use crate::reconcile::{Pass, PlannedChange};

const SYSCTL_DIRECTORY: &str = "/etc/sysctl.d";

/// What the running K3s reads, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// None runs.
    Nothing,
    /// It reads the file in question.
    Reads,
    /// It does not.
    ReadsNot,
    /// Nobody knows.
    Unknown,
}

/// Whether the running K3s was started with a file, by what the door wrote down of that start.
#[must_use]
pub fn reads(pass: &Pass<'_>, path: &Path) -> Running {
    let root = &pass.host.root;
    let unit = pass.node.places.unit.as_deref();
    let Some(unit) = unit.and_then(|unit| unit.parse().ok()) else {
        return Running::Nothing;
    };
    let run = match systemd::invocation(root, &unit) {
        Ok(None) => return Running::Nothing,
        Ok(Some(run)) => run,
        Err(_) => return Running::Unknown,
    };
    let record = Starts::of(root).ok().and_then(|starts| starts.load(&run));
    record.map_or(Running::Unknown, |record| match record.inputs.reads(path) {
        true => Running::Reads,
        false => Running::ReadsNot,
    })
}

/// Why a thing has to stay as it is now, although of the controls that wrote it only `staying` keep it; judged anew for
/// each, since what goes first may free what comes after.
#[must_use]
pub fn must_stay(
    pass: &Pass<'_>,
    thing: &Thing,
    staying: &[&str],
    running: &dyn Fn(&Path) -> Running,
) -> Option<String> {
    must_stay_after(pass, &[], thing, staying, running)
}

/// The same once a plan is carried out.
#[must_use]
pub fn must_stay_after(
    pass: &Pass<'_>,
    plan: &[PlannedChange],
    thing: &Thing,
    staying: &[&str],
    running: &dyn Fn(&Path) -> Running,
) -> Option<String> {
    let next = Next { pass, plan };
    match thing {
        Thing::Sysctl(key) => {
            let is_it = |known: &str| SysctlKey::parse(known).is_ok_and(|known| known == *key);
            let checked = KERNEL_PARAMETERS.iter().any(|(known, _)| is_it(known));
            checked.then(|| protection(&next)).flatten()
        }
        Thing::Path(path) if path.starts_with(SYSCTL_DIRECTORY) => protection(&next),
        Thing::Path(path) if part::files(pass).contains(path) => {
            match pass.sections_of(thing, staying) {
                // K3s reads it at a start only, and finds there then what its plug-ins need.
                Some(left) => lacks_a_section(&next, path, left),
                None => named(&next, path, running),
            }
        }
        Thing::Path(path) => log_in(&next, path),
    }
}

/// The next start of K3s, with a plan carried out.
struct Next<'p, 'a> {
    pass: &'p Pass<'a>,
    plan: &'p [PlannedChange],
}

impl Next<'_, '_> {
    fn files(&self) -> Files<'_> {
        let changes = self.plan.iter().map(|planned| &planned.change);
        files_after(&self.pass.host.root, changes)
    }

    /// What it would run with, where that can be told.
    fn effective(&self) -> Option<Effective> {
        let (host, node) = (self.pass.host, self.pass.node);
        let effective = node.effective_of(&self.files(), node.invocation(), &facts(host));
        effective.ok()
    }
}

/// Why K3s's next start needs a directory: its audit log is in it, and only newer releases make it themselves.
fn log_in(next: &Next<'_, '_>, directory: &Path) -> Option<String> {
    let effective = next.effective()?;
    let usual = next.pass.node.places.data_dir.join("server/logs");
    if let Some(reason) = nobody_knows(&effective, "logs there").filter(|_| directory == usual) {
        return Some(reason);
    }
    let flag = "audit-log-path";
    let found = effective
        .start
        .in_force(Component::Apiserver, flag, effective.version);
    let InForce::One { value, place } = found else {
        return None;
    };
    let path = effective.named_file(&value);
    let files = next.files().without(directory);
    refuses_audit_log(&path, effective.version, &files)
        .filter(|_| path.parent() == Some(directory))
        .map(|_| format!("{place} has the audit log there, and K3s would not start without it"))
}

/// What is not known of a start that ends before its options are settled.
fn nobody_knows(effective: &Effective, what: &str) -> Option<String> {
    let ending = effective.unsettled()?;
    Some(format!(
        "whether K3s's next start {what} nobody knows: it would not start: {ending}"
    ))
}

/// The kubelet checks the values at each start, whoever asked for it.
fn protection(next: &Next<'_, '_>) -> Option<String> {
    // Without a configuration that can be judged no kubelet is known to check anything.
    let effective = next.effective()?;
    if let Some(reason) = nobody_knows(&effective, "has protect-kernel-defaults") {
        return Some(reason);
    }
    let place = kernel::protected_by(&effective)?;
    Some(format!(
        "{place} sets protect-kernel-defaults, and the kubelet would not start with another value"
    ))
}

/// Why K3s's next start needs more of a file than what is left of it.
fn lacks_a_section(next: &Next<'_, '_>, path: &Path, left: Vec<u8>) -> Option<String> {
    let effective = next.effective()?;
    if let Some(reason) = nobody_knows(&effective, "needs all of it") {
        return Some(reason);
    }
    let files = next.files().with(path, left);
    let plugin = *plugins_without_section(&effective, &files).first()?;
    Some(format!(
        "K3s would end with the admission plugin {plugin} and without a section for it there"
    ))
}

fn named(next: &Next<'_, '_>, path: &Path, running: &dyn Fn(&Path) -> Running) -> Option<String> {
    let effective = next.effective();
    let unknown = effective
        .as_ref()
        .and_then(|effective| nobody_knows(effective, "needs it"));
    if unknown.is_some() {
        return unknown;
    }
    let loaded = effective
        .and_then(|effective| inputs::loaded(next.pass.host, next.pass.node, &effective).ok());
    if loaded.is_some_and(|loaded| loaded.iter().any(|loaded| loaded == path)) {
        return Some("K3s's configuration names it, and K3s would not start without it".to_owned());
    }
    match running(path) {
        Running::Nothing | Running::ReadsNot => None,
        Running::Reads => Some(
            "the running K3s was started with it; it can go after the next start".to_owned(),
        ),
        Running::Unknown => Some(
            "nobody knows whether the running K3s was started with it; it can go after the next start"
                .to_owned(),
        ),
    }
}

/// What of a thing stays when the rest goes: the line that says that Secrets are encrypted, once there is a key.
#[must_use]
pub fn remains(pass: &Pass<'_>, thing: &Thing) -> Option<(State, String)> {
    let Thing::Path(path) = thing else {
        return None;
    };
    let ours = line_out::is_ours(path, &pass.node.places.config_file);
    if !ours || part::encryption_key(pass.host, pass.node) == EncryptionKey::Absent {
        return None;
    }
    let found = pass.host.capture(thing, crate::host::Extent::Whole).ok()?;
    let State::File {
        content,
        attributes,
    } = found
    else {
        return None;
    };
    let text = line_out::encryption_alone(&content)?;
    let state = State::File {
        content: text.into_bytes(),
        attributes,
    };
    let reason =
        "its secrets-encryption line, without which K3s could not read its Secrets any more";
    Some((state, reason.to_owned()))
}
