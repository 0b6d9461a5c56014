//! What is watched beside the settings: the signs of an operator who stops us, K3s's starts, and what K3s is made of.

use std::path::{Path, PathBuf};

use crate::k3s::{UNIT_DIRECTORIES, drop_in_directories, drop_in_directory};
use crate::node::Node;
use crate::setting::{Aspect, Watched};

use super::index::Concern;
use super::suspension;

/// systemd keeps a link `invocation:UNIT` for each unit that runs, new at each start (systemd `unit_export_invocation_id`,
/// since 237): a start is seen without D-Bus and without polling.
const INVOCATIONS: &str = "/run/systemd/units";
/// Environment files that install.sh's units read, known before there is a unit.
const ENVIRONMENT: [&str; 2] = ["/etc/default", "/etc/sysconfig"];

/// What is watched beside the settings, with its concern.
#[must_use]
pub fn of(node: &Node) -> Vec<(Watched, Concern)> {
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
    all.extend(
        of_k3s(node)
            .into_iter()
            .map(|watched| (watched, Concern::K3sInputs)),
    );
    all
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
