//! The kubelet's settings that controls judge, after flags, drop-ins and defaults: flag over drop-in over K3s's own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::dropins::{self, DropIn};
use super::fields::CONFIGURATION;
use super::{Eviction, Extracted, reads_dropins};
use crate::k3s::Files;
use crate::k3s::component::document::Document;
use crate::k3s::component::flags::Flags;
use crate::k3s::component::situation::Situation;
use crate::k3s::component::value::{boolean, gate_pairs, integer, nanoseconds};
use crate::k3s::component::{Argument, Component, Node};
use crate::k3s::{Ending, K3sVersion, Place};

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
        let row = ROWS.iter().find(|row| row.1 == flag)?;
        self.get(row.0)
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Bool,
    Number,
    Duration,
    Text,
    List,
}

/// Path in the file, flag, shape, default of the kubelet, K3s's own from 1.32 on (`-` if it sets none).
type Row = (
    &'static str,
    &'static str,
    Shape,
    &'static str,
    &'static str,
);

const ROWS: &[Row] = &[
    (
        "allowedUnsafeSysctls",
        "allowed-unsafe-sysctls",
        Shape::List,
        "",
        "-",
    ),
    (
        "authentication.anonymous.enabled",
        "anonymous-auth",
        Shape::Bool,
        "false",
        "false",
    ),
    (
        "authentication.webhook.enabled",
        "authentication-token-webhook",
        Shape::Bool,
        "true",
        "true",
    ),
    (
        "authentication.x509.clientCAFile",
        "client-ca-file",
        Shape::Text,
        "",
        "{agent}/client-ca.crt",
    ),
    (
        "authorization.mode",
        "authorization-mode",
        Shape::Text,
        "Webhook",
        "Webhook",
    ),
    ("eventRecordQPS", "event-qps", Shape::Number, "50", "-"),
    ("failCgroupV1", "fail-cgroupv1", Shape::Bool, "true", "-"),
    (
        "healthzBindAddress",
        "healthz-bind-address",
        Shape::Text,
        "127.0.0.1",
        "{node-loopback}",
    ),
    (
        "makeIPTablesUtilChains",
        "make-iptables-util-chains",
        Shape::Bool,
        "true",
        "-",
    ),
    ("maxPods", "max-pods", Shape::Number, "110", "-"),
    ("podPidsLimit", "pod-max-pids", Shape::Number, "-1", "-"),
    (
        "protectKernelDefaults",
        "protect-kernel-defaults",
        Shape::Bool,
        "false",
        "-",
    ),
    ("readOnlyPort", "read-only-port", Shape::Number, "0", "-"),
    (
        "rotateCertificates",
        "rotate-certificates",
        Shape::Bool,
        "false",
        "-",
    ),
    (
        "seccompDefault",
        "seccomp-default",
        Shape::Bool,
        "false",
        "-",
    ),
    (
        "serverTLSBootstrap",
        "rotate-server-certificates",
        Shape::Bool,
        "false",
        "-",
    ),
    (
        "streamingConnectionIdleTimeout",
        "streaming-connection-idle-timeout",
        Shape::Duration,
        "4h0m0s",
        "4h0m0s",
    ),
    (
        "tlsCertFile",
        "tls-cert-file",
        Shape::Text,
        "",
        "{agent}/serving-kubelet.crt",
    ),
    ("tlsCipherSuites", "tls-cipher-suites", Shape::List, "", "-"),
    ("tlsMinVersion", "tls-min-version", Shape::Text, "", "-"),
    (
        "tlsPrivateKeyFile",
        "tls-private-key-file",
        Shape::Text,
        "",
        "{agent}/serving-kubelet.key",
    ),
];

/// Works out the settings in force after the next start.
///
/// # Errors
/// Why K3s or the kubelet would end over its configuration files.
pub(in crate::k3s::component) fn effective(
    line: &[Argument],
    extracted: &Extracted,
    situation: &Situation,
    node: &Node,
    files: &Files<'_>,
) -> Result<KubeletSettings, Ending> {
    let mut settings = KubeletSettings::default();
    for row in ROWS {
        settings.values.insert(row.0, default(row, node.version));
    }
    let mut read = Vec::new();
    if reads_dropins(node.version) {
        let directory = PathBuf::from(situation.value("agent")).join("etc/kubelet.conf.d");
        let files = dropins::read(&directory, extracted, node, files)?;
        let (before, after): (Vec<&DropIn>, Vec<&DropIn>) =
            files.iter().partition(|file| file.before_defaults);
        for file in before {
            merge(&mut settings, file, node.version);
        }
        k3s_defaults(&mut settings, situation);
        for file in &after {
            merge(&mut settings, file, node.version);
        }
        let merging = "failed to merge kubelet configs: failed to unmarshal merged JSON into kubelet configuration";
        decodes(&after, node, merging)?;
        read = files;
    }
    let flags = Flags::of(Component::Kubelet, node.version.minor);
    if !reads_dropins(node.version)
        && let Some(argument) = flags
            .last(line, "config")
            .filter(|argument| !argument.value.is_empty())
    {
        let file = dropins::read_one(node.named_file(&argument.value), &argument.place, files)?;
        merge(&mut settings, &file, node.version);
        let loading = format!(
            "failed to load kubelet config file, path: {}, error: failed to decode",
            file.path.display()
        );
        decodes(&[&file], node, &loading)?;
        read.push(file);
    }
    settings.eviction = Eviction::of(line, &flags, &read);
    settings.gates = gates(line, &flags, &read);
    for row in ROWS {
        flag(&mut settings, row, &flags, line);
    }
    settings.files = read;
    Ok(settings)
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
    Err(Ending {
        reason: format!("kubelet exited: {prefix}: {reason}"),
        from: guilty.map(|file| file.place()),
    })
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

fn default(row: &Row, version: K3sVersion) -> Setting {
    let value = match row.0 {
        // Kubernetes 1.35 turned it on, 1.27 raised the rate; without a file anonymous requests are allowed
        // and everything is, which K3s up to 1.31 overrides by flags.
        "failCgroupV1" if version.minor < 35 => "false",
        "eventRecordQPS" if version.minor < 27 => "5",
        _ => row.3,
    };
    Setting {
        value: value.to_owned(),
        place: Place::Default,
    }
}

fn k3s_defaults(settings: &mut KubeletSettings, situation: &Situation) {
    let mut set = |path: &'static str, value: &str, decided_by: &str| {
        let place = situation.place(decided_by).unwrap_or(Place::Default);
        let value = value.to_owned();
        settings.values.insert(path, Setting { value, place });
    };
    for (path, _, _, _, own) in ROWS {
        if *own != "-" {
            set(path, &situation.fill(own), "");
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
fn merge(settings: &mut KubeletSettings, file: &DropIn, version: K3sVersion) {
    for row in ROWS {
        let setting = match file.content.at(row.0) {
            None => continue,
            Some(Document::Null) => {
                let value = default(row, version).value;
                if settings
                    .get(row.0)
                    .is_some_and(|setting| setting.value == value)
                {
                    continue;
                }
                let place = file.place_of(row.0);
                Setting { value, place }
            }
            Some(value) => match read(value, row.2) {
                Some(value) => Setting {
                    value,
                    place: file.place_of(row.0),
                },
                None => continue,
            },
        };
        settings.values.insert(row.0, setting);
    }
}

/// A value as `/configz` prints it; `None` where the kubelet could not read it into the field.
fn read(value: &Document, shape: Shape) -> Option<String> {
    match (shape, value) {
        (Shape::Bool, Document::Bool(value)) => Some(value.to_string()),
        (Shape::Number, Document::Number(text)) => Some(text.parse::<i64>().ok()?.to_string()),
        (Shape::Duration, Document::Text(text)) => Some(go_duration(nanoseconds(text)?)),
        (Shape::Text, Document::Text(text)) => Some(text.clone()),
        (Shape::List, Document::List(items)) => {
            let words: Option<Vec<&str>> = items
                .iter()
                .map(|item| match item {
                    Document::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            words.map(|words| words.join(","))
        }
        _ => None,
    }
}

fn flag(settings: &mut KubeletSettings, row: &Row, flags: &Flags, line: &[Argument]) {
    let (path, name, shape, _, _) = *row;
    let given = flags.effective(line, name);
    let Some(last) = given.last() else { return };
    let value = match shape {
        Shape::Bool => boolean(&last.value).map(|value| value.to_string()),
        Shape::Number => integer(&last.value).map(|number| number.to_string()),
        Shape::Duration => nanoseconds(&last.value).map(go_duration),
        Shape::Text => Some(last.value.clone()),
        Shape::List => {
            let values: Vec<&str> = given.iter().map(|given| given.value.as_str()).collect();
            Some(values.join(","))
        }
    };
    // The seccomp default is on where the flag or the file says so.
    let file_says_so = path == "seccompDefault" && settings.on(path) == Some(true);
    if let Some(value) = value
        && !file_says_so
    {
        let place = last.place.clone();
        settings.values.insert(path, Setting { value, place });
    }
}

/// How Go prints a duration: `4h0m0s`, `1m30s`, `1.5s`, `0s`.
fn go_duration(nanoseconds: i128) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    let (seconds, rest) = (total / 1_000_000_000, total % 1_000_000_000);
    if seconds == 0 && rest != 0 {
        let (unit, size) = match rest {
            1_000_000.. => ("ms", 1_000_000),
            1_000.. => ("µs", 1_000),
            _ => ("ns", 1),
        };
        return format!("{sign}{}{unit}", fraction(rest / size, rest % size, size));
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let seconds = fraction(seconds % 60, rest, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

fn fraction(whole: u128, part: u128, size: u128) -> String {
    if part == 0 {
        return whole.to_string();
    }
    let digits = size.ilog10() as usize;
    let text = format!("{whole}.{part:0digits$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_prints_them() {
        for (text, printed) in [
            ("4h", "4h0m0s"),
            ("5m", "5m0s"),
            ("90s", "1m30s"),
            ("1.5s", "1.5s"),
            ("250ms", "250ms"),
            ("0", "0s"),
            ("-2m", "-2m0s"),
        ] {
            assert_eq!(go_duration(nanoseconds(text).unwrap()), printed);
        }
    }
}
