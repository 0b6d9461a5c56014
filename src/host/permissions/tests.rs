//! Owner and bits on the descriptor.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::host::testing::Tree;
use crate::host::{Attributes, FileMode, HostError, Kind};

fn mode(tree: &Tree, path: &str) -> u32 {
    fs::metadata(tree.at(path)).unwrap().mode() & 0o7777
}

#[test]
fn bits_change_and_content_and_its_time_do_not() {
    let tree = Tree::new();
    for root in tree.roots() {
        tree.file("tls/ca.key", "secret")
            .set_mode("tls/ca.key", 0o644);
        let file = fs::File::options()
            .write(true)
            .open(tree.at("tls/ca.key"))
            .unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        file.set_modified(time).unwrap();
        let before = fs::metadata(tree.at("tls/ca.key")).unwrap();
        root.set_attributes(Path::new("/tls/ca.key"), Kind::File, &tree.owned(0o600))
            .unwrap();
        let after = fs::metadata(tree.at("tls/ca.key")).unwrap();
        assert_eq!(after.mode() & 0o7777, 0o600);
        assert_eq!((after.ino(), after.mtime()), (before.ino(), before.mtime()));
        assert_eq!(tree.content("tls/ca.key"), "secret");
    }
}

#[test]
fn a_directory_has_its_bits_whatever_its_parent_hands_down() {
    let tree = Tree::new();
    tree.directory("parent");
    for root in tree.roots() {
        // The set-group-ID bit gives new directories the parent's group and the bit itself.
        fs::set_permissions(tree.at("parent"), fs::Permissions::from_mode(0o2755)).unwrap();
        if nix::unistd::geteuid().is_root() {
            chown(tree.at("parent"), None, Some(4242)).unwrap();
            fs::set_permissions(tree.at("parent"), fs::Permissions::from_mode(0o2755)).unwrap();
        }
        for bits in [0o700, 0o755] {
            let path = Path::new("/parent/new");
            root.create_directory(path, &tree.owned(bits)).unwrap();
            assert_eq!(mode(&tree, "parent/new"), bits);
            let gid = fs::metadata(tree.at("parent/new")).unwrap().gid();
            assert_eq!(gid, root.superuser().1);
            root.remove_directory(path).unwrap();
            root.remove_directory(path).unwrap();
            assert!(!tree.at("parent/new").exists());
        }
    }
}

#[test]
fn a_directory_that_is_there_or_not_empty_is_an_error() {
    let tree = Tree::new();
    tree.file("full/file", "x");
    for root in tree.roots() {
        let error = root
            .create_directory(Path::new("/full"), &tree.owned(0o700))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot create directory /full: File exists"
        );
        let error = root.remove_directory(Path::new("/full")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot remove directory /full: Directory not empty"
        );
        assert_eq!(tree.content("full/file"), "x");
    }
}

/// Root may give a file away; anybody else is refused by the kernel, and then everything is as it was.
#[test]
fn an_owner_that_cannot_be_set_leaves_the_bits_as_they_were() {
    let tree = Tree::new();
    tree.file("file", "x").set_mode("file", 0o666);
    let foreign = Attributes {
        mode: FileMode::new(0o600),
        uid: 4242,
        gid: 4242,
    };
    for root in tree.roots() {
        let result = root.set_attributes(Path::new("/file"), Kind::File, &foreign);
        let after = fs::metadata(tree.at("file")).unwrap();
        if nix::unistd::geteuid().is_root() {
            result.unwrap();
            assert_eq!(
                (after.uid(), after.gid(), mode(&tree, "file")),
                (4242, 4242, 0o600)
            );
            root.set_attributes(Path::new("/file"), Kind::File, &tree.owned(0o666))
                .unwrap();
        } else {
            assert!(result.unwrap_err().is_permission_denied());
            assert_eq!(mode(&tree, "file"), 0o666);
        }
    }
}

#[test]
fn nothing_there_is_an_error_and_a_directory_no_file() {
    let tree = Tree::new();
    tree.directory("directory");
    for root in tree.roots() {
        let set = |path: &str, kind| root.set_attributes(Path::new(path), kind, &tree.owned(0o600));
        let error = set("/nothing", Kind::File).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot change /nothing: No such file or directory"
        );
        assert!(matches!(
            set("/directory", Kind::File),
            Err(HostError::Refused { .. })
        ));
        set("/directory", Kind::Directory).unwrap();
        assert_eq!(mode(&tree, "directory"), 0o600);
    }
}
