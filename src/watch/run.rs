//! The loop: one thread that waits for events, signals and timers, and does what they ask for, one after the other.
//!
//! The watchdog is fed here and nowhere else: whatever hangs, hangs this loop, and systemd starts us anew.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use sd_notify::NotifyState;

use super::agent::{Agent, AgentError};
use super::ground::{NoGround, Sources};
use super::mounts::Mounts;
use super::reason::key;
use super::signals::Signals;
use super::timers::Timers;
use crate::report::event::Kind;
use crate::report::journal::{Event, Journal};

/// How the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Somebody wanted it.
    Asked,
    /// Our mount namespace does not show what K3s sees; a new start mends that.
    NamespaceStale,
}

/// Why the daemon could not run on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The policy or the catalogue is wrong, or the machine cannot be looked at.
    #[error(transparent)]
    Ground(#[from] NoGround),
    /// The ledger, the lock or the machine cannot be used.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The kernel gives no descriptor for signals or events.
    #[error("cannot wait for events: {0}")]
    Wait(#[from] io::Error),
}

/// Runs the daemon until somebody wants it to end.
///
/// # Errors
/// When it cannot begin, or the kernel refuses to let it wait.
pub fn run(sources: &dyn Sources) -> Result<Ended, WatchError> {
    let signals = Signals::catch()?;
    let ground = sources.open()?;
    // Without the mount table a mount is noticed by the next full pass.
    let mounts = Mounts::open().ok();
    let mut agent = Agent::new(sources, &signals, ground, Journal::open())?;
    let mut timers = Timers::new(&agent, Instant::now());
    agent.begin(Instant::now());
    agent.publish();
    agent.tell_of_start();
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let ended = loop {
        let woken = wait(&agent, &signals, mounts.as_ref(), timers.next(&agent))?;
        if woken.events {
            agent.on_events(Instant::now())?;
        }
        let now = Instant::now();
        if woken.mounts {
            timers.mounts_changed(now);
        }
        if signals.wants_end() {
            break Ended::Asked;
        }
        if signals.takes_reload() {
            reload(&mut agent);
        }
        if timers.run(&mut agent, now) {
            break Ended::NamespaceStale;
        }
    };
    agent.end(ended);
    Ok(ended)
}

/// What there is to do beside signals and timers, which are looked at in each turn.
#[derive(Debug, Default, Clone, Copy)]
struct Woken {
    events: bool,
    mounts: bool,
}

/// Waits for events, signals, mounts or the time.
fn wait(
    agent: &Agent<'_>,
    signals: &Signals,
    mounts: Option<&Mounts>,
    until: Instant,
) -> io::Result<Woken> {
    let mut descriptors = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    let events = agent.eyes.descriptor().map(|descriptor| {
        descriptors.push(PollFd::new(descriptor, PollFlags::POLLIN));
        descriptors.len() - 1
    });
    let mounts = mounts.map(|mounts| {
        descriptors.push(PollFd::new(mounts.as_fd(), PollFlags::POLLPRI));
        descriptors.len() - 1
    });
    let left = until.saturating_duration_since(Instant::now());
    match ppoll(&mut descriptors, Some(TimeSpec::from_duration(left)), None) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let is_ready = |place: Option<usize>| {
        let descriptor = place.and_then(|place| descriptors.get(place));
        descriptor.is_some_and(|descriptor| descriptor.any().unwrap_or(false))
    };
    Ok(Woken {
        events: is_ready(events),
        mounts: is_ready(mounts),
    })
}

fn reload(agent: &mut Agent<'_>) {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
    }
    agent.reload(Instant::now());
    agent.publish();
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

impl Agent<'_> {
    /// Publishes what is known; a file that cannot be written is told of once.
    pub(super) fn publish(&mut self) {
        let status = self.status();
        let metrics = self.ground.policy.metrics_file.as_ref();
        let metrics = metrics.map(|given| given.value.clone());
        let published = self.publisher.publish(status, metrics.as_deref());
        let failure = published.err().map(|error| error.to_string());
        let reason = failure.as_deref().map(key).map(str::to_owned);
        if reason != self.told.publishing_failure
            && let Some(error) = &failure
        {
            let event = Event::new(
                Kind::Hindered,
                format!("the status is not published: {error}"),
            );
            self.journal.tell(&event);
        }
        self.told.publishing_failure = reason;
    }

    fn tell_of_start(&mut self) {
        let event = Event::new(Kind::Started, self.sentence());
        self.journal.tell(&event);
    }

    fn end(&mut self, ended: Ended) {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        // What is not durable yet is found torn or missing by the next start, and repaired again.
        let _ = self.ground.sync(&mut self.ledger);
        if ended == Ended::Asked {
            self.journal
                .tell(&Event::new(Kind::Stopped, "asked to end"));
        }
    }

    /// The kernel parameters are read again.
    pub(super) fn on_sysctl_round(&mut self, now: Instant) {
        let mut hits = std::collections::BTreeSet::new();
        for key in self.eyes.changed_keys() {
            self.hits_of_key(&key, &mut hits);
        }
        self.answer(&hits, now);
    }

    /// Whatever may have changed without an event is looked for.
    pub(super) fn on_round(&mut self, now: Instant) {
        self.look_for_suspension(now);
        self.look_for_quiet(now);
        if !self.age_of_repair_is_said() {
            self.publisher.wake(now);
        }
        // What stood in the way of a repair may have gone without an event: a second name of a file, a full disk.
        let open = self.records.open(&self.ground.catalogue);
        if open.is_empty() {
            self.open_rest.end();
        } else if self.open_rest.is_over() {
            self.settle(&open, now);
        }
        let day = jiff::Zoned::now().date();
        if self.eyes.blind().is_some() {
            self.look_at_all(now);
        } else if day != self.ground.today {
            self.full_pass(now);
        }
    }
}
