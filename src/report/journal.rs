//! Telling the journal what happened, with fields that can be asked for; outside systemd the same goes to stderr.
//!
//! The socket never blocks: a journal that hangs must not keep a node from being repaired. That is why this speaks
//! journald's native protocol itself (systemd.io/JOURNAL_NATIVE_PROTOCOL): the library for it blocks on a full socket.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::event::{Kind, Priority};

/// The fields that an event may have beside those of every journal entry.
pub const FIELDS: [&str; 8] = [
    "CONTROL",
    "CIS",
    "SETTING",
    "WANTED",
    "OBSERVED",
    "SOURCE",
    "CHANGE_ID",
    "COUNT",
];

const SOCKET: &str = "/run/systemd/journal/socket";
const IDENTIFIER: &str = "k3warden";
/// With eight fields of this size a datagram stays far below the limit of any kernel.
const VALUE_LIMIT_BYTES: usize = 4096;

/// One event: its kind, a sentence, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind of event.
    pub kind: Kind,
    /// One sentence.
    pub message: String,
    fields: Vec<(&'static str, String)>,
}

impl Event {
    /// An event without fields.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            fields: Vec::new(),
        }
    }

    /// What the catalogue may name of this kind is there.
    #[cfg(test)]
    fn has_its_fields(&self) {
        for field in self.kind.fields() {
            assert!(self.field(field).is_some(), "{field}: {self:?}");
        }
    }

    /// The value of a field.
    #[cfg(test)]
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(known, _)| *known == name);
        field.map(|(_, value)| value.as_str())
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.fields.push((name, value));
        }
        self
    }

    /// The control that it is about, and its CIS numbers.
    #[must_use]
    pub fn control(self, id: impl Into<String>, cis: impl Into<String>) -> Self {
        self.with("CONTROL", id).with("CIS", cis)
    }

    /// The thing: a path, a kernel parameter, an option.
    #[must_use]
    pub fn setting(self, setting: impl Into<String>) -> Self {
        self.with("SETTING", setting)
    }

    /// What it should be and what it was.
    #[must_use]
    pub fn values(self, wanted: impl Into<String>, observed: impl Into<String>) -> Self {
        self.with("WANTED", wanted).with("OBSERVED", observed)
    }

    /// Where that was seen, or who did it.
    #[must_use]
    pub fn source(self, source: impl Into<String>) -> Self {
        self.with("SOURCE", source)
    }

    /// The change's name in the ledger.
    #[must_use]
    pub fn change(self, id: impl Into<String>) -> Self {
        self.with("CHANGE_ID", id)
    }

    /// How many times.
    #[must_use]
    pub fn count(self, count: u64) -> Self {
        self.with("COUNT", count.to_string())
    }

    /// The entry in journald's native protocol.
    fn entry(&self) -> Vec<u8> {
        let mut entry = Vec::with_capacity(512);
        put(&mut entry, "MESSAGE", &self.message);
        put(&mut entry, "MESSAGE_ID", self.kind.message_id());
        put(
            &mut entry,
            "PRIORITY",
            &(self.kind.priority() as u8).to_string(),
        );
        put(&mut entry, "SYSLOG_IDENTIFIER", IDENTIFIER);
        for (name, value) in &self.fields {
            put(&mut entry, name, value);
        }
        entry
    }

    /// The line where there is no journal.
    fn line(&self) -> String {
        let name = self.kind.priority().name();
        format!("{IDENTIFIER}: {name}: {}\n", self.message)
    }
}

fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    let mut end = value.len().min(VALUE_LIMIT_BYTES);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    let value = value.get(..end).unwrap_or_default();
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// Where events go.
#[derive(Debug)]
pub struct Journal {
    sink: Sink,
    lost: u64,
    /// So many of them were told of.
    lost_and_told: u64,
}

#[derive(Debug)]
enum Sink {
    Journald {
        socket: UnixDatagram,
        path: PathBuf,
    },
    StandardError,
    #[cfg(test)]
    Kept(Vec<Event>),
}

impl Journal {
    /// The journal if systemd has connected our standard error to it, else standard error.
    #[must_use]
    pub fn open() -> Self {
        let sink = match stderr_is_the_journal() {
            true => Sink::journald(Path::new(SOCKET)).unwrap_or(Sink::StandardError),
            false => Sink::StandardError,
        };
        Self::to(sink)
    }

    const fn to(sink: Sink) -> Self {
        Self {
            sink,
            lost: 0,
            lost_and_told: 0,
        }
    }

    /// Tells of an event. One that the journal does not take now is counted, and the count is told before the next that it takes.
    pub fn tell(&mut self, event: &Event) {
        #[cfg(test)]
        event.has_its_fields();
        let untold = self.lost - self.lost_and_told;
        if untold > 0 {
            let message = format!("the journal did not take {untold} events before this one");
            if self.is_taken(&Event::new(Kind::Hindered, message).count(untold)) {
                self.lost_and_told = self.lost;
            }
        }
        if !self.is_taken(event) {
            self.lost += 1;
        }
    }

    fn is_taken(&mut self, event: &Event) -> bool {
        match &mut self.sink {
            Sink::Journald { socket, path } => socket.send_to(&event.entry(), path).is_ok(),
            Sink::StandardError => std::io::stderr().write_all(event.line().as_bytes()).is_ok(),
            #[cfg(test)]
            Sink::Kept(told) => {
                told.push(event.clone());
                true
            }
        }
    }

    /// One that a test can read.
    #[cfg(test)]
    #[must_use]
    pub const fn kept() -> Self {
        Self::to(Sink::Kept(Vec::new()))
    }

    /// Everything that was told since this was last asked.
    #[cfg(test)]
    pub fn take(&mut self) -> Vec<Event> {
        match &mut self.sink {
            Sink::Kept(told) => std::mem::take(told),
            _ => Vec::new(),
        }
    }

    /// How many events could not be told of since the start.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

impl Sink {
    fn journald(path: &Path) -> std::io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self::Journald {
            socket,
            path: path.to_path_buf(),
        })
    }
}

/// A text for standard error: where the journal reads that, each line gets its priority (sd-daemon(3)), else it would pass for
/// information.
#[must_use]
pub fn for_stderr(priority: Priority, text: &str) -> String {
    match stderr_is_the_journal() {
        true => with_priority(priority, text),
        false => text.to_owned(),
    }
}

fn with_priority(priority: Priority, text: &str) -> String {
    let number = priority as u8;
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("<{number}>{line}"))
        .collect();
    lines.join("\n")
}

/// Whether JOURNAL_STREAM names our standard error, systemd.exec(5): a child or a shell may have inherited the variable.
fn stderr_is_the_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let here = std::fs::metadata("/proc/self/fd/2");
    here.is_ok_and(|stderr| stream == format!("{}:{}", stderr.dev(), stderr.ino()))
}

#[cfg(test)]
mod tests;
