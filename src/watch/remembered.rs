//! What the daemon remembers from one occasion to the next.

use std::collections::BTreeSet;
use std::time::Instant;

use super::occasions::ToldException;
use super::stale::Rebuild;
use super::work::Hit;

/// What the journal was told and is still so: it is said again only once it is something else.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// That nothing is seen by events.
    pub blind: bool,
    /// Why the status or the metrics cannot be published.
    pub publishing_failure: Option<String>,
    /// Why something could not be given back.
    pub giving_back_failure: Option<String>,
    /// What became of things that were to be given back: what stays is said once.
    pub given_back: BTreeSet<String>,
    /// Exceptions that end soon or have ended.
    pub exceptions: BTreeSet<ToldException>,
    /// Why a new policy or catalogue was refused.
    pub refused_policy: Option<String>,
    /// What is wrong with the ledger.
    pub ledger_damage: Option<String>,
    /// Since when Secrets are encrypted and K3s's configuration does not say so, and whether that was told.
    pub encryption_withdrawn: Option<(Instant, bool)>,
}

/// When the daemon did what; seconds since 1970 where a person reads it.
#[derive(Debug, Default)]
pub(super) struct Ran {
    /// When this run began.
    pub started: i64,
    /// When the run before this one began, in this boot.
    pub earlier_start: Option<i64>,
    /// The last look at everything.
    pub last_full_pass: i64,
    /// The same by the clock that timers go by; `None` before the first.
    pub last_full_pass_at: Option<Instant>,
}

/// What is to be done later, and when.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Hits that were put together, with the time at which to look.
    pub later: Option<(Instant, BTreeSet<Hit>)>,
    /// Controls that are to be judged as a whole.
    pub settle: Option<(Instant, BTreeSet<usize>)>,
    /// The next full pass.
    pub full_pass: Option<Instant>,
    /// Since when files are left to whoever may be writing them.
    pub writers: Option<Instant>,
    /// The watches are to be placed again.
    pub place: Option<Instant>,
    /// systemd is to build our namespace anew.
    pub rebuild: Option<Rebuild>,
    /// A pause ends by itself.
    pub pause_ends: Option<Instant>,
}
