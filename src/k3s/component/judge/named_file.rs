//! A YAML file that an argument names, for what it decides in the place of flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Line;
use crate::host::HostError;
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
    /// Reads the file that a flag names; `None` where none does, or what is there is no YAML.
    ///
    /// # Errors
    /// When it cannot be looked at, so that nobody knows what it decides.
    pub(super) fn of(line: &Line<'_>, flag: &str) -> Result<Option<Self>, HostError> {
        let Some(argument) = line.given(flag) else {
            return Ok(None);
        };
        let path = line.node.named_file(&argument.value);
        let Some(bytes) = line.files.read(&path)? else {
            return Ok(None);
        };
        let document = Document::parse(&bytes).ok();
        Ok(document.map(|document| Self {
            document,
            lines: key_lines(&bytes),
            path,
        }))
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
