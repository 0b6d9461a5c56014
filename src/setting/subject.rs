//! What a setting is judged against: the host, where things are on it, and what the policy says.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::template;
use crate::catalogue::{FileSetting, KeepKind, ParameterValue};
use crate::host::{Host, HostError, NextBoot, Thing};
use crate::k3s::component::Component;
use crate::k3s::{Effective, K3sVersion, drop_in_directory};

/// Where K3s runs the pods of its load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceLb {
    /// All of them in this namespace.
    In(String),
    /// Each may run in the namespace of its service.
    BesideServices,
    /// The release would tell, and is not known.
    Unknown,
}

/// Where things are on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// K3s's data directory, `/var/lib/rancher/k3s` by default.
    pub data_dir: PathBuf,
    /// K3s's configuration file, `/etc/rancher/k3s/config.yaml` by default.
    pub config_file: PathBuf,
    /// The name of K3s's unit, where there is one: `k3s.service`.
    pub unit: Option<String>,
    /// Its file, in whichever of systemd's directories it is.
    pub unit_file: Option<PathBuf>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/rancher/k3s"),
            config_file: PathBuf::from("/etc/rancher/k3s/config.yaml"),
            unit: None,
            unit_file: None,
        }
    }
}

impl Places {
    /// The directories in which we write files.
    #[must_use]
    pub fn written_directories(&self) -> Vec<PathBuf> {
        vec![
            PathBuf::from("/etc/sysctl.d"),
            drop_in_directory(&self.config_file),
            self.data_dir.join("server"),
            self.data_dir.join("server/manifests"),
        ]
    }

    /// Whether only K3s or the operator writes there: K3s's keys, credentials and manifests, and its configuration. The
    /// catalogue refuses what is seen to lead there; where a place was moved to it does not know.
    #[must_use]
    pub fn is_left_alone(&self, path: &Path) -> bool {
        let server = self.data_dir.join("server");
        let of_k3s = ["tls", "cred", "manifests", "db"].map(|name| server.join(name));
        let drop_ins = drop_in_directory(&self.config_file);
        path == self.config_file
            || path.starts_with(drop_ins)
            || of_k3s.iter().any(|directory| path.starts_with(directory))
    }

    /// A path of the catalogue with its placeholders filled in; `None` where this node has no such place.
    #[must_use]
    pub fn expand(&self, path: &str) -> Option<PathBuf> {
        let mut filled = OsString::with_capacity(path.len());
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            filled.push(before);
            match name {
                "data_dir" => filled.push(&self.data_dir),
                "config_dir" => filled.push(self.config_file.parent()?),
                "config_file" => filled.push(&self.config_file),
                "unit" => filled.push(self.unit.as_ref()?),
                "unit_file" => filled.push(self.unit_file.as_ref()?),
                _ => return None,
            }
            rest = after;
        }
        filled.push(rest);
        Some(PathBuf::from(filled))
    }
}

/// Who wrote a file that is not what we would write now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// We did, and nobody changed it since.
    Ours,
    /// Somebody else.
    Theirs,
}

/// What an operator's own file in the place of ours is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Validity {
    /// K3s would take it, and it has what is asked for.
    Valid,
    /// K3s would take it; it has no such section.
    Lacks(String),
    /// K3s would end with it, and why.
    Invalid(String),
}

/// Tells what an operator's file of a kind is worth, with the section that is asked of it.
pub type Validate<'a> = dyn Fn(KeepKind, Option<&str>, &[u8]) -> Validity + 'a;

/// Gives the value of a parameter that a content or a value asks for.
pub type Parameters<'a> = dyn Fn(&str) -> Option<ParameterValue> + 'a;

/// What is known of the K3s that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Running {
    /// None runs; only the next start is judged.
    Stopped,
    /// One runs.
    Started(StartedWith),
}

/// What the running K3s was started with, as far as anybody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedWith {
    /// The words of each component, as K3s logged them, or why nobody knows them.
    pub arguments: Result<BTreeMap<Component, Vec<String>>, String>,
    /// Where the words were found.
    pub arguments_seen_at: &'static str,
    /// The values of each option that something had set, secrets masked; `None` where nobody wrote them down.
    pub options: Option<BTreeMap<String, Vec<String>>>,
}

impl StartedWith {
    /// Nobody knows anything, and why.
    #[must_use]
    pub const fn unknown(reason: String) -> Self {
        Self {
            arguments: Err(reason),
            arguments_seen_at: "",
            options: None,
        }
    }
}

/// Everything that judging needs. Borrowed: one pass builds one.
#[allow(missing_debug_implementations)]
pub struct Subject<'a> {
    /// The machine.
    pub host: &'a Host,
    /// Where things are.
    pub places: &'a Places,
    /// K3s's version, where known.
    pub version: Option<K3sVersion>,
    /// What K3s would run with at its next start, or why that is not known. Asked only where a setting is about that: to
    /// work it out reads and merges all of K3s's configuration, and a mode has to be back long before.
    pub effective: &'a dyn Fn() -> Result<&'a Effective, String>,
    /// What the next boot would set.
    pub next_boot: &'a dyn Fn() -> Result<&'a NextBoot, HostError>,
    /// What the running K3s was started with.
    pub running: &'a dyn Fn() -> Rc<Running>,
    /// Packaged components that are disabled on this node.
    pub disabled: &'a [String],
    /// Whether K3s deploys manifests from this node.
    pub deploys_manifests: bool,
    /// Where K3s runs the pods of its load balancer.
    pub servicelb: &'a ServiceLb,
    /// The CIS edition whose numbers and modes are used.
    pub edition: Option<&'a str>,
    /// A parameter of the control that is being judged, from the policy or its default.
    pub parameter: &'a dyn Fn(&str) -> Option<ParameterValue>,
    /// Whether the policy wants our content even over an operator's own valid file.
    pub content_is_ours: bool,
    /// Whether the policy asks by name for the control to be enforced: an operator's list is touched for no other.
    pub is_asked_for: bool,
    /// What an operator's own file is for this node's K3s: valid, and with the section that is asked for.
    pub validity: &'a Validate<'a>,
    /// The whole content of a file of ours: of this control's setting, with the sections that other controls have in it.
    pub content: &'a dyn Fn(&FileSetting) -> Result<Vec<u8>, String>,
    /// Who wrote a file with this content, as far as the ledger knows.
    pub written_by: &'a dyn Fn(&Thing, &[u8]) -> Ownership,
}

impl Subject<'_> {
    /// A value of the catalogue with parameters and places filled in; `None` where one of them is not known.
    #[must_use]
    pub fn filled(&self, value: &str) -> Option<String> {
        let value = template::fill(value, self.parameter).ok()?;
        let path = self.places.expand(&value)?;
        path.into_os_string().into_string().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::PLACES;

    #[test]
    fn every_place_that_the_catalogue_may_name_is_filled_in() {
        let places = Places {
            unit: Some("k3s.service".to_owned()),
            unit_file: Some(PathBuf::from("/usr/lib/systemd/system/k3s.service")),
            ..Places::default()
        };
        for name in PLACES {
            assert!(places.expand(&format!("{{{name}}}")).is_some(), "{name}");
        }
        assert_eq!(places.expand("{dat_dir}"), None);
    }

    #[test]
    fn what_only_k3s_writes_is_left_alone_wherever_it_was_moved_to() {
        let places = Places {
            data_dir: PathBuf::from("/srv/k3s"),
            config_file: PathBuf::from("/srv/k3s.yaml"),
            ..Places::default()
        };
        for path in [
            "/srv/k3s/server/tls/server-ca.crt",
            "/srv/k3s/server/manifests/x.yaml",
            "/srv/k3s.yaml",
            "/srv/k3s.yaml.d/x.yaml",
        ] {
            assert!(places.is_left_alone(Path::new(path)), "{path}");
        }
        assert!(!places.is_left_alone(Path::new("/srv/k3s/server/psa.yaml")));
    }
}
