//! The floor: a loop that knows one kind of drift of the files of one directory, and nothing else. It judges nothing, records
//! nothing and asks nobody.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use inotify::{Inotify, WatchMask};

/// What a file is to hold, for the loop that puts content back.
pub const CONTENT: &str = "content that is put back, written anew, synced and renamed\n";

/// `KIND DIRECTORY`: modes, values or contents. Never ends.
pub fn run(kind: &str, directory: &Path) -> ! {
    let mut inotify = Inotify::init().unwrap();
    let mut watches = inotify.watches();
    let mut pinned = Vec::new();
    match kind {
        "modes" => drop(watches.add(directory, WatchMask::ATTRIB).unwrap()),
        "contents" => {
            let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::DELETE;
            drop(watches.add(directory, mask).unwrap());
        }
        _ => {
            let mask = WatchMask::MODIFY;
            drop(watches.add(directory, mask).unwrap());
            // Keeps the kernel from forgetting the entries, and the watch with them.
            let entries = fs::read_dir(directory).unwrap();
            pinned.extend(entries.filter_map(|entry| fs::File::open(entry.unwrap().path()).ok()));
        }
    }
    let wanted = wanted(kind, directory);
    let mut buffer = [0; 4096];
    loop {
        for event in inotify.read_events_blocking(&mut buffer).unwrap() {
            let Some(name) = event.name else { continue };
            repair(kind, &directory.join(name), &wanted);
        }
    }
}

fn wanted(kind: &str, directory: &Path) -> Vec<(PathBuf, String)> {
    if kind != "values" {
        return Vec::new();
    }
    let entries = fs::read_dir(directory).unwrap();
    let value = |path: PathBuf| Some((path.clone(), fs::read_to_string(path).ok()?));
    entries
        .filter_map(|entry| value(entry.unwrap().path()))
        .collect()
}

fn repair(kind: &str, path: &Path, wanted: &[(PathBuf, String)]) {
    match kind {
        "modes" => {
            let Ok(found) = fs::symlink_metadata(path) else {
                return;
            };
            if found.permissions().mode() & 0o7777 != 0o600 {
                let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
            }
        }
        "contents" => {
            let is_temporary = path.extension().is_some_and(|ending| ending == "tmp");
            if is_temporary || fs::read_to_string(path).is_ok_and(|found| found == CONTENT) {
                return;
            }
            let new = path.with_extension("tmp");
            fs::write(&new, CONTENT).unwrap();
            fs::File::open(&new).unwrap().sync_all().unwrap();
            fs::rename(&new, path).unwrap();
            fs::File::open(path.parent().unwrap())
                .unwrap()
                .sync_all()
                .unwrap();
        }
        _ => {
            let Some((_, wanted)) = wanted.iter().find(|(known, _)| known == path) else {
                return;
            };
            if fs::read_to_string(path).is_ok_and(|found| found != *wanted) {
                let _ = fs::write(path, wanted);
            }
        }
    }
}
