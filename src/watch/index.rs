//! From a name in a directory, or a kernel parameter, to what it concerns.
//!
//! Pure: built from the baseline, asked by events. What an event costs does not depend on how many paths are held.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::host::SysctlKey;
use crate::setting::{Aspect, Watched, matches_pattern};

/// What a change of something concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// A setting of a control, by their places in the catalogue.
    Setting {
        /// Place of the control in the catalogue.
        control: usize,
        /// Place of the setting in the control.
        setting: usize,
    },
    /// What keeps us from changing anything: the kill switch and the pause.
    Suspension,
    /// The sign that systemd sets when it starts K3s.
    K3sStart,
    /// What K3s is made of and reads: its unit, its binary, its configuration.
    K3sInputs,
}

/// Everything that is watched, and what each thing concerns.
#[derive(Debug, Default)]
pub struct Index {
    directories: BTreeMap<PathBuf, Names>,
    keys: BTreeMap<SysctlKey, Vec<Concern>>,
}

#[derive(Debug, Default)]
struct Names {
    exact: HashMap<OsString, Vec<Concern>>,
    patterns: Vec<(String, Vec<Concern>)>,
    content: bool,
    /// Its directories are on the way to others that are watched.
    leads_on: bool,
}

impl Index {
    /// Adds something watched and what it concerns.
    pub fn add(&mut self, watched: Watched, concern: Concern) {
        match watched {
            Watched::Key(key) => push(self.keys.entry(key).or_default(), concern),
            Watched::Path(path, aspect) => {
                let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
                    return;
                };
                let names = self.names(directory, aspect);
                push(names.exact.entry(name.to_os_string()).or_default(), concern);
            }
            Watched::Matching {
                directory,
                pattern,
                aspect,
            } => self.names(&directory, aspect).add(pattern, concern),
            Watched::Way(directory) => {
                let names = self.names(&directory, Aspect::Access);
                names.leads_on = true;
                names.add("*".to_owned(), concern);
            }
        }
    }

    fn names(&mut self, directory: &Path, aspect: Aspect) -> &mut Names {
        if !self.directories.contains_key(directory) {
            self.directories
                .insert(directory.to_path_buf(), Names::default());
        }
        let names = self.directories.entry(directory.to_path_buf()).or_default();
        names.content |= aspect == Aspect::Content;
        names
    }

    /// Whether a directory that comes or goes in this one changes what is watched: the index is to be made anew.
    #[must_use]
    pub fn leads_on(&self, directory: &Path) -> bool {
        let names = self.directories.get(directory);
        names.is_some_and(|names| names.leads_on)
    }

    /// The directories with the aspect that matters in each.
    pub fn directories(&self) -> impl Iterator<Item = (&Path, Aspect)> {
        self.directories.iter().map(|(directory, names)| {
            let aspect = match names.content {
                true => Aspect::Content,
                false => Aspect::Access,
            };
            (directory.as_path(), aspect)
        })
    }

    /// The kernel parameters.
    pub fn keys(&self) -> impl Iterator<Item = &SysctlKey> {
        self.keys.keys()
    }

    /// What a name in a directory concerns.
    pub fn of_name<'a>(
        &'a self,
        directory: &Path,
        name: &'a OsStr,
    ) -> impl Iterator<Item = Concern> + 'a {
        let names = self.directories.get(directory);
        let exact = names.and_then(|names| names.exact.get(name));
        let patterns = names.map_or(&[][..], |names| names.patterns.as_slice());
        let matching = patterns
            .iter()
            .filter(move |(pattern, _)| matches_pattern(pattern, &name.to_string_lossy()))
            .flat_map(|(_, concerns)| concerns);
        exact.into_iter().flatten().chain(matching).copied()
    }

    /// What a directory as a whole concerns.
    pub fn of_directory(&self, directory: &Path) -> impl Iterator<Item = Concern> + '_ {
        let names = self.directories.get(directory).into_iter();
        names.flat_map(|names| {
            let patterns = names.patterns.iter().map(|(_, concerns)| concerns);
            names.exact.values().chain(patterns).flatten().copied()
        })
    }

    /// Whether something mounted there changes what is held: a directory on the way to it, or a name in one.
    #[must_use]
    pub fn is_near(&self, point: &Path) -> bool {
        let mut directories = self.directories.keys();
        directories
            .any(|directory| directory.starts_with(point) || point.parent() == Some(directory))
    }

    /// What a mount at such a point concerns.
    pub fn of_mount<'a>(&'a self, point: &'a Path) -> impl Iterator<Item = Concern> + 'a {
        let below = self.directories.keys();
        let below = below.filter(move |directory| directory.starts_with(point));
        let name = point.parent().zip(point.file_name());
        let names = name.into_iter();
        let here = names.flat_map(|(directory, name)| self.of_name(directory, name));
        below
            .flat_map(|directory| self.of_directory(directory))
            .chain(here)
    }

    /// What a kernel parameter concerns.
    pub fn of_key(&self, key: &SysctlKey) -> &[Concern] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }
}

impl Names {
    fn add(&mut self, pattern: String, concern: Concern) {
        let mut known = self.patterns.iter_mut();
        match known.find(|(known, _)| *known == pattern) {
            Some((_, concerns)) => push(concerns, concern),
            None => self.patterns.push((pattern, vec![concern])),
        }
    }
}

fn push(concerns: &mut Vec<Concern>, concern: Concern) {
    if !concerns.contains(&concern) {
        concerns.push(concern);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Watched {
        Watched::Path(PathBuf::from(path), Aspect::Access)
    }

    fn concerns(index: &Index, directory: &str, name: &str) -> Vec<Concern> {
        index
            .of_name(Path::new(directory), OsStr::new(name))
            .collect()
    }

    #[test]
    fn a_mount_concerns_the_name_that_it_covers_and_what_lies_below() {
        let mut index = Index::default();
        index.add(path("/a/b/token"), Concern::K3sInputs);
        for (point, expected) in [
            ("/a/b/token", 1),
            ("/a/b", 1),
            ("/a", 1),
            ("/", 1),
            ("/a/b/other", 0),
            ("/c", 0),
        ] {
            assert_eq!(
                index.of_mount(Path::new(point)).count(),
                expected,
                "{point}"
            );
        }
        assert!(index.is_near(Path::new("/a/b/token")) && !index.is_near(Path::new("/a/b/c/d")));
    }

    #[test]
    fn a_directory_on_the_way_concerns_what_it_leads_to_and_is_known_to_lead_on() {
        let mut index = Index::default();
        index.add(Watched::Way(PathBuf::from("/n")), Concern::K3sInputs);
        index.add(path("/m/x"), Concern::K3sInputs);
        assert_eq!(concerns(&index, "/n", "new"), [Concern::K3sInputs]);
        assert!(index.leads_on(Path::new("/n")) && !index.leads_on(Path::new("/m")));
    }

    #[test]
    fn a_name_concerns_exactly_what_watches_it() {
        let mut index = Index::default();
        let one = Concern::Setting {
            control: 0,
            setting: 0,
        };
        let two = Concern::Setting {
            control: 1,
            setting: 0,
        };
        index.add(path("/a/token"), one);
        index.add(path("/a/token"), one);
        index.add(
            Watched::Matching {
                directory: PathBuf::from("/a"),
                pattern: "*.key".to_owned(),
                aspect: Aspect::Content,
            },
            two,
        );
        assert_eq!(concerns(&index, "/a", "token"), [one]);
        assert_eq!(concerns(&index, "/a", "x.key"), [two]);
        assert_eq!(concerns(&index, "/a", "x.crt"), []);
        assert_eq!(concerns(&index, "/b", "token"), []);
        assert_eq!(index.of_directory(Path::new("/a")).count(), 2);
        let directories: Vec<_> = index.directories().collect();
        assert_eq!(directories, [(Path::new("/a"), Aspect::Content)]);
    }
}
