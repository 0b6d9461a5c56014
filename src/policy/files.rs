//! The files of the operator: where they are, in which order, and that only root could have written them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::PolicyError;
use crate::catalogue::Catalogue;
use crate::host::{Attributes, Root};

pub(super) const VENDOR: &str = "/usr/lib/k3warden";
const OPERATOR: &str = "/etc/k3warden";
const LIMIT_BYTES: u64 = 256 << 10;

/// The built-in catalogue with the operator's own controls, `/etc/k3warden/catalogue.d/*.toml` in byte order.
///
/// # Errors
/// When a file cannot be read, could have been written by others than root, or is no valid catalogue file.
pub fn load_catalogue(root: &Root) -> Result<Catalogue, PolicyError> {
    let files = Files::of(root);
    files.require_directory(Path::new(OPERATOR))?;
    let own = files.directory(&Path::new(OPERATOR).join("catalogue.d"))?;
    Ok(Catalogue::with_operator_files(&own)?)
}

/// Every policy file with its text, the one that wins last.
pub(super) fn policy_files(root: &Root) -> Result<Vec<(PathBuf, String)>, PolicyError> {
    let files = Files::of(root);
    let mut layers = files.directory(Path::new(VENDOR))?;
    let operator = Path::new(OPERATOR);
    if files.require_directory(operator)? {
        let names = root.names(operator)?.unwrap_or_default();
        if names.iter().any(|name| name == OsStr::new("config.toml")) {
            layers.push(files.file(operator.join("config.toml"))?);
        }
        layers.extend(files.directory(&operator.join("config.d"))?);
    }
    Ok(layers)
}

struct Files<'r> {
    root: &'r Root,
    trust: Trust,
}

/// Whose files are believed.
struct Trust {
    /// User 0, or who owns the tree that is not this machine.
    owner: u32,
}

impl<'r> Files<'r> {
    fn of(root: &'r Root) -> Self {
        let (owner, _) = root.superuser();
        Self {
            root,
            trust: Trust { owner },
        }
    }

    /// Whether there is such a directory; an error if others could write into it.
    fn require_directory(&self, path: &Path) -> Result<bool, PolicyError> {
        let Some(entry) = self.root.look_through(path)? else {
            return Ok(false);
        };
        self.trust.require(path, &entry.attributes)?;
        Ok(true)
    }

    /// The `*.toml` of a directory in byte order; hidden files are none, as in a shell.
    fn directory(&self, path: &Path) -> Result<Vec<(PathBuf, String)>, PolicyError> {
        if !self.require_directory(path)? {
            return Ok(Vec::new());
        }
        let names = self.root.names(path)?.unwrap_or_default();
        let is_ours = |name: &&std::ffi::OsString| {
            let bytes = name.as_encoded_bytes();
            bytes.ends_with(b".toml") && !bytes.starts_with(b".")
        };
        let files = names.iter().filter(is_ours);
        files.map(|name| self.file(path.join(name))).collect()
    }

    fn file(&self, path: PathBuf) -> Result<(PathBuf, String), PolicyError> {
        let Some((bytes, attributes)) = self.root.read_with_attributes(&path, LIMIT_BYTES)? else {
            return Err(PolicyError::DanglingLink { path });
        };
        self.trust.require(&path, &attributes)?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok((path, text)),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = error.as_bytes().iter().take(valid);
                let line = 1 + before.filter(|byte| **byte == b'\n').count();
                Err(PolicyError::NotText { path, line })
            }
        }
    }
}

impl Trust {
    fn require(&self, path: &Path, attributes: &Attributes) -> Result<(), PolicyError> {
        let path = path.to_path_buf();
        if attributes.uid != 0 && attributes.uid != self.owner {
            return Err(PolicyError::ForeignOwner {
                path,
                uid: attributes.uid,
            });
        }
        if attributes.mode.bits() & 0o022 != 0 {
            return Err(PolicyError::WritableByOthers {
                path,
                mode: attributes.mode,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, sample};
    use super::*;
    use crate::host::FileMode;

    const CONFIG: &str = "/etc/k3warden/config.toml";

    fn load(tree: &sample::Tree) -> Result<Policy, PolicyError> {
        Policy::load(&tree.root(), sample::catalogue())
    }

    #[test]
    fn a_node_without_any_file_has_the_default_policy() {
        assert_eq!(load(&sample::Tree::new(&[])).unwrap(), Policy::default());
    }

    #[test]
    fn files_are_read_in_the_order_of_their_layers_and_in_byte_order() {
        let tree = sample::Tree::new(&[
            ("/etc/k3warden/config.d/b.toml", ""),
            ("/etc/k3warden/config.d/B.toml", ""),
            ("/etc/k3warden/config.d/10.toml", ""),
            ("/etc/k3warden/config.d/9.toml", ""),
            ("/etc/k3warden/config.d/.hidden.toml", "not toml"),
            ("/etc/k3warden/config.d/b.toml.dpkg-old", "not toml"),
            ("/etc/k3warden/other.toml", "not toml"),
            (CONFIG, ""),
            ("/usr/lib/k3warden/z.toml", ""),
        ]);
        let read: Vec<String> = policy_files(&tree.root())
            .unwrap()
            .into_iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        let expected = [
            "/usr/lib/k3warden/z.toml",
            CONFIG,
            "/etc/k3warden/config.d/10.toml",
            "/etc/k3warden/config.d/9.toml",
            "/etc/k3warden/config.d/B.toml",
            "/etc/k3warden/config.d/b.toml",
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_others_than_root_can_write_is_refused() {
        for (path, mode) in [
            (CONFIG, 0o664),
            (CONFIG, 0o646),
            ("/etc/k3warden", 0o777),
            ("/etc/k3warden/config.d", 0o775),
            ("/etc/k3warden/config.d/a.toml", 0o666),
            ("/usr/lib/k3warden", 0o1777),
        ] {
            let tree = sample::Tree::new(&[
                (CONFIG, ""),
                ("/etc/k3warden/config.d/a.toml", ""),
                ("/usr/lib/k3warden/a.toml", ""),
            ]);
            load(&tree).unwrap();
            tree.chmod(path, mode);
            let message = load(&tree).unwrap_err().to_string();
            let expected = format!(
                "{path} is writable by others than root (mode {mode:04o}) and is not trusted; `chmod go-w {path}` mends it"
            );
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn what_others_than_root_own_is_refused() {
        let attributes = |uid| Attributes {
            mode: FileMode::new(0o644),
            uid,
            gid: 0,
        };
        let path = Path::new(CONFIG);
        let machine = Trust { owner: 0 };
        machine.require(path, &attributes(0)).unwrap();
        let message = machine
            .require(path, &attributes(1000))
            .unwrap_err()
            .to_string();
        let expected = format!(
            "{CONFIG} belongs to user 1000, not to root, and is not trusted; `chown root {CONFIG}` mends it"
        );
        assert_eq!(message, expected);
        let image = Trust { owner: 1000 };
        image.require(path, &attributes(1000)).unwrap();
        image.require(path, &attributes(0)).unwrap();
        image.require(path, &attributes(1001)).unwrap_err();
    }

    #[test]
    fn a_link_that_leads_nowhere_and_text_that_is_none_are_errors() {
        let tree = sample::Tree::new(&[(CONFIG, "")]);
        tree.link("/etc/k3warden/config.d", "/srv/policy");
        tree.write("/srv/policy/a.toml", "mode = \"observe\"");
        let policy = load(&tree).unwrap();
        assert_eq!(
            policy.mode.place.unwrap().to_string(),
            "/etc/k3warden/config.d/a.toml:1"
        );
        tree.link("/srv/policy/b.toml", "/nowhere");
        let message = load(&tree).unwrap_err().to_string();
        assert!(
            message.starts_with("/etc/k3warden/config.d/b.toml is a link that leads nowhere"),
            "{message}"
        );
        std::fs::write(tree.inside(CONFIG), b"# ok\n\n# \xff\n").unwrap();
        let message = load(&tree).unwrap_err().to_string();
        assert_eq!(message, format!("{CONFIG}:3: this line is not UTF-8 text"));
    }

    #[test]
    fn a_fifo_a_directory_and_a_file_without_end_are_refused_and_nothing_hangs() {
        let tree = sample::Tree::new(&[(CONFIG, "")]);
        nix::unistd::mkfifo(
            &tree.inside("/etc/k3warden/fifo"),
            nix::sys::stat::Mode::S_IRWXU,
        )
        .unwrap();
        for replacement in ["fifo", "directory", "large"] {
            std::fs::remove_file(tree.inside(CONFIG))
                .or_else(|_| std::fs::remove_dir(tree.inside(CONFIG)))
                .unwrap();
            match replacement {
                "fifo" => tree.link(CONFIG, "fifo"),
                "directory" => std::fs::create_dir(tree.inside(CONFIG)).unwrap(),
                _ => tree.write(CONFIG, &"#".repeat(256 * 1024 + 1)),
            }
            assert!(
                matches!(load(&tree).unwrap_err(), PolicyError::Host(_)),
                "{replacement}"
            );
        }
    }

    #[test]
    fn an_operators_controls_are_read_under_the_same_rule() {
        let path = "/etc/k3warden/catalogue.d/site.toml";
        let control = "[[control]]\nid = \"site-directory\"\ntitle = \"t\"\nwhy = \"w\"\nrole = \"any\"\n[[control.directory]]\npath = \"/srv/site\"\nmode = \"0700\"\n";
        let tree = sample::Tree::new(&[(path, control)]);
        let catalogue = load_catalogue(&tree.root()).unwrap();
        assert_eq!(catalogue.control("site-directory").unwrap().source, path);
        tree.chmod(path, 0o666);
        assert!(matches!(
            load_catalogue(&tree.root()).unwrap_err(),
            PolicyError::WritableByOthers { .. }
        ));
        tree.write(path, "[[control]]\nid = 1\n");
        assert!(matches!(
            load_catalogue(&tree.root()).unwrap_err(),
            PolicyError::Catalogue(_)
        ));
    }
}
