//! Every setting of every control of the catalogue: a tree in which it is compliant, one in which it is divergent, one in
//! which it cannot be looked at. The cases are made from what the setting asks, so a new control has them from its
//! first day; what cannot be made that way must be put into [`VALUES`] or [`POLICY`], else the test fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use k3warden::catalogue::{
    Catalogue, Control, Datastore, EntryKind, PermissionsSetting, Requirement, Setting, SettingBody,
};
use k3warden::host::{Host, Root, State, Thing};
use k3warden::k3s::{K3sVersion, Role};
use k3warden::node::{self, Surroundings};
use k3warden::policy::Policy;
use k3warden::reconcile::{Judgement, Pass, Seen, Verdict, Written};
use k3warden::setting::{Finding, Outcome, Remedy};
use tree::Tree;

/// A release for every range that the catalogue names, newest first.
const VERSIONS: [(u16, u16); 8] = [
    (36, 3),
    (31, 4),
    (28, 15),
    (26, 3),
    (24, 4),
    (22, 5),
    (21, 14),
    (20, 15),
];

/// Values that a requirement alone does not give: flag, compliant, divergent.
const VALUES: [(&str, &str, &str); 0] = [];

/// Parameters without which a control asks for nothing.
const POLICY: [(&str, &str); 1] = [(
    "network-policy-extra-namespaces",
    "namespaces = [\"team\"]\n",
)];

const DATA_DIR: &str = "/var/lib/rancher/k3s";
const UNIT: &str = "/etc/systemd/system/k3s.service";
const CONFIG: &str = "/etc/rancher/k3s/config.yaml";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Compliant,
    Divergent,
    Unreadable,
}

impl Kind {
    const fn verdict(self) -> Verdict {
        match self {
            Self::Compliant => Verdict::Compliant,
            Self::Divergent => Verdict::Divergent,
            Self::Unreadable => Verdict::Unknown,
        }
    }
}

/// A host in the making.
#[derive(Default)]
struct Case {
    tree: String,
    options: Vec<String>,
    arguments: BTreeMap<&'static str, Vec<String>>,
    /// K3s's configuration cannot be read.
    blind: bool,
    /// What stands where a directory should be; nothing can be below it.
    blocked: Vec<String>,
    unit_is_link: bool,
}

impl Case {
    /// Adds what a setting is for, where that is chosen.
    fn wants(&mut self, setting: &SettingBody) {
        if let SettingBody::Manifest(manifest) = setting
            && let Some(namespace) = &manifest.servicelb_namespace
        {
            let namespace = namespace.replace("{each:namespaces}", "team");
            self.options
                .push(format!("servicelb-namespace: {namespace}"));
        }
    }

    /// Adds what makes one setting so.
    fn add(&mut self, setting: &SettingBody, kind: Kind, control: &Context<'_>) {
        self.wants(setting);
        match setting {
            SettingBody::Sysctl(sysctl) => {
                let path = format!("/etc/sysctl.d/{}.conf", sysctl.key);
                match kind {
                    Kind::Compliant => {
                        self.file(&path, "644", &format!("{} = {}", sysctl.key, sysctl.value))
                    }
                    Kind::Divergent => self.file(&path, "644", &format!("{} = 77", sysctl.key)),
                    Kind::Unreadable => self.fifo(&path),
                }
            }
            SettingBody::Directory(directory) => match kind {
                Kind::Compliant => self.line(&format!(
                    "{:o} root:root d {}",
                    directory.mode.bits(),
                    filled(&directory.path)
                )),
                Kind::Divergent => {
                    self.line(&format!("755 root:root d {}", filled(&directory.path)))
                }
                Kind::Unreadable => self.fifo(&filled(&directory.path)),
            },
            SettingBody::Permissions(permissions) => {
                self.add_permissions(permissions, kind, control)
            }
            SettingBody::File(file) => {
                let path = filled(&file.path);
                match kind {
                    Kind::Compliant => self.file(&path, "600", control.content(&path).trim_end()),
                    Kind::Divergent => self.file(&path, "600", "nothing valid"),
                    Kind::Unreadable => self.fifo(&path),
                }
            }
            SettingBody::Manifest(manifest) => {
                let name = manifest.name.replace("{each:namespaces}", "team");
                let path = format!("{DATA_DIR}/server/manifests/{name}");
                match kind {
                    Kind::Compliant => self.file(&path, "600", control.content(&path).trim_end()),
                    Kind::Divergent => {}
                    Kind::Unreadable => self.fifo(&path),
                }
            }
            SettingBody::Option(_) | SettingBody::Argument(_) => self.add_configured(setting, kind),
        }
    }

    /// Adds what gives files that K3s writes such permissions.
    fn add_permissions(
        &mut self,
        permissions: &PermissionsSetting,
        kind: Kind,
        control: &Context<'_>,
    ) {
        let path = filled(&permissions.path).replace('*', "some");
        let directory = permissions.kind == EntryKind::Directory;
        let mode = control
            .edition
            .and_then(|edition| permissions.mode_by_edition.get(edition))
            .unwrap_or(&permissions.mode);
        match kind {
            // The unit must still be found.
            Kind::Unreadable if path == UNIT => self.unit_is_link = true,
            Kind::Unreadable => self.fifo(&path),
            _ => {
                let mode = if kind == Kind::Compliant {
                    mode.bits()
                } else {
                    0o777
                };
                let letter = if directory { 'd' } else { 'f' };
                self.line(&format!("{mode:o} root:root {letter} {path}"));
            }
        }
    }

    /// Adds what gives an option or argument such a value.
    fn add_configured(&mut self, setting: &SettingBody, kind: Kind) {
        match setting {
            SettingBody::Option(option) => {
                if let Some(value) = value(&option.name, &option.require, option.absent_holds, kind)
                {
                    self.options.push(format!("{}: \"{value}\"", option.name));
                }
                self.blind |= kind == Kind::Unreadable;
            }
            SettingBody::Argument(argument) => {
                if let Some(value) = value(
                    &argument.flag,
                    &argument.require,
                    argument.absent_holds,
                    kind,
                ) {
                    let arguments = self
                        .arguments
                        .entry(argument.component.option())
                        .or_default();
                    arguments.push(format!("{}={value}", argument.flag));
                }
                self.blind |= kind == Kind::Unreadable;
            }
            _ => {}
        }
    }

    fn line(&mut self, line: &str) {
        self.tree.push_str(line);
        self.tree.push('\n');
    }

    fn file(&mut self, path: &str, mode: &str, content: &str) {
        self.line(&format!("{mode} root:root f {path}"));
        for text in content.lines() {
            self.line(&format!("| {text}"));
        }
    }

    fn fifo(&mut self, path: &str) {
        self.blocked.push(format!("{path}/"));
        self.line(&format!("600 root:root p {path}"));
    }

    /// The tree on which a control is judged.
    fn build(mut self, control: &Control) -> Tree {
        let (unit, command) = match control.role {
            Some(Role::Agent) => ("k3s-agent", "agent"),
            _ => ("k3s", "server"),
        };
        let start = format!("[Service]\nExecStart=/usr/local/bin/k3s {command}");
        if self.unit_is_link {
            self.file("/usr/lib/k3s.service", "644", &start);
            self.line(&format!("777 root:root l {UNIT} -> /usr/lib/k3s.service"));
        } else {
            self.file(
                &format!("/etc/systemd/system/{unit}.service"),
                "644",
                &start,
            );
        }
        let asks = POLICY.iter().find(|(id, _)| *id == control.id.as_str());
        let parameters = asks.map_or("", |(_, parameters)| parameters);
        let policy = format!(
            "[control.{}]\nstate = \"enforce\"\n{parameters}",
            control.id
        );
        self.file("/etc/k3warden/config.toml", "644", &policy);
        match control.datastore {
            Some(Datastore::Etcd) => self.options.push("cluster-init: true".to_owned()),
            Some(Datastore::External) => self
                .options
                .push("datastore-endpoint: mysql://x".to_owned()),
            Some(Datastore::Sqlite) | None => {}
        }
        let mut config = self.options.clone();
        for (option, arguments) in &self.arguments {
            config.push(format!("{option}:"));
            config.extend(arguments.iter().map(|argument| format!("- {argument}")));
        }
        let names_config = self.tree.contains(&format!(" {CONFIG}\n"));
        if self.blind {
            // K3s would read it too; what stands there besides cannot be known.
            self.fifo("/etc/rancher/k3s/config.yaml.d/operator.yaml");
        }
        if !config.is_empty() {
            let path = if names_config {
                "/etc/rancher/k3s/config.yaml.d/a.yaml"
            } else {
                CONFIG
            };
            self.file(path, "600", &config.join("\n"));
        }
        let possible = |line: &&str| !self.blocked.iter().any(|path| line.contains(path.as_str()));
        let lines: Vec<&str> = self.tree.lines().filter(possible).collect();
        Tree::of(&lines.join("\n"))
    }
}

fn filled(path: &str) -> String {
    path.replace("{data_dir}", DATA_DIR)
        .replace("{config_dir}", "/etc/rancher/k3s")
        .replace("{config_file}", CONFIG)
        .replace("{unit_file}", UNIT)
        .replace("/etc/systemd/system/{unit}", UNIT)
}

/// What to give an option or flag; `None` for nothing at all.
fn value(name: &str, require: &Requirement, absent_holds: bool, kind: Kind) -> Option<String> {
    if let Some((_, compliant, divergent)) = VALUES.iter().find(|(known, _, _)| *known == name) {
        return Some(
            if kind == Kind::Divergent {
                divergent
            } else {
                compliant
            }
            .to_string(),
        );
    }
    if kind == Kind::Compliant && absent_holds {
        return None;
    }
    let number = |number: i64| Some(number.to_string());
    let other = Some("k3warden-bad".to_owned());
    if kind == Kind::Divergent {
        return match require {
            Requirement::Equals(value) if value == "true" => Some("false".to_owned()),
            Requirement::Equals(value) if value == "false" => Some("true".to_owned()),
            Requirement::Equals(value) if value.parse::<i64>().is_ok() => Some("7".to_owned()),
            Requirement::Equals(_)
            | Requirement::Includes(_)
            | Requirement::SubsetOf(_)
            | Requirement::OneOf(_) => other,
            Requirement::NotEquals(value) => Some(value.clone()),
            Requirement::AtLeast(least) => number(least - 1),
            Requirement::AtMost(most) => number(most + 1),
            Requirement::MoreThan(less) => number(*less),
            Requirement::Excludes(values) => values.first().cloned(),
            Requirement::Absent(_) => other,
            Requirement::Present(_) => Some(String::new()),
            Requirement::NonzeroDuration(_) => Some("0s".to_owned()),
            Requirement::GateNotOff(gate) => Some(format!("{gate}=false")),
            Requirement::Loopback(_) => Some("0.0.0.0".to_owned()),
            Requirement::ModeAtMost(_) => Some("0777".to_owned()),
            Requirement::TlsUrls(keys) | Requirement::LocalUrls(keys) => {
                keys.first().map(|key| format!("{key}=http://0.0.0.0:1"))
            }
        };
    }
    match require {
        Requirement::Equals(value) => Some(value.clone()),
        Requirement::NotEquals(_) | Requirement::Present(_) => Some("7".to_owned()),
        Requirement::AtLeast(bound) | Requirement::AtMost(bound) => number(*bound),
        Requirement::MoreThan(less) => number(less + 1),
        Requirement::Includes(values) => Some(values.join(",")),
        Requirement::SubsetOf(values) | Requirement::OneOf(values) => values.first().cloned(),
        Requirement::Excludes(_) | Requirement::Absent(_) => None,
        Requirement::NonzeroDuration(_) => Some("5m".to_owned()),
        Requirement::GateNotOff(gate) => Some(format!("{gate}=true")),
        Requirement::Loopback(_) => Some("127.0.0.1".to_owned()),
        Requirement::ModeAtMost(mode) => Some(mode.to_string()),
        Requirement::TlsUrls(keys) | Requirement::LocalUrls(keys) => {
            keys.first().map(|key| format!("{key}=https://127.0.0.1:1"))
        }
    }
}

/// A control on a release.
struct Context<'a> {
    catalogue: &'a Catalogue,
    control: &'a Control,
    version: K3sVersion,
    edition: Option<&'a str>,
}

impl Context<'_> {
    fn judge<T>(&self, tree: &Tree, answer: impl FnOnce(&Judgement<'_>) -> T) -> T {
        let root = Root::open(tree.path()).unwrap();
        let policy = Policy::load(&root, self.catalogue).unwrap();
        let node = node::discover(&root, &policy, Surroundings::Image, Some(self.version));
        let root = root.sealed_below(Path::new(DATA_DIR));
        let written = Written::default();
        let host = Host { root, live: None };
        let pass = Pass {
            host: &host,
            node: &node,
            policy: &policy,
            catalogue: self.catalogue,
            today: jiff::civil::date(2026, 1, 1),
            written: &written,
            held: None,
            seen: Seen::default(),
        };
        answer(&pass.judge_control(self.control))
    }

    /// What we would write where nothing is.
    fn content(&self, path: &str) -> String {
        let mut case = Case::default();
        for setting in &self.control.settings {
            case.wants(&setting.body);
        }
        let tree = case.build(self.control);
        self.judge(&tree, |judgement| {
            for remedy in judgement.remedies() {
                if let Remedy::Change(change) = remedy
                    && let (Thing::Path(thing), State::File { content, .. }) =
                        (&change.thing, &change.after)
                    && thing == Path::new(path)
                {
                    return String::from_utf8(content.clone()).unwrap();
                }
            }
            panic!(
                "{}: nothing is written to {path}: {judgement:#?}",
                self.control.id
            )
        })
    }
}

/// The case of one setting, everything else that the control asks being right.
fn case(context: &Context<'_>, which: usize, kind: Kind) -> Tree {
    let mut case = Case::default();
    for (index, setting) in applying(context) {
        let kind = if index == which {
            kind
        } else {
            Kind::Compliant
        };
        case.add(&setting.body, kind, context);
    }
    case.build(context.control)
}

fn applying<'a>(context: &Context<'a>) -> impl Iterator<Item = (usize, &'a Setting)> {
    let version = context.version;
    let settings = context.control.settings.iter().enumerate();
    settings.filter(move |(_, setting)| setting.k3s.contains(version))
}

fn names_its_reason(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| match &finding.outcome {
        Outcome::Unknown(reason) => format!("{} {reason}", finding.what).contains('/'),
        _ => true,
    })
}

#[test]
fn every_setting_has_a_compliant_a_divergent_and_an_unreadable_case() {
    let catalogue = Catalogue::built_in().unwrap();
    assert!(catalogue.controls().len() > 90);
    let mut wrong = Vec::new();
    for control in catalogue.controls() {
        for which in 0..control.settings.len() {
            let setting = &control.settings[which];
            let mut versions = VERSIONS
                .iter()
                .map(|(minor, patch)| K3sVersion::new(*minor, *patch));
            let fits = |version: &K3sVersion| {
                control.k3s.contains(*version) && setting.k3s.contains(*version)
            };
            let Some(version) = versions.find(fits) else {
                wrong.push(format!(
                    "{}: no release of VERSIONS fits {setting}",
                    control.id
                ));
                continue;
            };
            let edition = catalogue.editions().for_version(Some(version));
            let context = Context {
                catalogue: &catalogue,
                control,
                version,
                edition: edition.map(|edition| edition.name.as_str()),
            };
            for kind in [Kind::Compliant, Kind::Divergent, Kind::Unreadable] {
                let tree = case(&context, which, kind);
                context.judge(&tree, |judgement| {
                    let right = judgement.verdict == kind.verdict()
                        && names_its_reason(&judgement.findings);
                    if !right {
                        wrong.push(format!(
                            "{}, {setting}, {version}: {kind:?} case is {:?} {:?}\n{:#?}",
                            control.id, judgement.verdict, judgement.note, judgement.findings
                        ));
                    }
                });
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
