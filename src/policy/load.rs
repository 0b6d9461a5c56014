//! The whole policy: every key with its default, and how it is loaded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use sha2::{Digest, Sha256};
use toml::de::{DeTable, DeValue};

use super::{
    ByteSize, ControlRules, Exception, Given, PolicyError, PolicyPlace, RestartMode, RestartRules,
    document, files,
};
use crate::catalogue::{Catalogue, ControlId, Problems, Source, hexadecimal};
use crate::host::Root;
use crate::host::systemd::UnitName;
use crate::k3s::{K3sVersion, Role};

/// How far this node goes as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Controls are enforced unless they say otherwise.
    Enforce,
    /// Nothing is changed: for a canary roll-out.
    Observe,
}

/// What happens to what a control changed when it is turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisable {
    /// It stays.
    Keep,
    /// What was there before is put back.
    Revert,
}

/// What the operator says about this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How far this node goes as a whole.
    pub mode: Given<Mode>,
    /// The role; absent, the K3s unit says it.
    pub role: Option<Given<Role>>,
    /// The unit that is judged where several start K3s; absent, the role or what runs says it.
    pub unit: Option<Given<UnitName>>,
    /// The K3s version where no binary tells it.
    pub k3s_version: Option<Given<K3sVersion>>,
    /// The benchmark edition whose numbers are shown; absent, the K3s version says it.
    pub edition: Option<Given<String>>,
    /// Whether this node begins a new cluster; absent, the node's files say it.
    pub new_cluster: Option<Given<bool>>,
    /// Whether a drop-in for K3s's unit may be written where something outranks our configuration.
    pub unit_override: Given<bool>,
    /// What happens to what a control changed when it is turned off.
    pub on_disable: Given<OnDisable>,
    /// How often live kernel parameters are read again.
    pub sysctl_interval: Given<Duration>,
    /// How often everything is looked at again.
    pub full_pass_interval: Given<Duration>,
    /// The node_exporter textfile; absent, none is written.
    pub metrics_file: Option<Given<PathBuf>>,
    /// How large the ledger may grow.
    pub ledger_limit: Given<ByteSize>,
    /// When K3s may be restarted.
    pub restart: RestartRules,
    pub(super) controls: BTreeMap<ControlId, ControlRules>,
    pub(super) exceptions: BTreeMap<ControlId, Exception>,
    files: Vec<PathBuf>,
    digest: String,
    operators_digest: String,
}

impl Default for Policy {
    /// The policy of a node without any policy file.
    fn default() -> Self {
        Self {
            mode: Given::default(Mode::Enforce),
            role: None,
            unit: None,
            k3s_version: None,
            edition: None,
            new_cluster: None,
            unit_override: Given::default(false),
            on_disable: Given::default(OnDisable::Keep),
            sysctl_interval: Given::default(Duration::from_secs(10)),
            full_pass_interval: Given::default(Duration::from_secs(300)),
            metrics_file: None,
            ledger_limit: Given::default(ByteSize::new(8 << 20)),
            restart: RestartRules::default(),
            controls: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            files: Vec::new(),
            digest: digest_of(&[]),
            operators_digest: digest_of(&[]),
        }
    }
}

/// How far ahead the end of an exception is told.
const EXPIRING_DAYS: u16 = 7;

impl Policy {
    /// The policy of a node whose policy files are wrong: nothing is enforced.
    #[must_use]
    pub fn observing() -> Self {
        Self {
            mode: Given::default(Mode::Observe),
            ..Self::default()
        }
    }

    /// Loads the policy of a machine. No file at all is the built-in default.
    ///
    /// # Errors
    /// When a file cannot be read, could have been written by others than root, or says something that we do not
    /// understand. Nothing may be changed then.
    pub fn load(root: &Root, catalogue: &Catalogue) -> Result<Self, PolicyError> {
        Self::from_files(&files::policy_files(root)?, catalogue)
    }

    /// The policy that some files (path and text) state, the one that wins last.
    ///
    /// # Errors
    /// When a file says something that we do not understand.
    pub fn from_files(
        files: &[(PathBuf, String)],
        catalogue: &Catalogue,
    ) -> Result<Self, PolicyError> {
        let mut policy = Self {
            files: files.iter().map(|(path, _)| path.clone()).collect(),
            digest: digest_of(files),
            operators_digest: digest_of(files.iter().filter(is_of_operator)),
            ..Self::default()
        };
        let mut problems = Problems::default();
        let sources: Vec<Source<'_>> = files
            .iter()
            .map(|(path, text)| Source::new(path, text))
            .collect();
        for source in &sources {
            document::read(source, catalogue, &mut policy, &mut problems);
        }
        // What was refused is missing here, and would cause errors that are none.
        if problems.all().is_empty() {
            policy.contradictions(&sources, &mut problems);
        }
        if problems.all().is_empty() {
            Ok(policy)
        } else {
            Err(PolicyError::Invalid(problems))
        }
    }

    /// What the policy says about single controls.
    #[must_use]
    pub const fn controls(&self) -> &BTreeMap<ControlId, ControlRules> {
        &self.controls
    }

    /// Every exception, expired ones included, by control.
    pub fn exceptions(&self) -> impl Iterator<Item = &Exception> {
        self.exceptions.values()
    }

    /// Exceptions whose last day is over: their controls are enforced again.
    pub fn expired(&self, today: Date) -> impl Iterator<Item = &Exception> {
        self.exceptions()
            .filter(move |exception| !exception.is_active(today))
    }

    /// Exceptions that still stand and end within a week, which is enough to renew one or to mend the node.
    pub fn expiring(&self, today: Date) -> impl Iterator<Item = &Exception> {
        self.exceptions()
            .filter(move |exception| exception.expires_within(today, EXPIRING_DAYS))
    }

    /// The files that were read, the one that wins last.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// SHA-256 over what the files say, as hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The same of the operator's files alone: what a package brings is another matter.
    #[must_use]
    pub fn operators_digest(&self) -> &str {
        &self.operators_digest
    }

    /// Values that are right one by one and cannot stand together.
    fn contradictions(&self, sources: &[Source<'_>], problems: &mut Problems) {
        let restart = &self.restart;
        if let Some(mode) = &restart.mode
            && mode.value == RestartMode::Window
            && restart.windows.value.is_empty()
        {
            let message = "mode = \"window\" without any window would never restart K3s";
            let hint = "add windows = [\"Mon-Fri 02:00-04:00\"], or write \"never\"";
            report(sources, problems, mode.place.as_ref(), message, hint);
        }
        if restart.settle_time.value > restart.settle_limit.value {
            let place = restart.settle_time.place.as_ref();
            let place = place.or(restart.settle_limit.place.as_ref());
            let message = "`settle_time` is longer than `settle_limit`";
            let hint = "nothing could settle in time";
            report(sources, problems, place, message, hint);
        }
    }
}

fn report(
    sources: &[Source<'_>],
    problems: &mut Problems,
    place: Option<&PolicyPlace>,
    message: &str,
    hint: &str,
) {
    let Some(place) = place else { return };
    if let Some(source) = sources.iter().find(|source| source.path() == place.path) {
        problems.push(source.problem_with_line(
            place.line,
            message.to_owned(),
            Some(hint.to_owned()),
        ));
    }
}

/// Over what the files say: a package that comes with other comments brings no other policy. Paths and lengths are part of it, so
/// that nothing moved between files goes unseen.
fn digest_of<'f>(files: impl IntoIterator<Item = &'f (PathBuf, String)>) -> String {
    let mut digest = Sha256::new();
    for (path, text) in files {
        let said = match DeTable::parse(text) {
            Ok(table) if table.get_ref().is_empty() => continue,
            Ok(table) => values_of(table.get_ref()),
            Err(_) => text.clone(),
        };
        for part in [path.as_os_str().as_encoded_bytes(), said.as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    }
    hexadecimal(&digest.finalize())
}

/// The keys of a table with their values, however they are written.
fn values_of(table: &DeTable<'_>) -> String {
    // They come in the order of the file, which says nothing.
    let mut keys: Vec<String> = table
        .iter()
        .map(|(key, value)| format!("{:?}={}", key.get_ref(), value_of(value.get_ref())))
        .collect();
    keys.sort_unstable();
    keys.join(",")
}

fn value_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| value_of(item.get_ref()));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        DeValue::Table(table) => format!("{{{}}}", values_of(table)),
        plain => format!("{plain:?}"),
    }
}

/// Not a file of the package's or of an image's.
fn is_of_operator((path, _): &&(PathBuf, String)) -> bool {
    !path.starts_with(files::VENDOR)
}
