//! What on the machine can change the answer of a setting: the paths to watch, and the answer about just one of them.

use std::path::{Path, PathBuf};

use crate::catalogue::SettingBody;
use crate::host::sysctl::DIRECTORIES;
use crate::host::{Root, SysctlKey};

use super::pattern::{self, Way};
use super::{Finding, Places, Subject, matches_pattern, permissions, sysctl};

/// Which changes of a path matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Being there, kind, owner and bits. K3s writes the content, and writes it often.
    Access,
    /// Everything.
    Content,
}

/// Something that can change the answer of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// What stands at a path, or that nothing does.
    Path(PathBuf, Aspect),
    /// Every name in a directory that fits a pattern with `*`.
    Matching {
        /// The directory.
        directory: PathBuf,
        /// The pattern.
        pattern: String,
        /// Which changes matter.
        aspect: Aspect,
    },
    /// A directory in which every directory is on the way to something watched: with one that comes or goes, it is to be
    /// asked again what is watched.
    Way(PathBuf),
    /// A live kernel parameter.
    Key(SysctlKey),
}

/// The one thing that an event names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// A path.
    Path(&'a Path),
    /// A live kernel parameter.
    Key(&'a SysctlKey),
    /// It is not known which: everything that the setting is about.
    Anything,
}

/// What can change the answer of a setting on this node.
#[must_use]
pub fn watched(setting: &SettingBody, root: &Root, places: &Places) -> Vec<Watched> {
    let at = |path: &str, aspect| {
        let path = places.expand(path);
        path.map(|path| Watched::Path(path, aspect))
            .into_iter()
            .collect()
    };
    match setting {
        SettingBody::Sysctl(setting) => match SysctlKey::parse(&setting.key) {
            Ok(key) => of_sysctl(key),
            Err(_) => Vec::new(),
        },
        SettingBody::Directory(directory) => at(&directory.path, Aspect::Access),
        SettingBody::File(file) => at(&file.path, Aspect::Content),
        SettingBody::Permissions(permissions) => {
            let Some(path) = places.expand(&permissions.path) else {
                return Vec::new();
            };
            let target = permissions.follows().then(|| link_target(root, &path));
            let mut all = match pattern::is_pattern(&permissions.path) {
                true => of_pattern(root, &path),
                false => vec![Watched::Path(path, Aspect::Access)],
            };
            all.extend(
                target
                    .flatten()
                    .map(|path| Watched::Path(path, Aspect::Access)),
            );
            all
        }
        SettingBody::Manifest(manifest) => {
            let directory = places.data_dir.join("server/manifests");
            vec![Watched::Path(
                directory.join(&manifest.name),
                Aspect::Content,
            )]
        }
        SettingBody::Option(_) | SettingBody::Argument(_) => of_configuration(places),
    }
}

/// The findings of a setting about one thing. What it says about others is not looked at.
#[must_use]
pub fn judge_named(setting: &SettingBody, subject: &Subject<'_>, named: Named<'_>) -> Vec<Finding> {
    match (setting, named) {
        (SettingBody::Sysctl(setting), Named::Key(key)) => sysctl::judge_key(setting, key, subject),
        (SettingBody::Permissions(setting), Named::Path(path)) if !setting.follows() => {
            permissions::judge_path(setting, path, subject)
        }
        _ => super::judge(setting, subject),
    }
}

fn of_sysctl(key: SysctlKey) -> Vec<Watched> {
    let drop_ins = DIRECTORIES.map(|directory| Watched::Matching {
        directory: PathBuf::from(directory),
        pattern: "*.conf".to_owned(),
        aspect: Aspect::Content,
    });
    std::iter::once(Watched::Key(key)).chain(drop_ins).collect()
}

/// The files that K3s reads its options from (K3s pkg/configfilearg).
fn of_configuration(places: &Places) -> Vec<Watched> {
    let mut drop_ins = places.config_file.clone().into_os_string();
    drop_ins.push(".d");
    let drop_ins = PathBuf::from(drop_ins);
    let drop_in = |pattern: &str| Watched::Matching {
        directory: drop_ins.clone(),
        pattern: pattern.to_owned(),
        aspect: Aspect::Content,
    };
    vec![
        Watched::Path(places.config_file.clone(), Aspect::Content),
        drop_in("*.yaml"),
        drop_in("*.yml"),
    ]
}

/// What a pattern stands for now. Where the way to it cannot be looked at, a full pass says so.
fn of_pattern(root: &Root, path: &Path) -> Vec<Watched> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let way = Way::to(root, path).unwrap_or_default();
    let ends = way.ends.into_iter().map(|directory| Watched::Matching {
        directory,
        pattern: name.clone().into_owned(),
        aspect: Aspect::Access,
    });
    way.through
        .into_iter()
        .map(Watched::Way)
        .chain(ends)
        .collect()
}

/// Where a link that K3s makes leads now. When the link changes, its own name wakes us and this is asked again.
fn link_target(root: &Root, link: &Path) -> Option<PathBuf> {
    let target = root.read_link(link).ok().flatten()?;
    Some(link.parent()?.join(target))
}

impl Watched {
    /// The directory whose names are watched; `None` for a kernel parameter.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Path(path, _) => path.parent(),
            Self::Matching { directory, .. } | Self::Way(directory) => Some(directory),
            Self::Key(_) => None,
        }
    }

    /// Whether a path is one of those that are watched.
    #[must_use]
    pub fn names(&self, path: &Path) -> bool {
        match self {
            Self::Path(watched, _) => watched == path,
            Self::Matching {
                directory, pattern, ..
            } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                path.parent() == Some(directory) && matches_pattern(pattern, &name)
            }
            Self::Way(directory) => path.parent() == Some(directory),
            Self::Key(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{PermissionsSetting, SysctlSetting};

    fn root() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        (directory, root)
    }

    #[test]
    fn a_kernel_parameter_is_watched_live_and_where_the_next_boot_reads_it() {
        let (_kept, root) = root();
        let setting = SettingBody::Sysctl(SysctlSetting {
            key: "vm.panic_on_oom".to_owned(),
            value: "0".to_owned(),
            k3s: Default::default(),
        });
        let all = watched(&setting, &root, &Places::default());
        assert_eq!(all.len(), 1 + DIRECTORIES.len());
        assert!(matches!(&all[0], Watched::Key(key) if key.as_str() == "vm/panic_on_oom"));
        assert!(
            all.iter()
                .any(|one| one.names(Path::new("/run/sysctl.d/x.conf")))
        );
        assert!(
            !all.iter()
                .any(|one| one.names(Path::new("/run/sysctl.d/x.txt")))
        );
    }

    #[test]
    fn a_star_on_the_way_is_watched_in_every_directory_and_for_new_ones() {
        let (kept, root) = root();
        std::fs::create_dir_all(kept.path().join("networks/cbr0")).unwrap();
        let setting = SettingBody::Permissions(permissions("/networks/*/*"));
        let all = watched(&setting, &root, &Places::default());
        assert!(all.contains(&Watched::Way(PathBuf::from("/networks"))));
        let names = |path: &str| all.iter().any(|one| one.names(Path::new(path)));
        assert!(names("/networks/cbr0/10.42.0.2") && names("/networks/new"));
        assert!(!names("/networks/new/10.42.0.2"), "not there yet");
    }

    fn permissions(path: &str) -> PermissionsSetting {
        PermissionsSetting {
            path: path.to_owned(),
            mode: crate::host::FileMode::new(0o600),
            mode_by_edition: Default::default(),
            except: Vec::new(),
            kind: Default::default(),
            mode_option: None,
            group_option: None,
            follow: None,
            follow_option: None,
            k3s: Default::default(),
        }
    }

    #[test]
    fn a_followed_link_is_watched_at_both_ends() {
        let (kept, root) = root();
        let directory = kept.path().join("var/lib/rancher/k3s/server");
        std::fs::create_dir_all(&directory).unwrap();
        std::os::unix::fs::symlink("token", directory.join("node-token")).unwrap();
        let setting = SettingBody::Permissions(PermissionsSetting {
            follow: Some("{data_dir}/server/token".to_owned()),
            ..permissions("{data_dir}/server/node-token")
        });
        let all = watched(&setting, &root, &Places::default());
        for name in ["node-token", "token"] {
            let path = Path::new("/var/lib/rancher/k3s/server").join(name);
            assert!(all.iter().any(|one| one.names(&path)), "{name}");
        }
    }
}
