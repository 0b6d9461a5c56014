//! The kubelet's settings that controls judge, after flags, drop-ins and defaults: flag over drop-in over K3s's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dropins::{self, DropIn};
use super::fields::CONFIGURATION;
use super::table::Row;
use super::{Eviction, Extracted, NoSettings, walks_a_directory};
use crate::k3s::Files;
use crate::k3s::component::document::Document;
use crate::k3s::component::flags::Flags;
use crate::k3s::component::minors;
use crate::k3s::component::situation::Situation;
use crate::k3s::component::value::gate_pairs;
use crate::k3s::component::{Argument, Component, Node};
use crate::k3s::go_value::boolean;
use crate::k3s::{Ending, Place};

/// A setting's value and what gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As the kubelet's `/configz` prints it; list items joined by commas, empty where `/configz` leaves it out.
    pub value: String,
    /// The flag's place, the drop-in, or [`Place::Default`] for K3s's and the kubelet's own.
    pub place: Place,
}

/// The settings by their path in a KubeletConfiguration: `authentication.anonymous.enabled`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletSettings {
    values: BTreeMap<&'static str, Setting>,
    /// Feature gates of its files and flags, by name.
    pub gates: BTreeMap<String, Setting>,
    /// When pods are evicted because the node's file system is full.
    pub eviction: Eviction,
    /// The operator's files, in the order in which they are merged.
    files: Vec<DropIn>,
}

impl KubeletSettings {
    /// A setting by its path; `None` for one that is not judged here.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Setting> {
        self.values.get(path)
    }

    /// A setting by the flag that sets it too; `None` for one that is not judged here.
    #[must_use]
    pub fn of_flag(&self, flag: &str) -> Option<&Setting> {
        let row = Row::all(minors::NEWEST).find(|row| row.flag == flag)?;
        self.get(row.path)
    }

    /// A switch; `None` if it is no switch that is judged here.
    #[must_use]
    pub fn on(&self, path: &str) -> Option<bool> {
        boolean(&self.get(path)?.value)
    }

    /// What the operator's files give for a field, and the file that gives it.
    pub(in crate::k3s::component) fn of_files(&self, path: &str) -> Option<(&Document, Place)> {
        let mut files = self.files.iter().rev();
        let found = files.find_map(|file| Some((file.content.at(path)?, file.place_of(path))));
        found.filter(|(value, _)| **value != Document::Null)
    }

    /// What the operator's files give for a field that K3s's own file gives too, and the file that gives it.
    pub(in crate::k3s::component) fn over_k3s_file(
        &self,
        path: &str,
    ) -> Option<(&Document, Place)> {
        let mut files = self.files.iter().rev().filter(|file| !file.before_defaults);
        let found = files.find_map(|file| Some((file.content.at(path)?, file.place_of(path))));
        found.filter(|(value, _)| **value != Document::Null)
    }

    /// The texts of a map that the operator's files unite in, by their names.
    pub(in crate::k3s::component) fn map_of_files(&self, path: &str) -> BTreeMap<String, Setting> {
        let mut united = BTreeMap::new();
        for file in &self.files {
            match file.content.at(path) {
                Some(Document::Null) => united.clear(),
                Some(map @ Document::Map(_)) => {
                    for key in map.keys() {
                        match map.get(key) {
                            Some(Document::Null) => {
                                united.remove(key);
                            }
                            value => {
                                let value = value.map_or("", Document::shown).to_owned();
                                let place = file.place_of(&format!("{path}.{key}"));
                                united.insert(key.to_owned(), Setting { value, place });
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        united
    }

    /// Every setting.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Setting)> {
        self.values.iter().map(|(path, setting)| (*path, setting))
    }
}

/// Works out the settings in force after the next start.
///
/// # Errors
/// Why K3s or the kubelet would end over its configuration files, or one of them cannot be looked at.
pub(in crate::k3s::component) fn effective(
    line: &[Argument],
    extracted: &Extracted,
    situation: &Situation,
    node: &Node,
    files: &Files<'_>,
) -> Result<KubeletSettings, NoSettings> {
    let minor = node.version.minor;
    let by_default = |row: Row| Setting {
        value: row.default.to_owned(),
        place: Place::Default,
    };
    let defaults = Row::all(minor).map(|row| (row.path, by_default(row)));
    let mut settings = KubeletSettings {
        values: defaults.collect(),
        ..KubeletSettings::default()
    };
    let flags = Flags::of(Component::Kubelet, minor);
    let mut read = Vec::new();
    // From 1.32 on K3s takes it out of the list, but for `config+=FILE` and other ways around that.
    if let Some(argument) = named(&flags, line, "config") {
        let file = dropins::read_one(node.named_file(&argument.value), &argument.place, files)?;
        merge(&mut settings, &file, minor);
        let loading = format!(
            "failed to load kubelet config file, path: {}, error: failed to decode",
            file.path.display()
        );
        decodes(&[&file], node, &loading)?;
        read.push(file);
    }
    if walks_a_directory(node.version) {
        let own = PathBuf::from(situation.value("agent")).join("etc/kubelet.conf.d");
        let given = named(&flags, line, "config-dir");
        let is_own = given.is_some_and(|argument| Path::new(&argument.value) == own);
        let files = match given {
            None => Vec::new(),
            Some(_) if is_own => dropins::read(&own, extracted, node, files)?,
            Some(argument) => {
                // What K3s copies goes to its own directory, which nobody reads then.
                let directory = node.named_file(&argument.value);
                match dropins::is_walked(&directory, &argument.place, files)? {
                    true => dropins::read(&directory, &Extracted::default(), node, files)?,
                    false => Vec::new(),
                }
            }
        };
        let (before, after): (Vec<&DropIn>, Vec<&DropIn>) =
            files.iter().partition(|file| file.before_defaults);
        for file in before {
            merge(&mut settings, file, minor);
        }
        if is_own {
            k3s_defaults(&mut settings, situation, minor);
        }
        for file in &after {
            merge(&mut settings, file, minor);
        }
        let merging = "failed to merge kubelet configs: failed to unmarshal merged JSON into kubelet configuration";
        decodes(&after, node, merging)?;
        read.extend(files);
    }
    settings.eviction = Eviction::of(line, &flags, &read);
    settings.gates = gates(line, &flags, &read);
    for row in Row::all(minor) {
        flag(&mut settings, row, &flags, line);
    }
    settings.files = read;
    Ok(settings)
}

/// The argument that names a file or directory.
fn named<'l>(flags: &Flags, line: &'l [Argument], flag: &str) -> Option<&'l Argument> {
    let last = flags.last(line, flag);
    last.filter(|argument| !argument.value.is_empty())
}

/// Whether the kubelet can read what the files come to, which it does once they are merged (`cmd/kubelet/app/server.go`
/// mergeKubeletConfigurations): what a later file replaces, K3s's own among them, may be wrong.
fn decodes(files: &[&DropIn], node: &Node, prefix: &str) -> Result<(), Ending> {
    let mut merged = Document::Null;
    for file in files {
        merged.patch(&file.content);
    }
    let unfit = |content: &Document| CONFIGURATION.mismatch(content, node.version.minor);
    let Some(reason) = unfit(&merged) else {
        return Ok(());
    };
    let guilty = files
        .iter()
        .rev()
        .find(|file| unfit(&file.content).is_some());
    let reason = format!("{prefix}: {reason}");
    let from = guilty.map(|file| file.place());
    Err(Ending::of(Component::Kubelet, &reason, from))
}

/// The gates of the files, each replaced by one of the same name in a later file, and all by the flags' (cmd/kubelet/app
/// `server.go` kubeletConfigFlagPrecedence).
fn gates(line: &[Argument], flags: &Flags, files: &[DropIn]) -> BTreeMap<String, Setting> {
    let mut gates = BTreeMap::new();
    for file in files {
        let Some(map) = file.content.get("featureGates") else {
            continue;
        };
        for name in map.keys() {
            if let Some(Document::Bool(value)) = map.get(name) {
                let setting = Setting {
                    value: value.to_string(),
                    place: file.place_of(&format!("featureGates.{name}")),
                };
                gates.insert(name.to_owned(), setting);
            }
        }
    }
    for argument in flags.effective(line, "feature-gates") {
        for (name, value) in gate_pairs(&argument.value) {
            let setting = Setting {
                value: value.unwrap_or_default().to_owned(),
                place: argument.place.clone(),
            };
            gates.insert(name.to_owned(), setting);
        }
    }
    gates
}

fn k3s_defaults(settings: &mut KubeletSettings, situation: &Situation, minor: u16) {
    let mut set = |path: &'static str, value: &str, decided_by: &str| {
        let place = situation.place(decided_by).unwrap_or(Place::Default);
        let value = value.to_owned();
        settings.values.insert(path, Setting { value, place });
    };
    for row in Row::all(minor) {
        if let Some(own) = row.of_k3s {
            set(row.path, &situation.fill(own), "");
        }
    }
    if situation.holds("protect-kernel-defaults") {
        let name = "protect-kernel-defaults";
        set("protectKernelDefaults", "true", name);
    }
    if situation.holds("servicelb") {
        let sysctls = "net.ipv4.ip_forward,net.ipv6.conf.all.forwarding";
        set("allowedUnsafeSysctls", sysctls, "servicelb");
    }
}

/// Lays one drop-in over what is there, as a JSON merge patch does: `null` takes a value away.
fn merge(settings: &mut KubeletSettings, file: &DropIn, minor: u16) {
    for row in Row::all(minor) {
        let setting = match file.content.at(row.path) {
            None => continue,
            Some(Document::Null) => {
                let present = settings.get(row.path);
                if present.is_some_and(|setting| setting.value == row.default) {
                    continue;
                }
                Setting {
                    value: row.default.to_owned(),
                    place: file.place_of(row.path),
                }
            }
            Some(value) => match row.shape.of_field(value) {
                Some(value) => Setting {
                    value,
                    place: file.place_of(row.path),
                },
                None => continue,
            },
        };
        settings.values.insert(row.path, setting);
    }
}

fn flag(settings: &mut KubeletSettings, row: Row, flags: &Flags, line: &[Argument]) {
    let given = flags.effective(line, row.flag);
    let Some(last) = given.last() else { return };
    let values: Vec<&str> = given.iter().map(|given| given.value.as_str()).collect();
    let value = row.shape.of_words(&values);
    // The seccomp default is on where the flag or the file says so.
    let file_says_so = row.path == "seccompDefault" && settings.on(row.path) == Some(true);
    if let Some(value) = value
        && !file_says_so
    {
        let place = last.place.clone();
        settings.values.insert(row.path, Setting { value, place });
    }
}
