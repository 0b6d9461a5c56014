//! Where this node's running K3s stands against its disk, and everything else that the restart gate asks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;

use super::circumstances::{Knowledge, now};
use super::inputs;
use super::part;
use super::preflight::{self, Present};
use super::wanted::wanted;
use crate::host::systemd::{ActiveState, INVOCATIONS, LoadState, UnitName, UnitStatus, link_name};
use crate::host::{Clock, SystemClock};
use crate::k3s::component::Argument;
use crate::k3s::{Effective, Role};
use crate::node;
use crate::reconcile::Pass;
use crate::reconcile::restart::gate::{
    Brake, Encryption, Gate, Life, Preflight, Situation, Wanted, decide,
};
use crate::reconcile::restart::heard::Arguments;
use crate::reconcile::restart::history::History;
use crate::reconcile::restart::origin::Cause;
use crate::reconcile::restart::own_part::{EncryptionKey, OurPart};
use crate::reconcile::restart::snapshot::Snapshots;
use crate::reconcile::restart::standing::{
    Ages, Changed, Evidence, Standing, started_no_later_than,
};
use crate::reconcile::restart::starts::{Starts, Trust};

/// What K3s makes at its start beside its configuration file and in the directory above (K pkg/server/server.go
/// `writeKubeConfig`, pkg/agent/config/config.go).
const MADE_BESIDE: [&str; 2] = ["k3s.yaml", "node"];

/// What is known at one look at K3s.
#[derive(Debug, Clone)]
pub struct Look {
    /// What K3s does.
    pub life: Life,
    /// Whether it read what is on disk.
    pub standing: Standing,
    /// Whether it would start.
    pub preflight: Preflight,
    /// The encryption of Secrets.
    pub encryption: Encryption,
    /// Our part as it is on disk.
    pub ours: OurPart,
}

/// What the caller knows beside the machine.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Who wants the restart; `None`: what differs says it.
    pub wanted: Option<Wanted>,
    /// What brought the change of our part, if there is one.
    pub cause: Cause,
    /// Since the difference was first seen.
    pub wanted_for: Duration,
    /// Since anything of it last changed.
    pub quiet_for: Duration,
    /// A start is being followed.
    pub settling: bool,
    /// What stops us on the whole.
    pub brake: &'a Brake,
}

/// Looks at K3s and at what it would read. `status` is systemd's answer of just now.
#[must_use]
pub fn look(pass: &Pass<'_>, unit: &UnitName, status: &UnitStatus) -> Look {
    let ours = part::present(pass).unwrap_or_default();
    let effective = pass.node.effective(pass.host);
    let (standing, encryption) = match &effective {
        Ok(effective) => (
            standing(pass, unit, status, effective),
            encryption(pass, Some(effective)),
        ),
        Err(error) => (Standing::Unknown(error.to_string()), encryption(pass, None)),
    };
    let preflight = match preflight::present(pass, &ours) {
        Present::Starts => Preflight::Passes,
        Present::EndsByOperator(reasons) | Present::EndsByUs(reasons) => Preflight::Fails(reasons),
        Present::Unknown(reason) => Preflight::Unknown(reason),
    };
    Look {
        life: life(status),
        standing,
        preflight,
        encryption,
        ours,
    }
}

/// What K3s does, from systemd's answer.
#[must_use]
pub fn life(status: &UnitStatus) -> Life {
    if status.load != LoadState::Loaded {
        return Life::Stopped;
    }
    match status.active {
        _ if status.is_auto_restart() => Life::StartsAgain,
        ActiveState::Active | ActiveState::Other => Life::Running,
        ActiveState::Activating => {
            let started = status.main_started.unwrap_or_default();
            Life::Starting(SystemClock.awake().saturating_sub(started))
        }
        ActiveState::Deactivating | ActiveState::Inactive | ActiveState::Failed => Life::Stopped,
    }
}

/// Asks the gate.
#[must_use]
pub fn ask(pass: &Pass<'_>, look: &Look, asked: &Asked<'_>) -> Gate {
    let root = &pass.host.root;
    let Ok(knowledge) = Knowledge::of(root) else {
        return Gate::Unknown {
            why: "our own records cannot be read".to_owned(),
        };
    };
    let moment = now(pass.host);
    let history = History::load(&knowledge.records, &moment);
    let quarantine = pass
        .held
        .map(|held| &held.quarantine)
        .filter(|quarantine| quarantine.part == look.ours.digest());
    let wall: Zoned = SystemClock.wall();
    let id = node::id(root).unwrap_or_default();
    decide(&Situation {
        now: &wall,
        life: look.life,
        standing: &look.standing,
        wanted: asked
            .wanted
            .unwrap_or_else(|| wanted(&look.standing, &look.ours, asked.cause)),
        wanted_for: asked.wanted_for,
        quiet_for: asked.quiet_for,
        rules: &pass.policy.restart,
        role: pass.node.role.as_ref().map(|fact| fact.value),
        datastore: pass.node.datastore,
        node_id: &id,
        restarts: &history.ages(&moment),
        refused: history.refusal_age(&moment),
        settling: asked.settling,
        quarantine: quarantine.map(|quarantine| quarantine.reason.as_str()),
        preflight: &look.preflight,
        encryption: look.encryption,
        brake: asked.brake,
    })
}

fn standing(
    pass: &Pass<'_>,
    unit: &UnitName,
    status: &UnitStatus,
    effective: &Effective,
) -> Standing {
    let root = &pass.host.root;
    let here = match inputs::inputs(pass.host, pass.node, effective) {
        Ok(here) => here,
        Err(error) => return Standing::Unknown(error.to_string()),
    };
    let Some(invocation) = &status.invocation else {
        return Standing::Unknown("systemd names no run of K3s".to_owned());
    };
    let door = Starts::of(root)
        .ok()
        .and_then(|starts| starts.load(invocation));
    let snapshot = Snapshots::of(root)
        .ok()
        .and_then(|snapshots| snapshots.load(invocation));
    let next = next_arguments(effective);
    let next_options = effective.configuration.merge.shown();
    let options = snapshot
        .as_ref()
        .and_then(|snapshot| snapshot.options.as_ref());
    let ages = ages(pass, unit, status, effective);
    Evidence {
        door: door.as_ref().map(|record| &record.inputs),
        overtaken: door
            .as_ref()
            .is_some_and(|record| record.trust == Trust::Overtaken),
        arguments: snapshot
            .as_ref()
            .map(|snapshot| (&snapshot.arguments, &next)),
        options: options.map(|options| (options, &next_options)),
        ages: ages.as_ref(),
    }
    .standing(&here)
}

/// The arguments of the next start, masked as those from the journal are.
#[must_use]
pub fn next_arguments(effective: &Effective) -> Arguments {
    let mut all = Arguments::new();
    for (component, line) in &effective.start.components.lines {
        let words = line.iter().map(Argument::shown).collect();
        all.insert(*component, words);
    }
    all
}

/// How old everything is that K3s reads; `None` where that cannot be told.
fn ages(
    pass: &Pass<'_>,
    unit: &UnitName,
    status: &UnitStatus,
    effective: &Effective,
) -> Option<Ages> {
    let root = &pass.host.root;
    let link = Path::new(INVOCATIONS).join(link_name(unit));
    let noted = root.look(&link).ok()?.map(|entry| entry.changed.0);
    let started_seconds = started_no_later_than(
        SystemClock.wall().timestamp().as_second(),
        SystemClock.since_boot(),
        status.main_started?,
        noted,
    );
    let mut merged = Vec::new();
    let read = effective.configuration.inputs.iter();
    let read = read.map(|input| input.path.clone());
    for path in read.chain(effective.drop_in_directory()) {
        let changed = match Changed::look(root, &path).ok()? {
            Some(changed) => Some(changed),
            None => Changed::look_for_trace(root, &path, &MADE_BESIDE).ok()?,
        };
        merged.extend(changed);
    }
    // Of an environment file that is gone nothing tells: packages come and go in the directories of these.
    for input in pass.node.unit.iter().flat_map(|unit| unit.inputs.iter()) {
        merged.extend(Changed::look(root, &input.path).ok()?);
    }
    let mut loaded = Vec::new();
    let paths = inputs::loaded(pass.host, pass.node, effective).ok()?;
    let paths = paths.into_iter().chain(kubelet_drop_ins(pass));
    for path in paths.chain(pass.node.binary()) {
        loaded.extend(Changed::look(root, &path).ok()?);
    }
    Some(Ages {
        started_seconds,
        merged,
        loaded,
    })
}

/// The directory of the kubelet's drop-ins, if anything came into it or went since K3s made its own file there: from 1.32
/// on it does that some moments after its start, and makes the directory where there is none.
fn kubelet_drop_ins(pass: &Pass<'_>) -> Option<PathBuf> {
    let root = &pass.host.root;
    let directory = pass.node.places.data_dir.join("agent/etc/kubelet.conf.d");
    let made = root.look_through(&directory.join(inputs::OF_K3S_ITSELF));
    let made = made.ok().flatten().map(|entry| entry.changed);
    let touched = root.look_through(&directory).ok().flatten()?.modified;
    made.is_none_or(|made| touched > made).then_some(directory)
}

fn encryption(pass: &Pass<'_>, effective: Option<&Effective>) -> Encryption {
    let role = pass.node.role.as_ref().map(|fact| fact.value);
    if role != Some(Role::Server) {
        return Encryption::NotHere;
    }
    let next_start = effective.map(|effective| {
        let option = effective
            .configuration
            .merge
            .options
            .get("secrets-encryption");
        let value = option.and_then(|option| option.values.last());
        value.is_some_and(|value| value.value == "true")
    });
    Encryption::Server {
        key_exists: part::encryption_key(pass) == EncryptionKey::MayExist,
        has_data: super::cluster::has_data(&pass.host.root, &pass.node.places.data_dir),
        next_start,
    }
}
