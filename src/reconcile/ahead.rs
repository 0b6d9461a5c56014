//! States that are taken to be in place already: those that a plan leaves, and those that are put back after it. With them,
//! what comes later can be decided before anything is done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::host::{Extent, Host, HostError, Root, State, Thing};
use crate::k3s::Files;
use crate::k3s::component::Facts;
use crate::node;

/// States by thing, over a host where they are not there yet.
#[derive(Debug, Clone, Default)]
pub struct Ahead(BTreeMap<Thing, State>);

impl Ahead {
    /// Takes a thing to be brought into a state.
    pub fn put(&mut self, thing: &Thing, state: &State) {
        let state = match self.0.get(thing) {
            Some(earlier) => after(earlier, state),
            None => state.clone(),
        };
        self.0.insert(thing.clone(), state);
    }

    /// Whether a file of this kind is brought into another state.
    #[must_use]
    pub fn concerns(&self, is_it: impl Fn(&Path) -> bool) -> bool {
        let mut things = self.0.keys();
        things.any(|thing| matches!(thing, Thing::Path(path) if is_it(path)))
    }

    /// What a thing is then.
    ///
    /// # Errors
    /// As [`Host::capture`], where the host still decides.
    pub fn state(&self, host: &Host, thing: &Thing, extent: Extent) -> Result<State, HostError> {
        match self.0.get(thing) {
            None => host.capture(thing, extent),
            Some(state @ State::Attributes(_)) => Ok(after(&host.capture(thing, extent)?, state)),
            Some(state) => Ok(match (extent, state.attributes()) {
                (Extent::AttributesOnly, Some(attributes)) => State::Attributes(attributes.clone()),
                _ => state.clone(),
            }),
        }
    }

    /// Whether nothing is in a directory then.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn is_empty(&self, root: &Root, directory: &Path) -> Result<bool, HostError> {
        let names = root.names(directory)?.unwrap_or_default();
        let goes = |path: PathBuf| self.0.get(&Thing::Path(path)) == Some(&State::Absent);
        let comes = |(thing, state): (&Thing, &State)| {
            matches!(thing, Thing::Path(path) if path.parent() == Some(directory))
                && !matches!(state, State::Absent)
        };
        let stays = names.iter().any(|name| !goes(directory.join(name)));
        Ok(!stays && !self.0.iter().any(comes))
    }

    /// The files that K3s reads then.
    #[must_use]
    pub fn files<'r>(&self, root: &'r Root) -> Files<'r> {
        files_after(root, &self.0)
    }

    /// What the kernel tells then.
    #[must_use]
    pub fn facts(&self, host: &Host) -> Facts {
        facts_after(host, &self.0)
    }
}

/// A state after a later one: owner and bits alone leave content and kind as they were.
fn after(earlier: &State, later: &State) -> State {
    let State::Attributes(attributes) = later else {
        return later.clone();
    };
    let attributes = attributes.clone();
    match earlier {
        State::File { content, .. } => State::File {
            content: content.clone(),
            attributes,
        },
        State::Directory(_) => State::Directory(attributes),
        State::Absent | State::Attributes(_) | State::Value(_) => later.clone(),
    }
}

/// The files that K3s would read once these things are in these states.
pub(super) fn files_after<'r, 'c>(
    root: &'r Root,
    states: impl IntoIterator<Item = (&'c Thing, &'c State)>,
) -> Files<'r> {
    let mut files = Files::new(root);
    for (thing, state) in states {
        if let Thing::Path(path) = thing {
            files = match state {
                State::File { content, .. } => files.with(path, content.clone()),
                State::Absent => files.without(path),
                State::Directory(_) => files.with_directory(path),
                State::Attributes(_) | State::Value(_) => files,
            };
        }
    }
    files
}

/// What the kernel would tell then.
pub(super) fn facts_after<'c>(
    host: &Host,
    states: impl IntoIterator<Item = (&'c Thing, &'c State)>,
) -> Facts {
    let mut facts = node::facts(host);
    for (thing, state) in states {
        if let (Thing::Sysctl(key), State::Value(value)) = (thing, state) {
            facts
                .kernel
                .insert(key.to_string(), value.trim().parse().ok());
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::host::{Attributes, FileMode};

    fn bits(host: &Host, mode: u32) -> Attributes {
        let (uid, gid) = host.root.superuser();
        Attributes {
            mode: FileMode::new(mode),
            uid,
            gid,
        }
    }

    #[test]
    fn what_is_ahead_lies_over_the_host_and_later_over_earlier() {
        let kept = tempfile::tempdir().unwrap();
        let place = kept.path().join("d");
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("a"), "old").unwrap();
        std::fs::set_permissions(place.join("a"), PermissionsExt::from_mode(0o644)).unwrap();
        let root = Root::open(kept.path()).unwrap();
        let host = Host { root, live: None };
        let directory = Path::new("/d");
        let thing = |name: &str| Thing::Path(directory.join(name));
        let file = |content: &str, mode| State::File {
            content: content.into(),
            attributes: bits(&host, mode),
        };
        let mut ahead = Ahead::default();
        let whole = |ahead: &Ahead, name| ahead.state(&host, &thing(name), Extent::Whole).unwrap();

        ahead.put(&thing("a"), &State::Attributes(bits(&host, 0o600)));
        assert_eq!(whole(&ahead, "a"), file("old", 0o600));
        ahead.put(&thing("a"), &file("new", 0o640));
        ahead.put(&thing("a"), &State::Attributes(bits(&host, 0o400)));
        assert_eq!(whole(&ahead, "a"), file("new", 0o400));
        let access = ahead.state(&host, &thing("a"), Extent::AttributesOnly);
        assert_eq!(access.unwrap(), State::Attributes(bits(&host, 0o400)));

        ahead.put(&thing("a"), &State::Absent);
        assert!(ahead.is_empty(&host.root, directory).unwrap());
        ahead.put(&thing("b"), &file("", 0o600));
        assert!(!ahead.is_empty(&host.root, directory).unwrap());
        let files = ahead.files(&host.root);
        assert_eq!(files.read(Path::new("/d/a")).unwrap(), None);
        assert_eq!(files.read(Path::new("/d/b")).unwrap(), Some(Vec::new()));
    }
}
