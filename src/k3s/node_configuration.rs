//! The configuration that K3s has after its whole merge: files, then command line, over the environment.

use std::path::PathBuf;

use super::config_file::locate;
use super::data_dir::{DataDir, outer_reading};
use super::files::{Files, Input};
use super::merging::Merging;
use super::yaml::YamlError;
use super::{
    Ending, Invocation, K3sVersion, Merge, Outcome, Remark, Role, SkippedKey, passed_over,
};
use crate::host::HostError;

/// Why we cannot say what K3s would do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A file could not be looked at.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file is beyond what we follow.
    #[error("{}: {error}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is too much.
        error: YamlError,
    },
    /// Its files are exchanged so fast that no two looks find the same.
    #[error("the files of {} are being exchanged just now", .0.display())]
    Changing(PathBuf),
    /// It lies on another machine.
    #[error("K3s reads its configuration from {0}, which k3warden does not fetch")]
    Remote(String),
    /// The keys of all files come to more words than we follow.
    #[error("the keys of {} and its drop-ins become more than {limit_bytes} bytes of command line", path.display())]
    TooLarge {
        /// The main file.
        path: PathBuf,
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// The unit starts something else than a K3s server or agent.
    #[error("the command starts no K3s server and no K3s agent")]
    NotK3s,
}

/// What K3s would run with at its next start.
#[derive(Debug)]
pub struct NodeConfiguration {
    /// Server or agent.
    pub role: Role,
    /// The merge itself.
    pub merge: Merge,
    /// Everything K3s reads on the way to it, in its order.
    pub inputs: Vec<Input>,
    /// The configuration file, present or not; drop-ins lie beside it. `None` if K3s looks for none.
    pub config_file: Option<PathBuf>,
    /// The state directory.
    pub data_dir: DataDir,
    /// The wrapper around the real K3s ends before that is asked. [`Merge::outcome`] is about the real one alone.
    pub wrapper_ends: Option<Ending>,
    /// Keys of the files that K3s skips with a warning, which is in [`Merge::warnings`] too.
    pub skipped: Vec<SkippedKey>,
    /// What K3s does not say.
    pub remarks: Vec<Remark>,
}

/// Computes what K3s of this release would run with.
///
/// # Errors
/// When a file cannot be looked at, or the command is no K3s server or agent. That K3s would *end* is no error, but in
/// [`Merge::outcome`].
pub fn merge(
    files: &Files<'_>,
    invocation: &Invocation,
    version: K3sVersion,
) -> Result<NodeConfiguration, ConfigurationError> {
    let mut merging = Merging::of(invocation, version).ok_or(ConfigurationError::NotK3s)?;
    let location = locate(&invocation.words, &invocation.environment);
    let keys = merging.keys(files, location.as_ref())?;
    let outer = outer_reading(files, invocation, version)?;
    merging.inputs.extend(outer.inputs);
    let files_are_read = keys.is_ok();
    let outcome = keys.and_then(|keys| merging.run(&keys));
    merging.merge.outcome = outcome.unwrap_or_else(Outcome::Unknown);
    let passed_over = passed_over::config(&mut merging.merge, location.as_ref());
    merging.remarks.extend(passed_over);
    let data_dir = match (merging.merge.unknown(), files_are_read) {
        (None, _) => DataDir::of_options(&merging.merge, outer.data_dir),
        (Some(_), true) => {
            let words = merging.merge.words.iter().map(String::as_str);
            DataDir::of_words(words, true, merging.environment, outer.data_dir)
        }
        (Some(_), false) => {
            let words = merging.given.iter().map(|word| word.text.as_str());
            DataDir::of_words(words, false, merging.environment, outer.data_dir)
        }
    };
    let mut inputs = merging.inputs;
    let mut seen = std::collections::BTreeSet::new();
    inputs.retain(|input| seen.insert(input.path.clone()));
    Ok(NodeConfiguration {
        role: merging.role,
        merge: merging.merge,
        inputs,
        config_file: location.map(|location| location.path),
        data_dir,
        wrapper_ends: outer.ends.or_else(|| invocation.ends_before_role()),
        skipped: merging.skipped,
        remarks: merging.remarks,
    })
}
