//! A YAML file that an argument names, for what it decides in the place of flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Line;
use crate::k3s::Place;
use crate::k3s::component::document::Document;
use crate::k3s::yaml::key_lines;

/// What stands in the file, with the lines of its keys.
pub(super) struct NamedFile {
    pub(super) document: Document,
    lines: BTreeMap<String, usize>,
    path: PathBuf,
}

impl NamedFile {
    /// Reads the file that a flag names; `None` where none does, or it cannot be read as YAML.
    pub(super) fn of(line: &Line<'_>, flag: &str) -> Option<Self> {
        let path = line.node.named_file(&line.given(flag)?.value);
        let bytes = line.files.read(&path).ok().flatten()?;
        Some(Self {
            document: Document::parse(&bytes).ok()?,
            lines: key_lines(&bytes),
            path,
        })
    }

    /// The line of the first of these keys that is there.
    pub(super) fn place(&self, keys: &[&str]) -> Place {
        let line = keys.iter().find_map(|key| self.lines.get(*key));
        Place::File {
            path: self.path.clone(),
            line: line.copied().unwrap_or(1),
        }
    }
}
