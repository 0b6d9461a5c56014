//! What revert and purge leave, because K3s would not start or could not read its Secrets without it.

use std::path::Path;

use super::part;
use super::{inputs, kernel, line_out};
use crate::host::{Extent, State, SysctlKey, Thing, systemd};
use crate::k3s::Effective;
use crate::k3s::component::{
    Component, InForce, KERNEL_PARAMETERS, plugins_without_section, refuses_audit_log,
};
use crate::reconcile::Pass;
use crate::reconcile::configuration::unit_override;
use crate::reconcile::restart::own_part::EncryptionKey;
use crate::reconcile::restart::starts::{Starts, Trust};

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
        false if record.trust == Trust::Overtaken => Running::Unknown,
        false => Running::ReadsNot,
    })
}

/// What K3s needs a thing for that would otherwise be put back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Need {
    /// The kubelet checks the values at each start, whoever asked for it.
    #[error("{0} sets protect-kernel-defaults, and the kubelet would not start with another value")]
    KernelDefaults(String),
    /// Its audit log is in it, and only newer releases make the directory themselves.
    #[error("{0} has the audit log there, and K3s would not start without it")]
    AuditLog(String),
    /// K3s's configuration names it.
    #[error("K3s's configuration names it, and K3s would not start without it")]
    Named,
    /// An admission plugin has a section in it.
    #[error("K3s would end with the admission plugin {0} and without a section for it there")]
    Section(String),
    /// A start that ends before its options are settled may need it as soon as it does not.
    #[error("whether K3s's next start {what} nobody knows: it would not start: {ending}")]
    Unsettled {
        /// What such a start may do with it.
        what: &'static str,
        /// Why it would end.
        ending: String,
    },
    /// The running K3s was started with it.
    #[error("the running K3s was started with it; it can go after the next start")]
    Running,
    /// It may have been.
    #[error(
        "nobody knows whether the running K3s was started with it; it can go after the next start"
    )]
    MaybeRunning,
    /// Secrets may be encrypted, and the line of the drop-in says how.
    #[error("its secrets-encryption line, without which K3s could not read its Secrets any more")]
    Encryption,
    /// They were when K3s last started, and its data is not to be seen now.
    #[error(
        "its secrets-encryption line: K3s was started with it, and {0} has no keys now, which may be a disk that is not mounted; without \
         the line K3s could not read the Secrets there any more"
    )]
    EncryptionOutOfSight(String),
}

/// What a thing has to stay for as it is now, although of the controls that wrote it only `staying` keep it. `running`
/// tells whether the running K3s was started with a file.
#[must_use]
pub fn must_stay(
    pass: &Pass<'_>,
    thing: &Thing,
    staying: &[&str],
    running: &dyn Fn(&Path) -> Running,
) -> Option<Need> {
    match thing {
        Thing::Sysctl(key) => {
            let is_it = |known: &str| SysctlKey::parse(known).is_ok_and(|known| known == *key);
            let checked = KERNEL_PARAMETERS.iter().any(|(known, _)| is_it(known));
            checked.then(|| protection(pass)).flatten()
        }
        Thing::Path(path) if path.starts_with(SYSCTL_DIRECTORY) => protection(pass),
        Thing::Path(path) if part::files(pass).contains(path) => {
            match pass.sections_of(thing, staying) {
                // K3s reads it at a start only, and finds there then what its plug-ins need.
                Some(left) => lacks_a_section(pass, path, left),
                None => named(pass, path).or_else(|| match running(path) {
                    Running::Nothing | Running::ReadsNot => None,
                    Running::Reads => Some(Need::Running),
                    Running::Unknown => Some(Need::MaybeRunning),
                }),
            }
        }
        Thing::Path(path) if unit_override::is_ours(path) => {
            unit_override::loses_encryption(pass).then_some(Need::Encryption)
        }
        Thing::Path(path) => log_in(pass, path),
    }
}

/// What K3s's next start would run with. Without a configuration that can be judged nothing is known to be needed.
fn next_start<'p>(pass: &'p Pass<'_>) -> Option<&'p Effective> {
    pass.effective().as_ref().ok()
}

/// Whether K3s's next start needs a directory: its audit log is in it.
fn log_in(pass: &Pass<'_>, directory: &Path) -> Option<Need> {
    let effective = next_start(pass)?;
    let usual = pass.node.places.data_dir.join("server/logs");
    if let Some(need) = unsettled(effective, "logs there").filter(|_| directory == usual) {
        return Some(need);
    }
    let flag = "audit-log-path";
    let found = effective
        .start
        .in_force(Component::Apiserver, flag, effective.version);
    let InForce::One { value, place } = found else {
        return None;
    };
    let path = effective.named_file(&value);
    let files = pass.files().without(directory);
    refuses_audit_log(&path, effective.version, &files)
        .filter(|_| path.parent() == Some(directory))
        .map(|_| Need::AuditLog(place.to_string()))
}

/// What is not known of a start that ends before its options are settled.
fn unsettled(effective: &Effective, what: &'static str) -> Option<Need> {
    let ending = effective.unsettled()?.to_string();
    Some(Need::Unsettled { what, ending })
}

fn protection(pass: &Pass<'_>) -> Option<Need> {
    let effective = next_start(pass)?;
    unsettled(effective, "has protect-kernel-defaults")
        .or_else(|| kernel::protected_by(effective).map(Need::KernelDefaults))
}

/// Whether K3s's next start needs more of a file than what is left of it.
fn lacks_a_section(pass: &Pass<'_>, path: &Path, left: Vec<u8>) -> Option<Need> {
    let effective = next_start(pass)?;
    if let Some(need) = unsettled(effective, "needs all of it") {
        return Some(need);
    }
    let files = pass.files().with(path, left);
    let plugin = *plugins_without_section(effective, &files).first()?;
    Some(Need::Section(plugin.to_owned()))
}

/// Whether K3s's next start is told of a file.
fn named(pass: &Pass<'_>, path: &Path) -> Option<Need> {
    let effective = next_start(pass)?;
    if let Some(need) = unsettled(effective, "needs it") {
        return Some(need);
    }
    let loaded = inputs::loaded(pass.host, pass.node, effective).ok()?;
    let is_named = loaded.iter().any(|loaded| loaded == path);
    is_named.then_some(Need::Named)
}

/// What of a thing stays when the rest goes: the line that says that Secrets are encrypted, once there is a key.
#[must_use]
pub fn remains(pass: &Pass<'_>, thing: &Thing) -> Option<(State, Need)> {
    let Thing::Path(path) = thing else {
        return None;
    };
    if !line_out::is_ours(path, &pass.node.places.config_file) {
        return None;
    }
    let need = encryption(pass)?;
    let State::File {
        content,
        attributes,
    } = pass.state(thing, Extent::Whole).ok()?
    else {
        return None;
    };
    let text = line_out::encryption_alone(&content)?;
    let state = State::File {
        content: text.into_bytes(),
        attributes,
    };
    Some((state, need))
}

fn encryption(pass: &Pass<'_>) -> Option<Need> {
    let node = pass.node;
    if part::encryption_key(pass) == EncryptionKey::MayExist {
        return Some(Need::Encryption);
    }
    let data_dir = &node.places.data_dir;
    let is_out_of_sight = || matches!(pass.host.root.kind(&data_dir.join("server/cred")), Ok(None));
    let encrypted = node.is_installed() && pass.written.encrypts(data_dir);
    (encrypted && is_out_of_sight())
        .then(|| Need::EncryptionOutOfSight(data_dir.display().to_string()))
}
