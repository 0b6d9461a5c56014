//! Where systemd looks for a unit and its drop-ins, and which of them win (`systemd.unit`, "Unit File Load Path").

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use crate::host::{HostError, Kind};
use crate::k3s::files::Files;

/// The directories of the system manager, the strongest first.
pub const DIRECTORIES: [&str; 12] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// What stands at a path of the load path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// Empty, or a link to `/dev/null`.
    Masked,
    /// A link to a unit of another name, which this is only an alias of.
    Alias,
    Content(Vec<u8>),
}

/// Looks at one path.
pub(super) fn look(files: &Files<'_>, path: &Path) -> Result<Found, HostError> {
    if let Some(target) = files.link_target(path)? {
        if target == Path::new("/dev/null") {
            return Ok(Found::Masked);
        }
        let is_unit = target.extension().is_some_and(|suffix| suffix == "service");
        if is_unit && target.file_name() != path.file_name() && is_in_load_path(path, &target) {
            return Ok(Found::Alias);
        }
    }
    match files.kind(path)? {
        Some(Kind::File) => {}
        Some(Kind::Fifo | Kind::Socket | Kind::Device) => return Ok(Found::Masked),
        _ => return Ok(Found::Nothing),
    }
    Ok(match files.read(path)? {
        None => Found::Nothing,
        Some(content) if content.is_empty() => Found::Masked,
        Some(content) => Found::Content(content),
    })
}

/// Whether the target of a link lies where systemd looks for units. A link to elsewhere (`systemctl link`) is a unit of its
/// own name, whatever the file there is called (`unit_file_resolve_symlink` in install.c).
fn is_in_load_path(link: &Path, target: &Path) -> bool {
    let from = link.parent().unwrap_or(Path::new("/"));
    let mut directory = PathBuf::new();
    for part in from
        .join(target)
        .parent()
        .into_iter()
        .flat_map(Path::components)
    {
        match part {
            Component::ParentDir => {
                directory.pop();
            }
            Component::CurDir => {}
            part => directory.push(part),
        }
    }
    DIRECTORIES
        .iter()
        .any(|known| directory == Path::new(known))
}

/// The path that decides about a unit, and what stands there; `None` where there is no such unit.
pub(super) fn fragment(
    files: &Files<'_>,
    unit: &str,
) -> Result<Option<(PathBuf, Found)>, HostError> {
    for directory in DIRECTORIES {
        let path = Path::new(directory).join(unit);
        match look(files, &path)? {
            Found::Nothing => {}
            found => return Ok(Some((path, found))),
        }
    }
    Ok(None)
}

/// The drop-ins of a unit in the order in which they are applied: by file name, whatever their directory; of one name
/// the strongest directory's counts.
pub(super) fn drop_ins(files: &Files<'_>, unit: &str) -> Result<Vec<PathBuf>, HostError> {
    let mut by_name: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in drop_in_directories(unit) {
        for entry in files.listing(&directory)?.unwrap_or_default() {
            let name = entry.name.to_string_lossy();
            if entry.is_directory || name.starts_with('.') || !name.ends_with(".conf") {
                continue;
            }
            let path = directory.join(&entry.name);
            by_name.entry(entry.name).or_insert(path);
        }
    }
    Ok(by_name.into_values().collect())
}

/// The directories of drop-ins, the strongest first: those of the name and its prefixes in each directory of the load
/// path, then those for all services.
#[must_use]
pub fn drop_in_directories(unit: &str) -> Vec<PathBuf> {
    let names = names_and_prefixes(unit);
    let own = DIRECTORIES.iter().flat_map(|directory| {
        names
            .iter()
            .map(move |name| format!("{directory}/{name}.d"))
    });
    let all = DIRECTORIES
        .iter()
        .map(|directory| format!("{directory}/service.d"));
    own.chain(all).map(PathBuf::from).collect()
}

/// `k3s-a-b.service`, `k3s-a-.service`, `k3s-.service`.
fn names_and_prefixes(unit: &str) -> Vec<String> {
    let mut names = vec![unit.to_owned()];
    let mut prefix = unit.strip_suffix(".service").unwrap_or(unit);
    loop {
        let whole = prefix.strip_suffix('-').unwrap_or(prefix);
        match whole.rfind('-') {
            None | Some(0) => return names,
            Some(dash) => {
                prefix = whole.get(..=dash).unwrap_or_default();
                names.push(format!("{prefix}.service"));
            }
        }
    }
}

/// Whether a unit of this name can be K3s's, as install.sh names them: `k3s.service`, `k3s-NAME.service`.
#[must_use]
pub fn is_k3s_name(name: &str) -> bool {
    name == "k3s.service"
        || (name.starts_with("k3s-") && name.ends_with(".service") && !name.contains('@'))
}

/// Names of units that can be K3s's, sorted.
pub(super) fn candidates(files: &Files<'_>) -> Result<Vec<String>, HostError> {
    let mut units = std::collections::BTreeSet::new();
    for directory in DIRECTORIES {
        for entry in files.listing(Path::new(directory))?.unwrap_or_default() {
            let Some(name) = entry.name.to_str() else {
                continue;
            };
            if is_k3s_name(name) && !entry.is_directory {
                units.insert(name.to_owned());
            }
        }
    }
    Ok(units.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_of_prefixes_are_looked_for() {
        assert_eq!(
            names_and_prefixes("k3s-a-b.service"),
            ["k3s-a-b.service", "k3s-a-.service", "k3s-.service"]
        );
        assert_eq!(names_and_prefixes("k3s.service"), ["k3s.service"]);
    }
}
