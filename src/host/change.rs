//! Taking a thing from one state to another.

use std::path::Path;

use super::{Entry, HostError, Kind, LiveSysctls, READ_LIMIT_BYTES, Root, State, Thing};

/// How much of a file belongs to its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Content, owner and bits.
    Whole,
    /// Owner and bits; the content is somebody else's.
    AttributesOnly,
}

impl Extent {
    /// How much of a thing a change between two states is about.
    #[must_use]
    pub const fn of(one: &State, other: &State) -> Self {
        match (one, other) {
            (State::Attributes(_), _) | (_, State::Attributes(_)) => Self::AttributesOnly,
            _ => Self::Whole,
        }
    }
}

/// What became of a step from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was taken.
    Made,
    /// The thing is where it should be without us.
    AlreadyThere,
    /// The thing is in neither state: somebody was quicker.
    Overtaken,
}

/// A machine that can be changed: its files, and its live kernel parameters where it is the running one.
#[derive(Debug, Clone)]
pub struct Host {
    /// Files and directories.
    pub root: Root,
    /// Live kernel parameters; `None` in an image or a chroot, where nothing runs yet.
    pub live: Option<LiveSysctls>,
}

impl Host {
    /// What a thing is now.
    ///
    /// # Errors
    /// When it cannot be looked at, or is something that we never change (a link, a device).
    pub fn capture(&self, thing: &Thing, extent: Extent) -> Result<State, HostError> {
        match thing {
            Thing::Path(path) => match self.root.look(path)? {
                None => Ok(State::Absent),
                Some(entry) => self.capture_entry(path, &entry, extent),
            },
            Thing::Sysctl(key) => {
                let Some(live) = &self.live else {
                    return Ok(State::Absent);
                };
                Ok(live.read(key)?.map_or(State::Absent, State::Value))
            }
        }
    }

    fn capture_entry(
        &self,
        path: &Path,
        entry: &Entry,
        extent: Extent,
    ) -> Result<State, HostError> {
        let expected = if entry.kind == Kind::Directory {
            Kind::Directory
        } else {
            Kind::File
        };
        if let Some(reason) = self.root.hazard(entry, path, expected)? {
            return Err(HostError::refused(path, reason));
        }
        let attributes = entry.attributes.clone();
        match (extent, entry.kind) {
            (Extent::AttributesOnly, _) => Ok(State::Attributes(attributes)),
            (Extent::Whole, Kind::Directory) => Ok(State::Directory(attributes)),
            (Extent::Whole, _) => {
                let content = self
                    .root
                    .read_here(path, READ_LIMIT_BYTES)?
                    .unwrap_or_default();
                Ok(State::File {
                    content,
                    attributes,
                })
            }
        }
    }

    /// Takes a thing from one state to another, if it still is in the first.
    ///
    /// # Errors
    /// As [`Host::put`].
    pub fn advance(&self, thing: &Thing, from: &State, to: &State) -> Result<Step, HostError> {
        match (thing, from, to) {
            // What is looked at is what is changed: one way to it, one descriptor.
            (Thing::Path(path), State::Attributes(from), State::Attributes(to)) => {
                self.root.exchange_attributes(path, from, to)
            }
            _ => {
                let now = self.capture(thing, Extent::of(from, to))?;
                if now == *to {
                    return Ok(Step::AlreadyThere);
                }
                if now != *from {
                    return Ok(Step::Overtaken);
                }
                self.put(thing, to)?;
                Ok(Step::Made)
            }
        }
    }

    /// Brings a thing into a state. Bringing it to where it is already does nothing worse than write it again.
    ///
    /// # Errors
    /// When the host refuses; the thing is then as it was, or (owner and bits) in between but never wider.
    pub fn put(&self, thing: &Thing, state: &State) -> Result<(), HostError> {
        match (thing, state) {
            (Thing::Sysctl(key), State::Value(value)) => match &self.live {
                Some(live) => live.write(key, value),
                None => Ok(()),
            },
            // A kernel parameter cannot be taken away.
            (Thing::Sysctl(_), _) => Ok(()),
            (Thing::Path(path), State::Absent) => self.remove(path),
            (
                Thing::Path(path),
                State::File {
                    content,
                    attributes,
                },
            ) => self.root.replace(path, content, attributes),
            (Thing::Path(path), State::Directory(attributes)) => match self.root.look(path)? {
                None => self.root.create_directory(path, attributes),
                Some(_) => self.root.set_attributes(path, Kind::Directory, attributes),
            },
            (Thing::Path(path), State::Attributes(attributes)) => {
                let kind = match self.root.look(path)? {
                    Some(Entry {
                        kind: Kind::Directory,
                        ..
                    }) => Kind::Directory,
                    _ => Kind::File,
                };
                self.root.set_attributes(path, kind, attributes)
            }
            (Thing::Path(_), State::Value(_)) => Ok(()),
        }
    }

    fn remove(&self, path: &Path) -> Result<(), HostError> {
        match self.root.look(path)? {
            Some(Entry {
                kind: Kind::Directory,
                ..
            }) => self.root.remove_directory(path),
            Some(_) => self.root.remove_file(path),
            None => Ok(()),
        }
    }
}
