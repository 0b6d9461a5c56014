//! The variables that systemd itself gives a unit's processes (`systemd.exec`, "Environment Variables Set or Propagated by the
//! Service Manager"). K3s reads none of them, but the command is expanded with them: weaker than what the unit says, stronger
//! than `DefaultEnvironment=` (`exec_invoke` in exec-invoke.c).

use std::collections::BTreeMap;

/// Settings that make directories, the variable that names these, and where they are made for a system's unit.
const DIRECTORIES: [(&str, &str, &str); 5] = [
    ("RuntimeDirectory", "RUNTIME_DIRECTORY", "/run"),
    ("StateDirectory", "STATE_DIRECTORY", "/var/lib"),
    ("CacheDirectory", "CACHE_DIRECTORY", "/var/cache"),
    ("LogsDirectory", "LOGS_DIRECTORY", "/var/log"),
    ("ConfigurationDirectory", "CONFIGURATION_DIRECTORY", "/etc"),
];

/// Settings that hand credentials on.
const CREDENTIALS: [&str; 5] = [
    "LoadCredential",
    "LoadCredentialEncrypted",
    "SetCredential",
    "SetCredentialEncrypted",
    "ImportCredential",
];

/// Always set, to what no file tells.
const ALWAYS: [&str; 9] = [
    "PATH",
    "LANG",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "MAINPID",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
    "NOTIFY_SOCKET",
    "TERM",
];

/// What systemd gives the processes of one unit.
#[derive(Debug, Clone, Default)]
pub(super) struct GivenBySystemd {
    user: Option<String>,
    directories: BTreeMap<&'static str, Vec<String>>,
    has_credentials: bool,
}

/// One of its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// The unit's files say what it is.
    Known(String),
    /// It is set, and the running machine decides to what.
    Undecided,
}

impl GivenBySystemd {
    /// One setting of `[Service]`, its words without specifiers; none: an empty value, which takes back what was said.
    pub(super) fn take(&mut self, key: &str, words: &[String]) {
        if key == "User" {
            self.user = words.first().cloned();
        } else if CREDENTIALS.contains(&key) {
            self.has_credentials = !words.is_empty();
        }
        let Some((_, variable, above)) = DIRECTORIES.iter().find(|(setting, ..)| *setting == key)
        else {
            return;
        };
        let directories = self.directories.entry(variable).or_default();
        if words.is_empty() {
            directories.clear();
        }
        // Behind a colon stands a link to it (since 250).
        let names = words.iter().filter_map(|word| word.split(':').next());
        directories.extend(names.map(|name| format!("{above}/{name}")));
    }

    /// Whether a setting decides any of them.
    pub(super) fn is_decided_by(key: &str) -> bool {
        let makes_directories = DIRECTORIES.iter().any(|(setting, ..)| *setting == key);
        key == "User" || CREDENTIALS.contains(&key) || makes_directories
    }

    /// Whether it gives such a variable to some unit.
    pub(super) fn may_give(variable: &str) -> bool {
        let names_directories = DIRECTORIES.iter().any(|(_, name, _)| *name == variable);
        let of_user = ["HOME", "USER", "LOGNAME", "SHELL", "CREDENTIALS_DIRECTORY"];
        names_directories || of_user.contains(&variable) || ALWAYS.contains(&variable)
    }

    /// A variable; `None`: it gives no such one.
    pub(super) fn get(&self, unit: &str, variable: &str) -> Option<Given> {
        let is_root = |user: &String| matches!(user.as_str(), "root" | "0");
        match variable {
            "HOME" | "USER" | "LOGNAME" | "SHELL" => {
                let user = self.user.as_ref()?;
                Some(match variable {
                    "HOME" if is_root(user) => Given::Known("/root".to_owned()),
                    "USER" | "LOGNAME" if is_root(user) => Given::Known("root".to_owned()),
                    _ => Given::Undecided,
                })
            }
            "CREDENTIALS_DIRECTORY" => self
                .has_credentials
                .then(|| Given::Known(format!("/run/credentials/{unit}"))),
            always if ALWAYS.contains(&always) => Some(Given::Undecided),
            other => {
                let directories = self.directories.get(other)?;
                (!directories.is_empty()).then(|| Given::Known(directories.join(":")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::host::Root;
    use crate::k3s::Files;
    use crate::k3s::unit::wrapped::problem;
    use crate::k3s::unit::{Loaded, load_unit};

    /// The words of a command behind its program, or why nobody knows them.
    fn words(settings: &str, command: &str) -> Result<String, String> {
        let tree = tempfile::tempdir().unwrap();
        let place = tree.path().join("etc/systemd/system");
        fs::create_dir_all(&place).unwrap();
        let text = format!("[Service]\n{settings}\nExecStart=/usr/local/bin/k3s {command}\n");
        fs::write(place.join("k3s.service"), text).unwrap();
        let root = Root::open(tree.path()).unwrap();
        match load_unit(&Files::new(&root), "k3s.service").unwrap() {
            Loaded::Unit(unit) if unit.undecided.is_some() => Err(problem(&unit).unwrap()),
            Loaded::Unit(unit) => {
                let words = unit.exec_start.iter().map(|word| word.text.as_str());
                Ok(words.collect::<Vec<_>>().join(" "))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_is_expanded_with_what_systemd_itself_gives() {
        for (settings, word, expected) in [
            ("User=root", "${HOME}/k3s", "/root/k3s"),
            ("", "${HOME}/k3s", "/k3s"),
            (
                "User=root\nEnvironment=HOME=/srv",
                "${HOME}/k3s",
                "/srv/k3s",
            ),
            ("User=root", "$USER", "root"),
            (
                "StateDirectory=k3s other",
                "${STATE_DIRECTORY}",
                "/var/lib/k3s:/var/lib/other",
            ),
            (
                "StateDirectory=a\nStateDirectory=\nStateDirectory=%p:link",
                "${STATE_DIRECTORY}/d",
                "/var/lib/k3s/d",
            ),
            (
                "RuntimeDirectory=k3s",
                "${RUNTIME_DIRECTORY}/c.yaml",
                "/run/k3s/c.yaml",
            ),
            (
                "ConfigurationDirectory=k3s",
                "${CONFIGURATION_DIRECTORY}",
                "/etc/k3s",
            ),
            (
                "LoadCredential=t:/x",
                "${CREDENTIALS_DIRECTORY}/t",
                "/run/credentials/k3s.service/t",
            ),
            ("", "${CREDENTIALS_DIRECTORY}/t", "/t"),
            ("", "${NOT_SET}x", "x"),
        ] {
            let found = words(settings, &format!("server {word}"));
            assert_eq!(found, Ok(format!("server {expected}")), "{settings} {word}");
        }
    }

    #[test]
    fn what_only_the_running_systemd_knows_leaves_the_command_unknown() {
        for (settings, word) in [
            ("", "${PATH}"),
            ("", "$INVOCATION_ID"),
            ("User=k3s", "${HOME}"),
            ("User=root", "${SHELL}"),
        ] {
            let problem = words(settings, &format!("server {word}")).unwrap_err();
            assert!(problem.contains("write the value"), "{word}: {problem}");
        }
    }
}
