//! A host on which settings are as a case wants them.

use std::collections::BTreeMap;

use k3warden::catalogue::{Control, Datastore, EntryKind, PermissionsSetting, SettingBody};
use k3warden::k3s::Role;

use crate::tree::Tree;
use crate::value::value;
use crate::{Context, DATA_DIR, Kind};

/// Parameters without which a control asks for nothing.
const POLICY: [(&str, &str); 1] = [(
    "network-policy-extra-namespaces",
    "namespaces = [\"team\"]\n",
)];

const UNIT: &str = "/etc/systemd/system/k3s.service";
const CONFIG: &str = "/etc/rancher/k3s/config.yaml";

/// A host in the making.
#[derive(Default)]
pub struct Case {
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
    pub fn wants(&mut self, setting: &SettingBody) {
        if let SettingBody::Manifest(manifest) = setting
            && let Some(namespace) = &manifest.servicelb_namespace
        {
            let namespace = namespace.replace("{each:namespaces}", "team");
            self.options
                .push(format!("servicelb-namespace: {namespace}"));
        }
    }

    /// Adds what makes one setting so.
    pub fn add(&mut self, setting: &SettingBody, kind: Kind, control: &Context<'_>) {
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
                if let Some(value) = value(&option.require, option.absent_holds, kind) {
                    self.options.push(format!("{}: \"{value}\"", option.name));
                }
                self.blind |= kind == Kind::Unreadable;
            }
            SettingBody::Argument(argument) => {
                if let Some(value) = value(&argument.require, argument.absent_holds, kind) {
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
    pub fn build(mut self, control: &Control) -> Tree {
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
