//! The sandbox of our own units: what must be writable in it beside the places that the package's units name, and what
//! must be visible.
//!
//! K3s's data directory and configuration, and the metrics, can be anywhere, and so can the files that K3s reads. Where they
//! are is said in a drop-in that is planned, recorded and taken back like every other change. It counts from the unit's next
//! start on: a process inside sees the file system as it was when systemd built the sandbox.

use std::path::{Path, PathBuf};

use crate::host::{Attributes, Extent, FileMode, HostError, Root, State, Thing, own};
use crate::node::Node;
use crate::policy::Policy;
use crate::setting::{Change, Effect, Stage};

use super::Pass;
use super::service::inputs;

/// Where `ReadWritePaths=` of the packaged units lets us write.
pub const PACKAGED: [&str; 5] = [
    "/etc/sysctl.d",
    "/etc/rancher",
    "/var/lib/rancher",
    "/var/lib/cni",
    "/etc/systemd/system",
];
/// The daemon's unit.
pub const DAEMON: &str = "k3warden.service";
/// The units of the package, which share one sandbox.
pub const UNITS: [&str; 2] = [DAEMON, "k3warden-apply.service"];
/// Where they may be installed.
const INSTALLED: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const DROP_INS: &str = "/etc/systemd/system";
const NAME: &str = "50-paths.conf";
const MODE: FileMode = FileMode::new(0o644);
/// What `ProtectHome=yes` hides, systemd.exec(5).
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
/// What `PrivateTmp=yes` replaces.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];
/// Made by the units themselves (`StateDirectory=` and its like), or nowhere to keep anything.
const NEVER: [&str; 6] = [
    own::STATE,
    own::RUNTIME,
    "/var/log/k3warden",
    "/proc",
    "/sys",
    "/dev",
];

/// The places that this node's configuration and policy put outside of the packaged units' own, in order.
#[must_use]
pub fn places(root: &Root, node: &Node, policy: &Policy) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut add = |path: PathBuf| {
        let within = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
        if path.is_absolute() && !within(&PACKAGED) && !within(&NEVER) && is_plain(&path) {
            all.push(path);
        }
    };
    let data_dir = &node.places.data_dir;
    add(data_dir.clone());
    // `/var/lib/rancher/k3s` may be a link to another disk: what it leads to is what is written.
    if let Ok(Some(real)) = root.real_directory(data_dir) {
        add(real);
    }
    let config_file = &node.places.config_file;
    let mut drop_ins = config_file.clone().into_os_string();
    drop_ins.push(".d");
    beside(config_file, [config_file.clone(), PathBuf::from(drop_ins)])
        .into_iter()
        .for_each(&mut add);
    // Its bits are held, wherever a package has put it. Its directory is the system's own.
    if let Some(unit_file) = &node.places.unit_file {
        add(unit_file.clone());
    }
    if let Some(metrics_file) = &policy.metrics_file {
        beside(&metrics_file.value, [])
            .into_iter()
            .for_each(&mut add);
    }
    all.sort();
    all.dedup();
    all
}

/// The directory of a file; where that is one of the system's own, which we must not open as a whole, these instead.
fn beside<const COUNT: usize>(file: &Path, instead: [PathBuf; COUNT]) -> Vec<PathBuf> {
    const TOP_LEVEL: usize = 2;
    match file.parent() {
        Some(directory) if directory.components().count() > TOP_LEVEL => {
            vec![directory.to_path_buf()]
        }
        _ => instead.into(),
    }
}

/// Whether a path can be written into a unit file as it is.
fn is_plain(path: &Path) -> bool {
    let plain = |text: &str| {
        !text.contains(|letter: char| letter.is_control() || matches!(letter, '"' | '\\' | '\''))
    };
    path.to_str().is_some_and(plain)
}

/// What K3s reads on this node, which must not be hidden from us: K3s would be judged by what is not there.
fn reads(pass: &Pass<'_>) -> Vec<PathBuf> {
    let unit = pass.node.unit.iter().flat_map(|unit| &unit.inputs);
    let mut all: Vec<PathBuf> = unit.map(|input| input.path.clone()).collect();
    all.extend(pass.node.binary());
    if let Ok(effective) = pass.effective() {
        let inputs = effective.configuration.inputs.iter();
        all.extend(inputs.map(|input| input.path.clone()));
        all.extend(inputs::loaded(pass.host, pass.node, effective).unwrap_or_default());
    }
    all
}

/// The drop-in; `None` where the packaged units are enough.
fn text(places: &[PathBuf], reads: &[PathBuf]) -> Option<String> {
    let lies_in = |paths: &[PathBuf], hidden: &[&str]| {
        (paths.iter()).any(|path| hidden.iter().any(|hidden| path.starts_with(hidden)))
    };
    let home = match (lies_in(places, &HOMES), lies_in(reads, &HOMES)) {
        (true, _) => "ProtectHome=no\n",
        (false, true) => "ProtectHome=read-only\n",
        (false, false) => "",
    };
    // systemd has no read-only form of it.
    let temporary = match lies_in(places, &TEMPORARY) || lies_in(reads, &TEMPORARY) {
        true => "PrivateTmp=no\n",
        false => "",
    };
    if places.is_empty() && home.is_empty() && temporary.is_empty() {
        return None;
    }
    let quoted = |prefix: &str| {
        let words = places
            .iter()
            .map(|place| format!("\"{prefix}{}\"", place.display()).replace('%', "%%"));
        words.collect::<Vec<_>>().join(" ")
    };
    let mut text = "# Written by k3warden: what this node's configuration and policy put outside the places that the unit names.\n"
        .to_owned();
    if !places.is_empty() {
        text.push_str(&format!("[Unit]\nRequiresMountsFor={}\n", quoted("")));
    }
    text.push_str("[Service]\n");
    if !places.is_empty() {
        text.push_str(&format!("ReadWritePaths={}\n", quoted("-")));
    }
    Some(text + home + temporary)
}

/// Whether a change is of a drop-in of ours.
#[must_use]
pub fn is_drop_in(thing: &Thing) -> bool {
    UNITS
        .iter()
        .any(|unit| *thing == Thing::Path(drop_in(unit)))
}

fn drop_in(unit: &str) -> PathBuf {
    Path::new(DROP_INS).join(format!("{unit}.d")).join(NAME)
}

/// The changes after which the units can write where they have to.
///
/// # Errors
/// When a drop-in cannot be looked at.
pub(super) fn plan(pass: &Pass<'_>) -> Result<Vec<Change>, HostError> {
    // Where nobody can tell what K3s reads, the sandbox stays as it is.
    if pass.node.configuration_problem.is_some() {
        return Ok(Vec::new());
    }
    let root = &pass.host.root;
    let wanted = text(&places(root, pass.node, pass.policy), &reads(pass));
    let mut changes = Vec::new();
    for unit in UNITS {
        if is_installed(root, unit)? {
            changes.extend(plan_one(pass, unit, wanted.as_deref())?);
        }
    }
    Ok(changes)
}

fn is_installed(root: &Root, unit: &str) -> Result<bool, HostError> {
    for directory in INSTALLED {
        if root.kind(&Path::new(directory).join(unit))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn plan_one(pass: &Pass<'_>, unit: &str, wanted: Option<&str>) -> Result<Vec<Change>, HostError> {
    let path = drop_in(unit);
    let thing = Thing::Path(path.clone());
    let before = pass.host.capture(&thing, Extent::Whole)?;
    let is_ours = |content: &[u8]| pass.written.is_ours(&thing, content);
    let (uid, gid) = pass.host.root.superuser();
    let attributes = Attributes {
        mode: MODE,
        uid,
        gid,
    };
    let is_wanted = |content: &[u8]| wanted.is_some_and(|wanted| content == wanted.as_bytes());
    let after = match (&before, wanted) {
        (State::Absent, None) => return Ok(Vec::new()),
        // An operator's own of that name stands.
        (State::File { content, .. }, _) if !is_wanted(content) && !is_ours(content) => {
            return Ok(Vec::new());
        }
        (_, None) => State::Absent,
        (_, Some(wanted)) => State::File {
            content: wanted.as_bytes().to_vec(),
            attributes,
        },
    };
    if before == after {
        return Ok(Vec::new());
    }
    let mut changes = match &after {
        State::Absent => Vec::new(),
        _ => pass.missing_directories(&path)?,
    };
    changes.push(Change {
        thing,
        before,
        after,
        stage: Stage::UnitDropIn,
        effect: Effect::DaemonReload,
    });
    changes
        .iter_mut()
        .for_each(|change| change.stage = Stage::UnitDropIn);
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_units_name_the_places_that_we_take_for_writable() {
        for unit in UNITS {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("systemd")
                .join(unit);
            let text = std::fs::read_to_string(path).unwrap();
            let line = text
                .lines()
                .find(|line| line.starts_with("ReadWritePaths=-"));
            let words = line.unwrap().trim_start_matches("ReadWritePaths=");
            let named: Vec<&str> = words.split(' ').map(|word| &word[1..]).collect();
            assert_eq!(named, PACKAGED, "{unit}");
        }
    }

    #[test]
    fn only_the_directory_of_a_file_is_opened_and_never_one_of_the_systems_own() {
        let file = |path: &str| beside(Path::new(path), [PathBuf::from(path)]);
        assert_eq!(file("/opt/k3s/config.yaml"), [PathBuf::from("/opt/k3s")]);
        assert_eq!(file("/etc/k3s.yaml"), [PathBuf::from("/etc/k3s.yaml")]);
        assert_eq!(file("/k3s.yaml"), [PathBuf::from("/k3s.yaml")]);
    }

    #[test]
    fn the_drop_in_quotes_and_opens_what_else_hides_a_place() {
        let places = [PathBuf::from("/home/k3s data"), PathBuf::from("/srv/50%")];
        let text = text(&places, &[]).unwrap();
        assert!(
            text.contains("ReadWritePaths=\"-/home/k3s data\" \"-/srv/50%%\"\n"),
            "{text}"
        );
        assert!(
            text.contains("RequiresMountsFor=\"/home/k3s data\" \"/srv/50%%\"\n"),
            "{text}"
        );
        assert!(text.contains("ProtectHome=no\n"), "{text}");
        assert!(!text.contains("PrivateTmp"), "{text}");
        assert!(!is_plain(Path::new("/a\"b")));
    }

    #[test]
    fn what_is_only_read_is_made_visible_and_no_more() {
        let read = |path: &str| text(&[], &[PathBuf::from(path)]);
        assert_eq!(text(&[], &[]), None);
        assert_eq!(read("/etc/k3s.env"), None);
        let home = read("/root/k3s.env").unwrap();
        assert!(
            home.ends_with("[Service]\nProtectHome=read-only\n"),
            "{home}"
        );
        let temporary = read("/tmp/audit.yaml").unwrap();
        assert!(
            temporary.ends_with("[Service]\nPrivateTmp=no\n"),
            "{temporary}"
        );
    }
}
