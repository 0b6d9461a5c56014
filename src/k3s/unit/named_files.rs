//! Which files `EnvironmentFile=` names: its lines, their patterns, and what fits them (`exec_context_load_environment` in
//! execute.c).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::glob;
use crate::host::{HostError, Kind};
use crate::k3s::files::Files;

/// A path of an `EnvironmentFile=` line, which may be a pattern, or a file that one fits.
#[derive(Debug)]
pub(super) struct EnvironmentFile {
    pub(super) path: PathBuf,
    /// It has a `-` before it: systemd starts the unit without the file too.
    pub(super) optional: bool,
}

impl EnvironmentFile {
    /// A value of `EnvironmentFile=`; `None` for a path that systemd passes over: one that is not absolute, or longer than
    /// one can be.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (path, optional) = match value.strip_prefix('-') {
            Some(path) => (path, true),
            None => (value, false),
        };
        let is_taken = path.starts_with('/') && is_short_enough(path);
        is_taken.then(|| Self {
            path: path.into(),
            optional,
        })
    }
}

/// The files that `EnvironmentFile=` lines name, each once.
pub(super) fn named(
    files: &Files<'_>,
    lines: Vec<EnvironmentFile>,
) -> Result<Vec<EnvironmentFile>, HostError> {
    let mut patterns_once = Once::default();
    for EnvironmentFile { path, optional } in lines {
        patterns_once.add(path, optional);
    }
    let mut files_once = Once::default();
    for EnvironmentFile { path, optional } in patterns_once.in_order() {
        for path in matching(files, &path)? {
            files_once.add(path, optional);
        }
    }
    Ok(files_once.in_order())
}

/// Each path once, where it comes last: there it outranks all that it says before. It may be missing if every line says so.
#[derive(Default)]
struct Once {
    last: BTreeMap<PathBuf, (usize, bool)>,
    added: usize,
}

impl Once {
    fn add(&mut self, path: PathBuf, optional: bool) {
        let last = self.last.entry(path).or_insert((0, true));
        *last = (self.added, last.1 && optional);
        self.added = self.added.saturating_add(1);
    }

    fn in_order(self) -> Vec<EnvironmentFile> {
        let mut paths: Vec<_> = self.last.into_iter().collect();
        paths.sort_by_key(|(_, (added, _))| *added);
        let file = |(path, (_, optional))| EnvironmentFile { path, optional };
        paths.into_iter().map(file).collect()
    }
}

/// `EnvironmentFile=` may hold patterns in every part. One that fits nothing stays as it is, a file that is not there: systemd
/// does not start a unit over it (`exec_context_load_environment`).
fn matching(files: &Files<'_>, pattern: &Path) -> Result<Vec<PathBuf>, HostError> {
    let is_pattern = |part: &str| part.contains(['*', '?', '[']);
    if !is_pattern(&pattern.to_string_lossy()) {
        return Ok(vec![pattern.to_path_buf()]);
    }
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.iter().skip(1) {
        let name = part.to_string_lossy();
        let mut further = Vec::new();
        for directory in found {
            if !is_pattern(&name) {
                further.push(directory.join(part));
            } else if files.kind(&directory)? == Some(Kind::Directory) {
                let entries = files.listing(&directory)?.unwrap_or_default().into_iter();
                let fits =
                    entries.filter(|entry| glob::matches(&name, &entry.name.to_string_lossy()));
                further.extend(fits.map(|entry| directory.join(entry.name)));
            }
        }
        found = further;
    }
    let mut there = Vec::new();
    for path in found {
        if files.kind(&path)?.is_some() {
            there.push(path);
        }
    }
    if there.is_empty() {
        there.push(pattern.to_path_buf());
    }
    Ok(there)
}

/// Whether a path, and each name in it, is no longer than the kernel takes (`path_is_valid`).
fn is_short_enough(path: &str) -> bool {
    const PATH_LIMIT_BYTES: usize = 4095;
    const NAME_LIMIT_BYTES: usize = 255;
    path.len() <= PATH_LIMIT_BYTES && path.split('/').all(|name| name.len() <= NAME_LIMIT_BYTES)
}
