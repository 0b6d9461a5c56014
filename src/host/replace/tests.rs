//! Replacing files: with and without unnamed temporary files, on both ways of resolving.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::stat::Mode;

use super::carried::SECURITY_LABEL;
use super::{TEMPORARY_PREFIX, TEMPORARY_SUFFIX, temporary_name};
use crate::host::testing::Tree;
use crate::host::{HostError, Kind, READ_LIMIT_BYTES, Refusal, Root};

/// Every way in which a file can come to its name.
fn ways(tree: &Tree) -> Vec<Root> {
    let mut named = tree.roots();
    for root in &mut named {
        root.without_unnamed_files = true;
    }
    tree.roots().into_iter().chain(named).collect()
}

fn refusal(result: Result<(), HostError>) -> Refusal {
    match result {
        Err(HostError::Refused { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_is_replaced_whole_and_nothing_else_is_left() {
    let tree = Tree::new();
    let path = Path::new("/etc/file");
    for root in ways(&tree) {
        tree.file("etc/file", "old").set_mode("etc/file", 0o666);
        let before = fs::metadata(tree.at("etc/file")).unwrap().ino();
        root.replace(path, b"new", &tree.owned(0o640)).unwrap();
        let after = fs::metadata(tree.at("etc/file")).unwrap();
        assert_eq!(tree.content("etc/file"), "new");
        assert_eq!(after.mode() & 0o7777, 0o640);
        assert_ne!(after.ino(), before, "edited in place");
        assert_eq!(tree.names("etc"), ["file"]);
    }
}

#[test]
fn a_new_file_is_created_and_a_removed_one_is_gone() {
    let tree = Tree::new();
    let path = Path::new("/etc/file");
    tree.directory("etc");
    for root in ways(&tree) {
        root.replace(path, b"new", &tree.owned(0o600)).unwrap();
        assert_eq!(tree.content("etc/file"), "new");
        assert_eq!(
            fs::metadata(tree.at("etc/file")).unwrap().mode() & 0o7777,
            0o600
        );
        assert_eq!(tree.names("etc"), ["file"]);
        root.remove_file(path).unwrap();
        root.remove_file(path).unwrap();
        assert_eq!(tree.names("etc"), Vec::<String>::new());
    }
}

#[test]
fn a_reader_never_sees_a_part() {
    let tree = Tree::new();
    let texts = ["a".repeat(50_000), "b".repeat(70_000)];
    tree.file("etc/file", &texts[0]);
    for root in ways(&tree) {
        let replaced = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                // A busy machine may let one of both wait for long: by as many as both have done, and not by time.
                for seen in 0.. {
                    let text = tree.content("etc/file");
                    assert!(texts.contains(&text), "{} bytes", text.len());
                    if seen >= 60 && replaced.load(Ordering::Relaxed) >= 60 {
                        return;
                    }
                }
            });
            while !reader.is_finished() {
                let text = &texts[replaced.fetch_add(1, Ordering::Relaxed) % 2];
                root.replace(Path::new("/etc/file"), text.as_bytes(), &tree.owned(0o600))
                    .unwrap();
            }
            reader.join().unwrap();
        });
    }
}

#[test]
fn temporary_names_are_loaded_by_nobody() {
    for _ in 0..100 {
        let name = temporary_name().into_string().unwrap();
        assert!(name.starts_with('.'), "{name}");
        for ending in [".yaml", ".yml", ".json", ".conf", ".service", ".skip"] {
            assert!(!name.ends_with(ending), "{name}");
        }
    }
    assert_ne!(temporary_name(), temporary_name());
}

#[test]
fn leftovers_of_ours_are_swept_and_nothing_else() {
    let tree = Tree::new();
    let leftover = temporary_name().into_string().unwrap();
    let others = [
        format!("{TEMPORARY_PREFIX}note"),
        format!("x{TEMPORARY_SUFFIX}"),
        "90-kubelet.conf".to_owned(),
    ];
    for root in ways(&tree) {
        tree.file(&format!("etc/sysctl.d/{leftover}"), "half");
        for name in &others {
            tree.file(&format!("etc/sysctl.d/{name}"), "stays");
        }
        assert_eq!(root.sweep(Path::new("/etc/sysctl.d")).unwrap(), 1);
        assert_eq!(root.sweep(Path::new("/etc/sysctl.d")).unwrap(), 0);
        let mut expected = others.to_vec();
        expected.sort();
        assert_eq!(tree.names("etc/sysctl.d"), expected);
        assert_eq!(root.sweep(Path::new("/nowhere")).unwrap(), 0);
    }
}

#[test]
fn what_is_no_plain_file_of_one_name_is_left_alone() {
    let tree = Tree::new();
    tree.file("etc/twice", "x")
        .file("etc/victim", "x")
        .directory("etc/directory");
    fs::hard_link(tree.at("etc/twice"), tree.at("etc/again")).unwrap();
    symlink("victim", tree.at("etc/link")).unwrap();
    nix::unistd::mkfifo(&tree.at("etc/fifo"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    let _socket = UnixListener::bind(tree.at("etc/socket")).unwrap();
    let kind = |found: Kind| Refusal::Kind {
        found: found.name(),
        expected: Kind::File.name(),
    };
    let cases = [
        ("twice", Refusal::HardLinks { count: 2 }),
        (
            "link",
            Refusal::SymbolicLink {
                target: "victim".into(),
            },
        ),
        ("fifo", kind(Kind::Fifo)),
        ("socket", kind(Kind::Socket)),
        ("directory", kind(Kind::Directory)),
    ];
    let before = tree.names("etc");
    for root in ways(&tree) {
        for (name, expected) in &cases {
            let path = Path::new("/etc").join(name);
            assert_eq!(
                refusal(root.replace(&path, b"new", &tree.owned(0o600))),
                *expected
            );
            assert_eq!(refusal(root.remove_file(&path)), *expected);
            let attributes = root.set_attributes(&path, Kind::File, &tree.owned(0o600));
            assert_eq!(refusal(attributes), *expected);
        }
        assert_eq!(tree.names("etc"), before);
        assert_eq!(tree.content("etc/twice"), "x");
        assert_eq!(tree.content("etc/victim"), "x");
    }
}

#[test]
fn a_device_is_left_alone() {
    let root = Root::open(Path::new("/dev")).unwrap();
    let entry = root.look(Path::new("/null")).unwrap().unwrap();
    let hazard = root
        .hazard(&entry, Path::new("/null"), Kind::File)
        .unwrap()
        .unwrap();
    assert_eq!(
        hazard.to_string(),
        "it is a device where a regular file is expected"
    );
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let tree = Tree::new();
    tree.file("etc/large", "");
    let file = fs::File::options()
        .write(true)
        .open(tree.at("etc/large"))
        .unwrap();
    file.set_len(READ_LIMIT_BYTES + 1).unwrap();
    let path = Path::new("/etc/large");
    for root in tree.roots() {
        for answer in [
            root.read(path, READ_LIMIT_BYTES),
            root.read_here(path, READ_LIMIT_BYTES),
        ] {
            let error = answer.unwrap_err().to_string();
            assert_eq!(
                error,
                "/etc/large is left untouched: it is larger than 1048576 bytes"
            );
        }
        assert_eq!(
            root.read(path, READ_LIMIT_BYTES + 1)
                .unwrap()
                .unwrap()
                .len(),
            1_048_577
        );
    }
}

#[test]
fn nothing_is_changed_in_a_directory_that_others_write() {
    let tree = Tree::new();
    tree.file("etc/file", "old")
        .directory("etc/empty")
        .set_mode("etc", 0o777);
    for root in ways(&tree) {
        let path = Path::new("/etc/file");
        let results = [
            root.replace(path, b"new", &tree.owned(0o600)),
            root.remove_file(path),
            root.set_attributes(path, Kind::File, &tree.owned(0o600)),
            root.create_directory(Path::new("/etc/new"), &tree.owned(0o700)),
            root.remove_directory(Path::new("/etc/empty")),
        ];
        for result in results {
            assert_eq!(
                refusal(result),
                Refusal::WritableParent {
                    directory: "/etc".into()
                }
            );
        }
        assert_eq!(tree.names("etc"), ["empty", "file"]);
        assert_eq!(tree.content("etc/file"), "old");
    }
}

#[test]
fn without_its_directory_a_file_is_not_made() {
    let tree = Tree::new();
    for root in ways(&tree) {
        let error = root
            .replace(Path::new("/etc/file"), b"new", &tree.owned(0o600))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot open /etc/file: No such file or directory"
        );
        root.remove_file(Path::new("/etc/file")).unwrap();
    }
}

/// Without privilege the kernel denies the label; then the file has none, and a plain one must not be invented.
#[test]
fn the_security_label_is_kept() {
    let tree = Tree::new();
    let label = format!("system_u:object_r:etc_t:s0:{}\0", "c0.c1023,".repeat(40));
    tree.file("etc/file", "old");
    for root in ways(&tree) {
        let file = fs::File::open(tree.at("etc/file")).unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        let set = rustix::fs::fsetxattr(&file, SECURITY_LABEL, label.as_bytes(), flags).is_ok();
        root.replace(Path::new("/etc/file"), b"new", &tree.owned(0o600))
            .unwrap();
        let new = fs::File::open(tree.at("etc/file")).unwrap();
        let mut kept = vec![0_u8; 1024];
        let length = rustix::fs::fgetxattr(&new, SECURITY_LABEL, &mut kept[..]).unwrap_or(0);
        let expected = if set { label.as_bytes() } else { b"" };
        assert_eq!(&kept[..length], expected);
    }
}

/// `user.*` and an access control list, as `setfattr` and `setfacl` leave them: version 2, owner rw, user 1000 rw, group r,
/// mask rw, others nothing (acl(5), `linux/posix_acl_xattr.h`).
#[test]
fn an_operators_attributes_and_access_list_are_kept_within_the_mode() {
    const ACCESS_LIST: &str = "system.posix_acl_access";
    let entry = |tag: u16, bits: u16, id: u32| {
        let mut bytes = tag.to_le_bytes().to_vec();
        bytes.extend(bits.to_le_bytes());
        bytes.extend(id.to_le_bytes());
        bytes
    };
    let nobody = u32::MAX;
    let list = |mask: u16| {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        bytes.extend(entry(0x01, 6, nobody));
        bytes.extend(entry(0x02, 6, 1000));
        bytes.extend(entry(0x04, 4, nobody));
        bytes.extend(entry(0x10, mask, nobody));
        bytes.extend(entry(0x20, 0, nobody));
        bytes
    };
    let tree = Tree::new();
    tree.file("etc/file", "old");
    let set = |file: &fs::File, name: &str, value: &[u8]| {
        rustix::fs::fsetxattr(file, name, value, rustix::fs::XattrFlags::empty()).is_ok()
    };
    let file = fs::File::open(tree.at("etc/file")).unwrap();
    // A file system without them has nothing to keep.
    let notes = set(&file, "user.note", b"mine");
    let lists = set(&file, ACCESS_LIST, &list(6));
    for root in ways(&tree) {
        root.replace(Path::new("/etc/file"), b"new", &tree.owned(0o640))
            .unwrap();
        let new = fs::File::open(tree.at("etc/file")).unwrap();
        let read = |name: &str| {
            let mut value = vec![0_u8; 1024];
            let length = rustix::fs::fgetxattr(&new, name, &mut value[..]).unwrap_or(0);
            value.truncate(length);
            value
        };
        assert_eq!(read("user.note"), if notes { &b"mine"[..] } else { b"" });
        let kept = if lists { list(4) } else { Vec::new() };
        assert_eq!(read(ACCESS_LIST), kept);
        let mode = new.metadata().unwrap().mode();
        assert_eq!(mode & 0o7777, 0o640);
    }
}
