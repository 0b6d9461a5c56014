//! The options that `k3s server` and `k3s agent` know, by release.

use std::sync::LazyLock;

use super::{K3sVersion, Role};

/// The table, readable by an auditor.
const TABLE: &str = include_str!("data/options.txt");

/// The newest Kubernetes minor that the table was read for.
pub const NEWEST_KNOWN_MINOR: u16 = 36;
/// The newest minor that the catalogue was made for, its options taken to be those of [`NEWEST_KNOWN_MINOR`]. Of a later
/// one nobody knows here what it has.
pub const NEWEST_CATALOGUED_MINOR: u16 = 37;

static OPTIONS: LazyLock<Box<[KnownOption]>> =
    LazyLock::new(|| rows().filter_map(KnownOption::parse).collect());

/// What kind of value an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text; the last one counts.
    Text,
    /// `true` or `false`; without a value `true`.
    Bool,
    /// A number of 64 bits.
    Integer,
    /// Go's notation: `5m`, `1h30m`.
    Duration,
    /// Every occurrence counts.
    List,
}

/// One row of the table.
#[derive(Debug)]
pub struct KnownOption {
    /// The long name, without dashes.
    pub name: &'static str,
    /// What it takes.
    pub kind: OptionKind,
    /// K3s's built-in value, as text.
    pub default: Option<&'static str>,
    /// Its value must not be shown.
    pub secret: bool,
    /// The option whose list it fills, if that is another.
    pub fills: Option<&'static str>,
    // Lists as the table has them, apart by blanks: each of them as a list of its own was half of the memory of all options.
    short: &'static str,
    environment: &'static str,
    server: &'static str,
    agent: &'static str,
}

/// Releases from one up to before another.
#[derive(Debug, Clone, Copy)]
struct Releases {
    from: Option<K3sVersion>,
    before: Option<K3sVersion>,
}

impl Releases {
    fn contain(self, version: K3sVersion) -> bool {
        self.from.is_none_or(|from| from <= version)
            && self.before.is_none_or(|before| version < before)
    }

    fn parse(text: &str) -> Option<Self> {
        let (from, before) = text.split_once("..")?;
        let bound = |text: &str| match text {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        Some(Self {
            from: bound(from)?,
            before: bound(before)?,
        })
    }
}

fn rows() -> impl Iterator<Item = &'static str> {
    TABLE
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .skip(1)
}

impl KnownOption {
    fn parse(row: &'static str) -> Option<Self> {
        let mut columns = row.split(" | ").map(str::trim);
        let mut column = || {
            columns
                .next()
                .map(|text| if text == "-" { "" } else { text })
        };
        let name = column()?;
        let short = column()?;
        let kind = match column()? {
            "text" => OptionKind::Text,
            "bool" => OptionKind::Bool,
            "integer" => OptionKind::Integer,
            "duration" => OptionKind::Duration,
            "list" => OptionKind::List,
            _ => return None,
        };
        let environment = column()?;
        let default = Some(column()?).filter(|default| !default.is_empty());
        let (server, agent) = (column()?, column()?);
        let mut marks = column()?.split_whitespace();
        Some(Self {
            name,
            short,
            kind,
            environment,
            default,
            secret: marks.clone().any(|mark| mark == "secret"),
            fills: marks.find_map(|mark| mark.strip_prefix("fills=")),
            server,
            agent,
        })
    }

    fn known_to(&self, role: Role, version: K3sVersion) -> bool {
        let mut releases = self.releases(role).filter_map(Releases::parse);
        releases.any(|range| range.contain(version))
    }

    fn releases(&self, role: Role) -> impl Iterator<Item = &'static str> {
        let releases = match role {
            Role::Server => self.server,
            Role::Agent => self.agent,
        };
        releases.split_ascii_whitespace()
    }

    /// One-letter names.
    fn short(&self) -> impl Iterator<Item = &'static str> {
        self.short.split_ascii_whitespace()
    }

    /// Environment variables, the first that is set counts.
    pub fn environment(&self) -> impl Iterator<Item = &'static str> {
        self.environment.split_ascii_whitespace()
    }

    /// The long name, or that of the option whose list this one fills.
    #[must_use]
    pub fn target(&self) -> &'static str {
        self.fills.unwrap_or(self.name)
    }

    /// Whether this is its long name or a short one.
    fn is_named(&self, name: &str) -> bool {
        self.name == name || self.short().any(|short| short == name)
    }

    /// The long name and the short ones.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        std::iter::once(self.name).chain(self.short())
    }
}

/// The options that one release knows in one role.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    role: Role,
    version: K3sVersion,
}

impl Options {
    /// The options of a release and role.
    #[must_use]
    pub const fn of(role: Role, version: K3sVersion) -> Self {
        Self { role, version }
    }

    /// The option of a long or short name, without dashes.
    #[must_use]
    pub fn find(self, name: &str) -> Option<&'static KnownOption> {
        let mut named = OPTIONS.iter().filter(|option| option.is_named(name));
        named.find(|option| option.known_to(self.role, self.version))
    }

    /// All options in K3s's own order.
    pub fn iter(self) -> impl Iterator<Item = &'static KnownOption> {
        let known = move |option: &&KnownOption| option.known_to(self.role, self.version);
        OPTIONS.iter().filter(known)
    }
}

/// The long names of all options, whatever the release and role.
pub fn option_names() -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().map(|option| option.name)
}

/// Asks the table about an option by its long or short name, without dashes, whatever the release; `None` if none has it.
pub(super) fn known_option<T>(name: &str, ask: impl Fn(&KnownOption) -> T) -> Option<T> {
    OPTIONS.iter().find(|option| option.is_named(name)).map(ask)
}

/// Whether any release has an option of this long or short name, without dashes.
pub(super) fn is_option(name: &str) -> bool {
    known_option(name, |_| ()).is_some()
}

/// Whether it is an option of any release whose value must not be shown.
pub(super) fn is_secret_option(name: &str) -> bool {
    let mut secret = OPTIONS.iter().filter(|option| option.secret);
    secret.any(|option| option.is_named(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn knows(role: Role, version: &str, name: &str) -> bool {
        Options::of(role, version.parse().unwrap())
            .find(name)
            .is_some()
    }

    #[test]
    fn every_row_of_the_table_is_read() {
        assert_eq!(OPTIONS.len(), rows().count());
        assert!(OPTIONS.len() > 130);
        for option in &*OPTIONS {
            for role in [Role::Server, Role::Agent] {
                let mut releases = option.releases(role);
                assert!(
                    releases.all(|range| Releases::parse(range).is_some()),
                    "{}",
                    option.name
                );
            }
        }
    }

    #[test]
    fn an_agent_does_not_know_what_only_a_server_knows() {
        for name in [
            "secrets-encryption",
            "kube-apiserver-arg",
            "write-kubeconfig-mode",
        ] {
            assert!(knows(Role::Server, "1.36.3", name), "{name}");
            assert!(!knows(Role::Agent, "1.36.3", name), "{name}");
        }
        assert!(knows(Role::Agent, "1.36.3", "kubelet-arg"));
    }

    #[test]
    fn options_come_and_go_with_releases() {
        assert!(!knows(
            Role::Server,
            "1.32.2",
            "secrets-encryption-provider"
        ));
        assert!(knows(Role::Server, "1.31.8", "secrets-encryption-provider"));
        assert!(knows(Role::Server, "1.33.0", "secrets-encryption-provider"));
        assert!(knows(Role::Server, "1.25.4", "no-deploy"));
        assert!(!knows(Role::Server, "1.26.0", "no-deploy"));
    }

    #[test]
    fn no_two_rows_speak_of_one_option_in_one_release() {
        for minor in 20..=NEWEST_KNOWN_MINOR {
            for role in [Role::Server, Role::Agent] {
                let options = Options::of(role, K3sVersion::new(minor, 3));
                let names: Vec<&str> = options.iter().flat_map(KnownOption::names).collect();
                let different: BTreeSet<&str> = names.iter().copied().collect();
                assert_eq!(names.len(), different.len(), "1.{minor} {role}");
            }
        }
    }

    #[test]
    fn secrets_are_marked_under_every_name() {
        for name in ["token", "t", "etcd-s3-secret-key"] {
            assert!(is_secret_option(name), "{name}");
        }
        for name in ["token-file", "no-such-option"] {
            assert!(!is_secret_option(name), "{name}");
        }
    }
}
