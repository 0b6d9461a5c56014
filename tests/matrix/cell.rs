//! One cell of the matrix: a release, a kind of node, what the operator has there.

use std::path::Path;

use k3warden::catalogue::{Catalogue, VersionRange};
use k3warden::host::{Durability, Host, Root};
use k3warden::k3s::{Effective, K3sVersion};
use k3warden::node::{self, Surroundings};
use k3warden::policy::Policy;
use k3warden::reconcile::{Pass, Plan, Seen, Written};
use k3warden::setting::Change;

use super::tree::Tree;

/// A release of every kind that the facts tell apart. 1.20 reads no drop-ins: nothing of its configuration is written.
pub const VERSIONS: [K3sVersion; 12] = [
    K3sVersion::new(20, 15),
    K3sVersion::new(21, 14),
    K3sVersion::new(22, 17),
    K3sVersion::new(24, 17),
    K3sVersion::new(25, 16),
    K3sVersion::new(27, 16),
    K3sVersion::new(28, 15),
    K3sVersion::new(29, 15),
    K3sVersion::new(31, 14),
    K3sVersion::new(32, 9),
    K3sVersion::new(34, 3),
    K3sVersion::new(36, 3),
];

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Etcd,
    Agent,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Etcd, Self::Agent];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "server with sqlite",
            Self::Etcd => "server with etcd",
            Self::Agent => "agent",
        }
    }

    const fn role(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Sqlite | Self::Etcd => "server",
        }
    }
}

/// What an operator has on a node: `[exec ROLE]` words of the unit, `[env ROLE]` its environment file, `[tree ROLE]` files
/// (`tests/tree`). A line of the first may begin with the releases that it is for.
pub struct Operator {
    pub name: String,
    text: String,
}

impl Operator {
    pub fn read(path: &Path) -> Self {
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(path).unwrap(),
        }
    }

    pub fn bare() -> Self {
        Self {
            name: "bare".to_owned(),
            text: String::new(),
        }
    }

    fn section(&self, what: &str, kind: Kind) -> Vec<&str> {
        let title = format!("[{what} {}]", kind.role());
        let lines = self.text.lines().skip_while(|line| *line != title).skip(1);
        lines
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.is_empty())
            .collect()
    }

    fn words(&self, kind: Kind, version: K3sVersion) -> Vec<&str> {
        let lines = self.section("exec", kind).into_iter();
        let fits = |line| match str::split_once(line, ' ') {
            None => Some(line),
            Some((range, word)) => {
                let range = VersionRange::parse(range).unwrap();
                range.contains(version).then_some(word)
            }
        };
        lines.filter_map(fits).collect()
    }
}

/// A node with its tree. The host is not running: the next boot stands for what the kernel says.
pub struct Cell<'c> {
    pub tree: Tree,
    pub version: K3sVersion,
    catalogue: &'c Catalogue,
    policy: Policy,
}

impl<'c> Cell<'c> {
    pub fn new(
        catalogue: &'c Catalogue,
        operator: &Operator,
        kind: Kind,
        version: K3sVersion,
        policy: &str,
    ) -> Self {
        let tree = Tree::new();
        tree.add("755 root:root d /etc/sysctl.d\n755 root:root d /var/lib/rancher/k3s");
        let (unit, mut words) = match kind {
            Kind::Sqlite => ("k3s", vec!["server"]),
            Kind::Etcd => ("k3s", vec!["server"]),
            Kind::Agent => ("k3s-agent", vec!["agent"]),
        };
        let own: Vec<String> = operator
            .words(kind, version)
            .into_iter()
            .map(|word| format!("'{word}'"))
            .collect();
        words.extend(own.iter().map(String::as_str));
        if kind == Kind::Etcd {
            words.push("'--cluster-init'");
        }
        let words: String = words
            .iter()
            .map(|word| format!("    {word} \\\n| "))
            .collect();
        let mut environment = operator.section("env", kind);
        if kind == Kind::Agent {
            environment.extend(["K3S_URL=https://server:6443", "K3S_TOKEN=not-a-real-token"]);
        }
        let environment: String = environment
            .iter()
            .map(|line| format!("| {line}\n"))
            .collect();
        tree.add(&format!(
            "644 root:root f /etc/systemd/system/{unit}.service\n\
             | [Service]\n\
             | EnvironmentFile=-/etc/systemd/system/{unit}.service.env\n\
             | ExecStart=/usr/local/bin/k3s \\\n| {words}\n\
             600 root:root f /etc/systemd/system/{unit}.service.env\n{environment}\
             644 root:root f /etc/k3warden/config.toml\n| new_cluster = true\n{policy}"
        ));
        tree.add(&operator.section("tree", kind).join("\n"));
        let root = Root::open(tree.path()).unwrap();
        let policy = Policy::load(&root, catalogue).unwrap();
        Self {
            tree,
            version,
            catalogue,
            policy,
        }
    }

    /// Looks at the node as it is now.
    pub fn pass<T>(&self, look: impl FnOnce(&Pass<'_>) -> T) -> T {
        let root = Root::open(self.tree.path()).unwrap();
        let root = root.with_durability(Durability::PageCache);
        let node = node::discover(&root, &self.policy, Surroundings::Image, Some(self.version));
        assert_eq!(node.configuration_problem, None);
        let root = root.sealed_below(&node.places.data_dir);
        let written = Written::default();
        let host = Host { root, live: None };
        look(&Pass {
            host: &host,
            node: &node,
            policy: &self.policy,
            catalogue: self.catalogue,
            today: jiff::civil::date(2026, 1, 1),
            written: &written,
            held: None,
            seen: Seen::default(),
        })
    }

    /// What K3s would run with now.
    pub fn effective(&self) -> Effective {
        self.pass(|pass| pass.node.effective(pass.host).unwrap())
    }

    pub fn plan(&self) -> Plan {
        self.pass(|pass| Plan::of(pass, &pass.judge()))
    }

    pub fn make<'p>(&self, changes: impl IntoIterator<Item = &'p Change>) {
        self.pass(|pass| {
            for change in changes {
                pass.host.put(&change.thing, &change.after).unwrap();
            }
        });
    }
}
