//! What is watched beside the settings: the signs of an operator who stops us, K3s's starts, and what K3s is made of.

use std::path::{Path, PathBuf};

use crate::host::Root;
use crate::host::sysctl::DIRECTORIES;
use crate::k3s::{UNIT_DIRECTORIES, drop_in_directories, drop_in_directory};
use crate::node::Node;
use crate::reconcile::sandbox;
use crate::setting::{Aspect, Watched, matches_pattern};

use super::index::Concern;
use super::suspension;

/// systemd keeps a link `invocation:UNIT` for each unit that runs, new at each start (systemd `unit_export_invocation_id`,
/// since 237): a start is seen without D-Bus and without polling.
const INVOCATIONS: &str = "/run/systemd/units";
/// Environment files that install.sh's units read, known before there is a unit.
const ENVIRONMENT: [&str; 2] = ["/etc/default", "/etc/sysconfig"];

/// Links behind each other that are followed, as many as a path lookup of the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;

/// What is watched beside the settings, with its concern.
#[must_use]
pub fn of(node: &Node, root: &Root) -> Vec<(Watched, Concern)> {
    let mut all = Vec::new();
    for path in suspension::FILES {
        // Both are made and removed, never written into; our lock beside them is written at each change.
        let watched = Watched::Path(PathBuf::from(path), Aspect::Access);
        all.push((watched, Concern::Suspension));
    }
    all.push((
        matching(
            Path::new(INVOCATIONS),
            "invocation:k3s*.service",
            Aspect::Access,
        ),
        Concern::K3sStart,
    ));
    all.extend(own_units().map(|watched| (watched, Concern::K3sInputs)));
    let of_k3s = of_k3s(node);
    let linked = behind_links(&of_k3s, root);
    let inputs = of_k3s.into_iter().chain(linked);
    all.extend(inputs.map(|watched| (watched, Concern::K3sInputs)));
    all
}

/// Where links in the directories of sysctl.d lead, as Debian's `99-sysctl.conf` does to `/etc/sysctl.conf`.
#[must_use]
pub fn behind_sysctl_links(root: &Root) -> Vec<Watched> {
    let drop_ins = DIRECTORIES.map(|directory| {
        let directory = Path::new(directory);
        matching(directory, "*.conf", Aspect::Content)
    });
    behind_links(&drop_ins, root)
}

/// Where the links lead that are watched.
fn behind_links(all: &[Watched], root: &Root) -> Vec<Watched> {
    let names = all.iter().flat_map(|watched| names(watched, root));
    names
        .flat_map(|path| targets(root, path))
        // A link to it masks a name. It never changes, and every program writes to it.
        .filter(|path| !path.ends_with("dev/null"))
        .map(|path| Watched::Path(path, Aspect::Content))
        .collect()
}

/// The drop-ins of our own units, which open their sandbox: whoever could write one would write as root.
fn own_units() -> impl Iterator<Item = Watched> {
    let directories = sandbox::UNITS.iter().map(|unit| format!("{unit}.d"));
    let directories = directories.map(|name| Path::new("/etc/systemd/system").join(name));
    directories.map(|directory| matching(&directory, "50-paths.conf", Aspect::Content))
}

/// The paths that are watched, those that are there where it is a pattern.
fn names(watched: &Watched, root: &Root) -> Vec<PathBuf> {
    match watched {
        Watched::Path(path, _) => vec![path.clone()],
        Watched::Matching {
            directory, pattern, ..
        } => {
            // A directory that cannot be read is told of by whoever judges what is in it.
            let names = root.names(directory).ok().flatten().unwrap_or_default();
            names
                .iter()
                .filter(|name| matches_pattern(pattern, &name.to_string_lossy()))
                .map(|name| directory.join(name))
                .collect()
        }
        Watched::Way(_) | Watched::Key(_) => Vec::new(),
    }
}

/// Where links lead, each on the way: a write there changes what K3s reads and raises no event where the link is.
fn targets(root: &Root, mut path: PathBuf) -> Vec<PathBuf> {
    let mut targets = Vec::new();
    while let Ok(Some(target)) = root.link_target(&path) {
        let directory = path.parent().unwrap_or(Path::new("/"));
        path = directory.join(target);
        if targets.len() == LINK_LIMIT {
            break;
        }
        targets.push(path.clone());
    }
    targets
}

fn of_k3s(node: &Node) -> Vec<Watched> {
    let config = &node.places.config_file;
    let drop_ins = drop_in_directory(config);
    let kubelet = node.places.data_dir.join("agent/etc/kubelet.conf.d");
    let mut all = vec![
        Watched::Path(config.clone(), Aspect::Content),
        matching(&drop_ins, "*.yaml", Aspect::Content),
        matching(&drop_ins, "*.yml", Aspect::Content),
        matching(&kubelet, "*.conf", Aspect::Content),
    ];
    // Before K3s is installed nobody knows the unit's name; these are install.sh's.
    let units = UNIT_DIRECTORIES.iter().map(Path::new);
    all.extend(units.map(|units| matching(units, "k3s*.service", Aspect::Content)));
    if let Some(binary) = node.binary() {
        all.push(Watched::Path(binary, Aspect::Content));
    }
    if let Some(unit) = &node.places.unit {
        all.extend(of_unit(unit));
    }
    // Environment files wherever an operator has them, also those that are not there yet.
    let read = node.unit.iter().flat_map(|unit| &unit.inputs);
    all.extend(read.map(|input| Watched::Path(input.path.clone(), Aspect::Content)));
    all
}

fn of_unit(unit: &str) -> Vec<Watched> {
    let fragments = UNIT_DIRECTORIES
        .iter()
        .map(|units| Path::new(units).join(unit));
    let drop_ins = drop_in_directories(unit);
    let drop_ins = drop_ins
        .iter()
        .map(|drop_ins| matching(drop_ins, "*.conf", Aspect::Content));
    let mut all: Vec<Watched> = fragments
        .map(|fragment| Watched::Path(fragment, Aspect::Content))
        .chain(drop_ins)
        .collect();
    let beside = Path::new("/etc/systemd/system").join(format!("{unit}.env"));
    all.push(Watched::Path(beside, Aspect::Content));
    let name = unit.trim_end_matches(".service");
    for directory in ENVIRONMENT.map(Path::new) {
        all.push(Watched::Path(directory.join(name), Aspect::Content));
    }
    all
}

fn matching(directory: &Path, pattern: &str, aspect: Aspect) -> Watched {
    Watched::Matching {
        directory: directory.to_path_buf(),
        pattern: pattern.to_owned(),
        aspect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_is_linked_is_watched_where_it_lies() {
        let tree = tempfile::tempdir().unwrap();
        let made = |path: &str| std::fs::create_dir_all(tree.path().join(path)).unwrap();
        let linked = |target: &str, path: &str| {
            std::os::unix::fs::symlink(target, tree.path().join(path)).unwrap();
        };
        made("etc/rancher/k3s/config.yaml.d");
        made("data");
        linked("../../../data/first.yaml", "etc/rancher/k3s/config.yaml");
        linked("/data/second.yaml", "data/first.yaml");
        linked(
            "/data/part.yaml",
            "etc/rancher/k3s/config.yaml.d/10-site.yaml",
        );
        linked("/data/other", "etc/rancher/k3s/config.yaml.d/README");
        let root = Root::open(tree.path()).unwrap();

        let config = Watched::Path("/etc/rancher/k3s/config.yaml".into(), Aspect::Content);
        let parts = matching(
            Path::new("/etc/rancher/k3s/config.yaml.d"),
            "*.yaml",
            Aspect::Content,
        );
        let led_to = |watched: &Watched| {
            let names = names(watched, &root).into_iter();
            names.flat_map(|path| targets(&root, path)).collect()
        };
        let of_config: Vec<PathBuf> = led_to(&config);
        assert_eq!(
            of_config,
            [
                "/etc/rancher/k3s/../../../data/first.yaml",
                "/data/second.yaml"
            ]
            .map(PathBuf::from)
        );
        let of_parts: Vec<PathBuf> = led_to(&parts);
        assert_eq!(of_parts, [PathBuf::from("/data/part.yaml")]);
    }

    #[test]
    fn the_targets_of_links_in_sysctl_d_are_watched_and_a_mask_is_none() {
        let tree = tempfile::tempdir().unwrap();
        let directory = tree.path().join("etc/sysctl.d");
        std::fs::create_dir_all(&directory).unwrap();
        for (name, target) in [
            ("99-sysctl.conf", "../sysctl.conf"),
            ("50-masked.conf", "/dev/null"),
            ("51-masked.conf", "../../dev/null"),
        ] {
            std::os::unix::fs::symlink(target, directory.join(name)).unwrap();
        }
        let root = Root::open(tree.path()).unwrap();
        let target = PathBuf::from("/etc/sysctl.d/../sysctl.conf");
        let expected = [Watched::Path(target, Aspect::Content)];
        assert_eq!(behind_sysctl_links(&root), expected);
    }

    #[test]
    fn links_in_a_circle_end() {
        let tree = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", tree.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", tree.path().join("b")).unwrap();
        let root = Root::open(tree.path()).unwrap();
        assert_eq!(targets(&root, PathBuf::from("/a")).len(), LINK_LIMIT);
    }
}
