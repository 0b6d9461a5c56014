//! What the gate is asked, and what it answers.

use std::time::Duration;

use jiff::{Timestamp, Zoned};

use crate::catalogue::Datastore;
use crate::k3s::Role;
use crate::policy::{KillSwitch, RestartRules};
use crate::reconcile::restart::standing::Standing;

/// What K3s does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It is not installed, stopped, or being stopped.
    Stopped,
    /// It ended and systemd starts it again in a moment.
    StartsAgain,
    /// It is starting since so long and is not ready.
    Starting(Duration),
    /// It is ready.
    Running,
}

/// Who wants the restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A control does not hold in the running K3s: drift, or a new policy.
    ByControls,
    /// Only a new catalogue or a new package of ours brought the change.
    ByCatalogue,
    /// Only the operator's own files differ, and every control holds all the same.
    ByOperatorsFiles,
    /// There is another K3s binary, and ours was written for that one.
    ByNewBinary,
    /// An operator at the keyboard: `k3warden apply --restart`.
    ByHand,
    /// Ours was put back after a start that failed; `done` if K3s was restarted for that once.
    ByPutBack {
        /// K3s was restarted for this put-back before.
        done: bool,
    },
}

/// What stops us on the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brake {
    /// Nothing.
    Free,
    /// The kill switch.
    KillSwitch(KillSwitch),
    /// Whether there is a kill switch or a pause cannot be told, for this reason.
    Unreadable(String),
    /// `mode = "observe"`.
    Observe,
    /// `k3warden pause`, for so long still.
    Paused {
        /// Until it ends by itself.
        left: Duration,
        /// The operator's words.
        reason: String,
    },
}

/// Whether K3s would start with what is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preflight {
    /// As far as can be told.
    Passes,
    /// It would not, because of this.
    Fails(Vec<String>),
    /// This K3s cannot be judged.
    Unknown(String),
}

/// The encryption of Secrets, as far as a restart touches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// An agent: none of its business.
    NotHere,
    /// A server.
    Server {
        /// `server/cred/encryption-config.json` is there.
        key_exists: bool,
        /// `server/db` has data, or the server joins others.
        has_data: bool,
        /// Whether the next start turns it on; `None` if that cannot be told.
        next_start: Option<bool>,
    },
}

/// Everything that the decision needs.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// The wall clock, with the time zone of the windows.
    pub now: &'a Zoned,
    /// What K3s does.
    pub life: Life,
    /// Whether the running K3s read what is on disk.
    pub standing: &'a Standing,
    /// Who wants the restart.
    pub wanted: Wanted,
    /// Since the difference was first seen.
    pub wanted_for: Duration,
    /// Since anything of it last changed.
    pub quiet_for: Duration,
    /// The policy's rules.
    pub rules: &'a RestartRules,
    /// Server or agent, if known.
    pub role: Option<Role>,
    /// Where a server keeps its state, if known.
    pub datastore: Option<Datastore>,
    /// Tells this node from others, for the jitter.
    pub node_id: &'a str,
    /// How long ago K3s was restarted by us.
    pub restarts: &'a [Duration],
    /// How long ago systemd last refused a restart of ours.
    pub refused: Option<Duration>,
    /// A start is being followed and has not settled.
    pub settling: bool,
    /// Why what is on disk is in quarantine.
    pub quarantine: Option<&'a str>,
    /// Whether K3s would start.
    pub preflight: &'a Preflight,
    /// The encryption of Secrets.
    pub encryption: Encryption,
    /// What stops us on the whole.
    pub brake: &'a Brake,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// The running K3s is in step, or none runs.
    NotNeeded,
    /// Restart now.
    Now {
        /// What differs.
        why: String,
    },
    /// Restart later, by itself.
    HeldUntil {
        /// The wall time, for people.
        when: Timestamp,
        /// How long from now, for timers.
        wait: Duration,
        /// What holds it.
        why: String,
    },
    /// Not as things are; something has to be mended first.
    Refused {
        /// What.
        why: String,
    },
    /// Not by us: the next natural start takes the change.
    Pending {
        /// Why not by us.
        why: String,
    },
    /// Nobody knows what the running K3s read: no restart.
    Unknown {
        /// What is missing.
        why: String,
    },
}
