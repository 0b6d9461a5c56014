//! Paths with `*` in them: the names that they stand for now, and what is on the way to those.

use std::path::{Component, Path, PathBuf};

use crate::host::{HostError, Kind, Root};

/// How a path stands to a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is one of those that the pattern is about.
    Whole,
    /// It fits a `*` on the way to them.
    Way,
}

/// Whether a path of the catalogue is a pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains('*')
}

/// How a path fits a pattern; `None` where the pattern is not about it.
pub(super) fn fit(pattern: &Path, path: &Path) -> Option<Fit> {
    let mut parts = pattern.components();
    let mut last = None;
    for name in path.components() {
        let part = parts.next()?;
        if !fits(part, name) {
            return None;
        }
        last = Some(part);
    }
    match (parts.next(), last) {
        (None, _) => Some(Fit::Whole),
        (Some(_), Some(part)) if is_any(part) => Some(Fit::Way),
        _ => None,
    }
}

fn fits(part: Component<'_>, name: Component<'_>) -> bool {
    let text = |part: Component<'_>| part.as_os_str().to_string_lossy().into_owned();
    part == name || matches_pattern(&text(part), &text(name))
}

fn is_any(part: Component<'_>) -> bool {
    part.as_os_str() == "*"
}

/// The directories that are there on the way to a pattern's last component: first those in which every directory is on
/// the way, then those that hold what the pattern is about.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) through: Vec<PathBuf>,
    pub(super) ends: Vec<PathBuf>,
}

impl Way {
    /// Walks to what holds the last component of a pattern.
    ///
    /// # Errors
    /// When a directory cannot be looked into.
    pub(super) fn to(root: &Root, pattern: &Path) -> Result<Self, HostError> {
        let mut way = Self {
            through: Vec::new(),
            ends: vec![PathBuf::new()],
        };
        let parent = pattern.parent().unwrap_or(Path::new("/"));
        for part in parent.components() {
            if is_any(part) {
                way.branch(root)?;
            } else {
                way.ends.iter_mut().for_each(|end| end.push(part));
            }
        }
        Ok(way)
    }

    fn branch(&mut self, root: &Root) -> Result<(), HostError> {
        for directory in std::mem::take(&mut self.ends) {
            for name in root.names(&directory)?.unwrap_or_default() {
                let path = directory.join(name);
                if root.kind(&path)? == Some(Kind::Directory) {
                    self.ends.push(path);
                }
            }
            self.through.push(directory);
        }
        Ok(())
    }
}

/// Whether a name fits a shell pattern with `*` only.
#[must_use]
pub fn matches_pattern(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(first) = pieces.next() else {
        return false;
    };
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some((_, after)) = rest.split_once(piece) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("*.crt", "client-ca.crt", true),
            ("*.crt", "client-ca.key", false),
            ("*", "anything", true),
            ("service*.key", "service.current.key", true),
            ("service*.key", "service.key", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("token", "token", true),
            ("token", "token2", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_path_fits_a_pattern_as_a_whole_or_on_the_way() {
        let pattern = Path::new("/n/*/*");
        for (path, expected) in [
            ("/n/cbr0/10.42.0.2", Some(Fit::Whole)),
            ("/n/cbr0", Some(Fit::Way)),
            ("/n", None),
            ("/n/a/b/c", None),
            ("/m/a/b", None),
        ] {
            assert_eq!(fit(pattern, Path::new(path)), expected, "{path}");
        }
        assert_eq!(fit(Path::new("/n/x"), Path::new("/n/x")), Some(Fit::Whole));
    }

    #[test]
    fn a_star_on_the_way_leads_into_every_directory() {
        let tree = tempfile::tempdir().unwrap();
        for directory in ["n/cbr0", "n/multus-net"] {
            std::fs::create_dir_all(tree.path().join(directory)).unwrap();
        }
        std::fs::write(tree.path().join("n/file"), "").unwrap();
        let root = Root::open(tree.path()).unwrap();
        let way = Way::to(&root, Path::new("/n/*/*")).unwrap();
        assert_eq!(way.through, [Path::new("/n")]);
        assert_eq!(way.ends, [Path::new("/n/cbr0"), Path::new("/n/multus-net")]);
        let missing = Way::to(&root, Path::new("/m/*/*")).unwrap();
        assert_eq!(missing.through, [Path::new("/m")]);
        assert!(missing.ends.is_empty());
        let plain = Way::to(&root, Path::new("/m/*")).unwrap();
        assert_eq!(plain.ends, [Path::new("/m")]);
    }
}
