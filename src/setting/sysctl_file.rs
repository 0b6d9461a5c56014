//! The files in `/etc/sysctl.d` that set kernel parameters at the next boot.
//!
//! The guide's file is `90-kubelet.conf`. Where a later file sets another value, a last-sorting file of our own sets
//! just the keys that lose; an operator's lines and files are never edited away.

use std::ffi::OsStr;
use std::path::Path;

use nix::errno::Errno;

use crate::catalogue::SettingBody;
use crate::host::sysctl::last_sorting_name;
use crate::host::{
    Attributes, FileMode, HostError, Kind, NextBoot, READ_LIMIT_BYTES, Root, State, SysctlKey,
    Thing, Touches,
};

use super::directory::missing_parents;
use super::{Change, Effect, Stage, Subject, Want};

const STAGE: Stage = Stage::PersistedSysctl;
const DIRECTORY: &str = "/etc/sysctl.d";
const GUIDE_FILE: &str = "90-kubelet.conf";
const HEADING: &str =
    "# Kernel parameters that the kubelet checks, kept by k3warden (see: k3warden explain).\n";

/// A change and the keys that need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persisted {
    /// The change.
    pub change: Change,
    /// The parameters that it is for.
    pub keys: Vec<SysctlKey>,
}

/// The changes after which the next boot sets every wanted value.
///
/// # Errors
/// When the sysctl.d files cannot be read.
pub fn persist(subject: &Subject<'_>, wants: &[Want]) -> Result<Vec<Persisted>, HostError> {
    if wants.is_empty() {
        return Ok(Vec::new());
    }
    let next_boot = (subject.next_boot)()?;
    let directory = Path::new(DIRECTORY);
    let guide_file = directory.join(GUIDE_FILE);
    let name = OsStr::new(GUIDE_FILE);
    let masked = next_boot.is_masked(name);
    // A file of that name in another directory holds lines of somebody else, which ours would hide.
    let elsewhere = next_boot
        .winner_of(name)
        .is_some_and(|winner| winner != guide_file);
    let usable = !masked && !elsewhere;
    let (ours, losing): (Vec<&Want>, Vec<&Want>) = wants
        .iter()
        .partition(|want| usable && !outranked(next_boot, want, &guide_file));
    let mut changes = Vec::new();
    if !ours.is_empty() {
        let change = with_lines(subject, &guide_file, &ours)?;
        changes.extend(change.map(|change| persisted(change, &ours)));
    }
    if !losing.is_empty() {
        let name = last_sorting_name(next_boot.names()).ok_or_else(|| {
            HostError::system("sort after every file in", directory, Errno::ENAMETOOLONG)
        })?;
        let change = with_lines(subject, &directory.join(name), &losing)?;
        changes.extend(change.map(|change| persisted(change, &losing)));
    }
    if let Some(first) = changes.first() {
        let mut parents = missing_parents(subject, thing_path(&first.change), STAGE)?
            .into_iter()
            .map(|change| persisted(change, &wants.iter().collect::<Vec<_>>()))
            .collect::<Vec<_>>();
        parents.append(&mut changes);
        changes = parents;
    }
    Ok(changes)
}

fn persisted(change: Change, wants: &[&Want]) -> Persisted {
    Persisted {
        change,
        keys: wants.iter().map(|want| want.key.clone()).collect(),
    }
}

/// A sysctl.d file as it was before us, with a line for each of these settings; `None` if the thing is none.
#[must_use]
pub fn with_settings(
    root: &Root,
    thing: &Thing,
    before: &State,
    settings: &[&SettingBody],
) -> Option<State> {
    in_directory(thing)?;
    let wants: Vec<Want> = settings
        .iter()
        .filter_map(|setting| want(setting))
        .collect();
    let (old, attributes) = match before {
        State::File {
            content,
            attributes,
        } => (content.as_slice(), attributes.clone()),
        State::Absent => (&[][..], fresh(root)),
        _ => return None,
    };
    let content = merged(old, &wants.iter().collect::<Vec<_>>());
    Some(State::File {
        content,
        attributes,
    })
}

/// A sysctl.d file without what we wrote into it, where somebody has written other lines since than were there before us:
/// the guide names this file, so others write it too. `None` where the state of before is all there is to put back.
/// `now` tells what the file is; only asked of such a file.
#[must_use]
pub fn without_ours(
    thing: &Thing,
    before: &State,
    now: impl FnOnce() -> Option<State>,
    ours: &[&SettingBody],
) -> Option<State> {
    in_directory(thing)?;
    let wants = ours.iter().filter_map(|setting| want(setting));
    let keys: Vec<SysctlKey> = wants.map(|want| want.key).collect();
    let (old, attributes) = match before {
        State::File {
            content,
            attributes,
        } => (content.as_slice(), Some(attributes.clone())),
        State::Absent => (&[][..], None),
        _ => return None,
    };
    let State::File {
        content: now,
        attributes: found,
    } = now()?
    else {
        return None;
    };
    let (theirs, _) = divided(&now, &keys);
    let (theirs_before, own_before) = divided(old, &keys);
    if theirs == theirs_before || theirs.is_empty() {
        return None;
    }
    Some(State::File {
        content: [theirs, own_before].concat(),
        attributes: attributes.unwrap_or(found),
    })
}

/// What a setting wants of sysctl.d, if it is one of a kernel parameter.
fn want(setting: &SettingBody) -> Option<Want> {
    match setting {
        SettingBody::Sysctl(sysctl) => Some(Want {
            key: SysctlKey::parse(&sysctl.key).ok()?,
            value: sysctl.value.clone(),
        }),
        _ => None,
    }
}

/// The path of a thing that is a file of sysctl.d.
fn in_directory(thing: &Thing) -> Option<&Path> {
    match thing {
        Thing::Path(path) if path.parent() == Some(Path::new(DIRECTORY)) => Some(path),
        _ => None,
    }
}

/// The lines of a file that have nothing to do with some keys, and those that set them; our heading is in neither.
fn divided(content: &[u8], keys: &[SysctlKey]) -> (Vec<u8>, Vec<u8>) {
    let (mut others, mut ours) = (Vec::new(), Vec::new());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        if assigned_key(line).is_some_and(|key| keys.contains(&key)) {
            ours.extend_from_slice(line);
        } else if !HEADING.as_bytes().starts_with(line) {
            others.extend_from_slice(line);
        }
    }
    (others, ours)
}

fn fresh(root: &Root) -> Attributes {
    let (uid, gid) = root.superuser();
    Attributes {
        mode: FileMode::new(0o644),
        uid,
        gid,
    }
}

/// Whether a line in the guide's file would lose to another file, or to its own later line.
fn outranked(next_boot: &NextBoot, want: &Want, guide_file: &Path) -> bool {
    let key = &want.key;
    let is_later = |path: &Path| path != guide_file && path.file_name() > guide_file.file_name();
    // A bare `-key` after ours undoes it.
    let excluded = next_boot.exclusion(key);
    let later = next_boot
        .assignment(key)
        .is_some_and(|winner| is_later(&winner.path))
        || excluded.is_some_and(|exclusion| is_later(&exclusion.path));
    // Said rightly in the guide's file and yet not what the boot sets: it loses there, whatever the reason.
    let said = next_boot.all(key).iter().any(|statement| {
        statement.path() == guide_file && statement.value() == Some(want.value.as_str())
    });
    let wins = next_boot
        .assignment(key)
        .is_some_and(|winner| winner.path == guide_file && winner.value == want.value);
    later || (said && !wins)
}

/// Whether a file is one of those that we write, and somebody else than root may write it too: what it sets at the next
/// boot is then anybody's. Files of operators are theirs.
pub(super) fn is_ours_for_all(subject: &Subject<'_>, path: &Path) -> Result<bool, HostError> {
    let directory = Path::new(DIRECTORY);
    let next_boot = (subject.next_boot)()?;
    let last = last_sorting_name(next_boot.names()).map(|name| directory.join(name));
    if path != directory.join(GUIDE_FILE) && last.as_deref() != Some(path) {
        return Ok(false);
    }
    let root = &subject.host.root;
    let entry = root.look(path)?;
    Ok(entry.is_some_and(|entry| !root.only_root_writes(&entry.attributes)))
}

/// The same, for root alone to write.
fn guarded(root: &Root, attributes: Attributes) -> Attributes {
    if root.only_root_writes(&attributes) {
        return attributes;
    }
    Attributes {
        mode: attributes.mode.intersection(FileMode::new(0o755)),
        ..fresh(root)
    }
}

/// The change that gives a file one line for each key, its other lines kept as they are.
fn with_lines(
    subject: &Subject<'_>,
    path: &Path,
    wants: &[&Want],
) -> Result<Option<Change>, HostError> {
    let root = &subject.host.root;
    if let Some(reason) = root.obstacle(path, Touches::Name)? {
        return Err(HostError::refused(path, reason));
    }
    let (before, old, attributes) = match root.look(path)? {
        None => (State::Absent, Vec::new(), fresh(root)),
        Some(entry) => {
            if let Some(reason) = root.hazard(&entry, path, Kind::File)? {
                return Err(HostError::refused(path, reason));
            }
            let content = root.read_here(path, READ_LIMIT_BYTES)?.unwrap_or_default();
            let attributes = entry.attributes;
            let before = State::File {
                content: content.clone(),
                attributes: attributes.clone(),
            };
            (before, content, attributes)
        }
    };
    let after = State::File {
        content: merged(&old, wants),
        attributes: guarded(root, attributes),
    };
    if after == before {
        return Ok(None);
    }
    Ok(Some(Change {
        thing: Thing::Path(path.to_path_buf()),
        before,
        after,
        stage: STAGE,
        effect: Effect::None,
    }))
}

/// The file's lines without other values for these keys, and one line for each key at the end. The operator's lines
/// stay as they are to the byte, whatever their encoding.
fn merged(old: &[u8], wants: &[&Want]) -> Vec<u8> {
    let mut content = Vec::with_capacity(old.len());
    for line in old.split_inclusive(|byte| *byte == b'\n') {
        let sets_one_of_ours =
            assigned_key(line).is_some_and(|key| wants.iter().any(|want| want.key == key));
        if !sets_one_of_ours {
            content.extend_from_slice(line);
        }
    }
    if content.is_empty() {
        content.extend_from_slice(HEADING.as_bytes());
    } else if content.last() != Some(&b'\n') {
        content.push(b'\n');
    }
    for Want { key, value } in wants {
        content.extend_from_slice(format!("{key} = {value}\n").as_bytes());
    }
    content
}

fn assigned_key(line: &[u8]) -> Option<SysctlKey> {
    let (key, _) = std::str::from_utf8(line).ok()?.split_once('=')?;
    let key = key.trim();
    SysctlKey::parse(key.strip_prefix('-').unwrap_or(key).trim()).ok()
}

fn thing_path(change: &Change) -> &Path {
    match &change.thing {
        Thing::Path(path) => path,
        Thing::Sysctl(_) => Path::new(DIRECTORY),
    }
}
