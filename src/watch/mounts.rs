//! Disks that are mounted while we run.
//!
//! A mount over a directory raises no inotify event, but the kernel tells of changes of the mount table. In the mount
//! namespace that systemd makes for us a disk mounted later on the host ends up beneath the bind mount of
//! `ReadWritePaths=` and stays hidden from us: we would work on a directory that K3s does not see. A file that is mounted
//! over another leaves their directory as it was, too.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

const MOUNT_TABLE: &str = "/proc/self/mountinfo";

/// The mount table of our namespace. Its descriptor is ready with POLLPRI, once, after something was mounted or
/// unmounted (proc_pid_mountinfo(5)).
#[derive(Debug)]
pub struct Mounts {
    file: File,
}

impl Mounts {
    /// Opens the mount table.
    ///
    /// # Errors
    /// When there is no /proc, or no descriptor to be had.
    pub fn open() -> io::Result<Self> {
        let file = File::open(MOUNT_TABLE)?;
        Ok(Self { file })
    }

    /// Which of these places, which our unit binds, hides a newer mount of the host from us; `None` if all is as K3s
    /// sees it.
    #[must_use]
    pub fn hidden<'p>(places: impl IntoIterator<Item = &'p Path>) -> Option<PathBuf> {
        let table = std::fs::read_to_string(MOUNT_TABLE).ok()?;
        let places: Vec<&Path> = places.into_iter().collect();
        hidden_in(&table, &places)
    }

    /// What is mounted where it concerns us; `None` if that cannot be read.
    #[must_use]
    pub fn standing(concerns: &dyn Fn(&Path) -> bool) -> Option<Mounted> {
        let table = std::fs::read_to_string(MOUNT_TABLE).ok()?;
        Some(standing_in(&table, concerns))
    }
}

/// What is mounted: the mount points, each with the words that tell one mount from another.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mounted(BTreeSet<(PathBuf, String)>);

impl Mounted {
    /// The points at which something was mounted or unmounted.
    pub fn changed<'m>(&'m self, now: &'m Self) -> impl Iterator<Item = &'m Path> {
        let all = self.0.symmetric_difference(&now.0);
        all.map(|(point, _)| point.as_path())
    }
}

impl AsFd for Mounts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A mount of one line of mountinfo, proc_pid_mountinfo(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mount<'a> {
    id: &'a str,
    parent: &'a str,
    /// Device, as major:minor.
    device: &'a str,
    /// The directory of that file system which is mounted.
    directory: &'a str,
    point: &'a str,
}

fn parse(line: &str) -> Option<Mount<'_>> {
    let mut words = line.split(' ');
    Some(Mount {
        id: words.next()?,
        parent: words.next()?,
        device: words.next()?,
        directory: words.next()?,
        point: words.next()?,
    })
}

fn standing_in(table: &str, concerns: &dyn Fn(&Path) -> bool) -> Mounted {
    let mounts = table.lines().filter_map(parse);
    let near = mounts.filter(|mount| concerns(Path::new(mount.point)));
    let told = near.map(|mount| {
        let which = format!("{} {} {}", mount.id, mount.device, mount.directory);
        (PathBuf::from(mount.point), which)
    });
    Mounted(told.collect())
}

/// A bind mount made by `ReadWritePaths=` shows what was at its mount point when it was made. If what is mounted
/// directly beneath it is something else now, that came later.
fn hidden_in(table: &str, places: &[&Path]) -> Option<PathBuf> {
    let mounts: Vec<Mount<'_>> = table.lines().filter_map(parse).collect();
    for upper in &mounts {
        let beneath = mounts
            .iter()
            .find(|lower| lower.id == upper.parent && lower.point == upper.point);
        if let Some(lower) = beneath
            && (lower.device, lower.directory) != (upper.device, upper.directory)
            // What others stack on each other is theirs.
            && places.contains(&Path::new(upper.point))
        {
            return Some(PathBuf::from(upper.point));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n";

    #[test]
    fn a_disk_that_was_there_before_us_is_seen() {
        let table = format!(
            "{ROOT}30 22 8:2 / /var/lib/rancher rw - ext4 /dev/sdb1 rw\n\
             40 30 8:2 / /var/lib/rancher rw - ext4 /dev/sdb1 rw\n"
        );
        assert_eq!(hidden_in(&table, &[Path::new("/var/lib/rancher")]), None);
    }

    #[test]
    fn a_disk_mounted_beneath_our_bind_mount_is_hidden() {
        let table = format!(
            "{ROOT}40 50 8:1 /var/lib/rancher /var/lib/rancher rw - ext4 /dev/sda1 rw\n\
             50 22 8:2 / /var/lib/rancher rw - ext4 /dev/sdb1 rw\n"
        );
        assert_eq!(
            hidden_in(&table, &[Path::new("/var/lib/rancher")]),
            Some(PathBuf::from("/var/lib/rancher"))
        );
    }

    #[test]
    fn a_file_that_is_mounted_over_a_file_is_a_change_and_a_pods_volume_is_none() {
        let concerns = |point: &Path| point.starts_with("/etc/rancher");
        let before = standing_in(ROOT, &concerns);
        let table = format!(
            "{ROOT}40 22 8:1 /other /etc/rancher/k3s/config.yaml rw - ext4 /dev/sda1 rw\n\
             41 22 0:9 / /var/lib/kubelet/pods/x rw - tmpfs t rw\n"
        );
        let now = standing_in(&table, &concerns);
        let changed: Vec<&Path> = before.changed(&now).collect();
        assert_eq!(changed, [Path::new("/etc/rancher/k3s/config.yaml")]);
        assert_eq!(now.changed(&before).count(), 1, "unmounted");
        assert_eq!(now.changed(&now).count(), 0);
    }

    #[test]
    fn what_others_stack_is_theirs() {
        let table = format!(
            "{ROOT}40 50 0:1 / /mnt rw - tmpfs t rw\n50 22 8:2 / /mnt rw - ext4 /dev/sdb1 rw\ncut 1\n"
        );
        assert_eq!(hidden_in(&table, &[Path::new("/var/lib/rancher")]), None);
    }
}
