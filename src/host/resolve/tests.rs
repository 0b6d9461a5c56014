//! Both ways of resolving paths, held to the same answers.

use std::path::Path;
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use proptest::prelude::*;

use crate::host::testing::Tree;
use crate::host::{HostError, Kind, Refusal, Root};

const LIMIT_BYTES: u64 = 1024;

fn read(root: &Root, path: &str) -> Option<String> {
    let content = root.read(Path::new(path), LIMIT_BYTES).unwrap()?;
    Some(String::from_utf8(content).unwrap())
}

fn refuses_link(answer: Result<Option<crate::host::Entry>, HostError>) -> bool {
    matches!(
        answer,
        Err(HostError::Refused {
            reason: Refusal::SymbolicLink { .. },
            ..
        })
    )
}

/// A kernel without openat2 would silently test the walk twice.
#[test]
fn the_first_of_the_two_ways_is_openat2() {
    let tree = Tree::new();
    let [fast, walking] = tree.file("a/b", "x").roots();
    assert_eq!(read(&fast, "/a/b").as_deref(), Some("x"));
    assert!(!fast.without_openat2.load(Ordering::Relaxed));
    assert!(walking.without_openat2.load(Ordering::Relaxed));
}

#[test]
fn links_never_lead_out_of_the_root() {
    let tree = Tree::new();
    tree.file("etc/hostname", "inside")
        .link("etc/absolute", "/etc/hostname")
        .link("etc/climbing", "../../../../../../etc/hostname")
        .link("etc/out", "/../../etc/passwd")
        .link("up", "..")
        .link("etc/directory", "../up/up/up/etc");
    for root in tree.roots() {
        for path in [
            "/etc/absolute",
            "/etc/climbing",
            "/etc/directory/hostname",
            "/up/etc/hostname",
        ] {
            assert_eq!(read(&root, path).as_deref(), Some("inside"), "{path}");
        }
        assert_eq!(read(&root, "/etc/out"), None);
        assert_eq!(
            read(&root, "/up/up/../up/etc/hostname").as_deref(),
            Some("inside")
        );
    }
}

#[test]
fn a_trusted_link_on_the_way_is_followed_to_change() {
    let tree = Tree::new();
    tree.directory("data/disk")
        .link("var/lib/rancher", "/data/disk");
    let wanted = tree.owned(0o600);
    for (number, root) in tree.roots().into_iter().enumerate() {
        let text = number.to_string();
        root.replace(Path::new("/var/lib/rancher/file"), text.as_bytes(), &wanted)
            .unwrap();
        assert_eq!(tree.content("data/disk/file"), text);
    }
}

#[test]
fn a_link_where_others_write_is_refused() {
    let tree = Tree::new();
    tree.directory("data")
        .link("shared/link", "/data")
        .set_mode("shared", 0o777);
    for root in tree.roots() {
        assert!(refuses_link(root.look(Path::new("/shared/link/file"))));
        // The sticky bit keeps others from renaming it, but the link may have been theirs before the directory was.
        tree.set_mode("shared", 0o1777);
        assert!(refuses_link(root.look(Path::new("/shared/link/file"))));
        tree.set_mode("shared", 0o777);
    }
}

#[test]
fn a_link_of_another_user_is_refused() {
    let tree = Tree::new();
    tree.directory("data").link("var/link", "../data");
    for (root, prefix) in tree.with_foreign("var/link") {
        let path = format!("{prefix}/var/link/file");
        assert!(refuses_link(root.look(Path::new(&path))));
    }
}

#[test]
fn below_the_sealed_directory_no_link_is_followed() {
    let tree = Tree::new();
    tree.directory("elsewhere")
        .directory("k3s/server")
        .link("k3s/server/tls", "/elsewhere");
    for root in tree.roots() {
        assert_eq!(
            root.look(Path::new("/k3s/server/tls/ca.key")).unwrap(),
            None
        );
        let root = root.sealed_below(Path::new("/k3s"));
        assert!(refuses_link(root.look(Path::new("/k3s/server/tls/ca.key"))));
        assert!(root.look(Path::new("/k3s/server/tls")).unwrap().is_some());
    }
}

#[test]
fn the_sealed_directory_may_itself_lie_behind_a_link() {
    let tree = Tree::new();
    tree.directory("elsewhere")
        .directory("disk/k3s/server")
        .link("var/lib/rancher", "../../disk")
        .link("disk/k3s/server/tls", "/elsewhere");
    for root in tree.roots() {
        let root = root.sealed_below(Path::new("/var/lib/rancher/k3s"));
        let look = |path: &str| root.look(Path::new(path));
        assert!(look("/var/lib/rancher/k3s/server").unwrap().is_some());
        assert!(refuses_link(look("/var/lib/rancher/k3s/server/tls/ca.key")));
        assert!(refuses_link(look("/disk/k3s/server/tls/ca.key")));
    }
}

#[test]
fn a_circle_of_links_ends() {
    let tree = Tree::new();
    tree.link("one", "two").link("two", "one");
    for root in tree.roots() {
        let error = root.read(Path::new("/one/file"), LIMIT_BYTES).unwrap_err();
        assert!(
            matches!(
                error,
                HostError::System {
                    errno: Errno::ELOOP,
                    ..
                }
            ),
            "{error}"
        );
        let error = root.look(Path::new("/one/file")).unwrap_err();
        assert!(
            matches!(
                error,
                HostError::System {
                    errno: Errno::ELOOP,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn what_is_not_there_is_absent_and_no_error() {
    let tree = Tree::new();
    tree.file("file", "x").link("dangling", "nowhere");
    for root in tree.roots() {
        for path in [
            "/a",
            "/a/b/c",
            "/file/below",
            "/dangling",
            "/dangling/below",
        ] {
            assert_eq!(read(&root, path), None, "{path}");
            assert_eq!(root.kind(Path::new(path)).unwrap(), None, "{path}");
        }
        for path in ["/a", "/a/b/c", "/file/below"] {
            assert_eq!(root.look(Path::new(path)).unwrap(), None, "{path}");
        }
        assert_eq!(
            root.look(Path::new("/dangling")).unwrap().unwrap().kind,
            Kind::Link
        );
        assert_eq!(
            root.look(Path::new("/")).unwrap().unwrap().kind,
            Kind::Directory
        );
    }
}

#[test]
fn every_directory_on_the_way_counts_as_a_parent() {
    let tree = Tree::new();
    tree.directory("open/k3s/server")
        .link("var/lib/rancher", "/open");
    let path = Path::new("/var/lib/rancher/k3s/server/file");
    for root in tree.roots() {
        assert_eq!(root.writable_parent(path).unwrap(), None);
        // The name does not lead through `/open/k3s`'s parent, the link does.
        for (mode, expected) in [(0o777, Some("/open")), (0o1777, None), (0o755, None)] {
            tree.set_mode("open", mode);
            assert_eq!(
                root.writable_parent(path).unwrap().as_deref(),
                expected.map(Path::new)
            );
        }
        // Its own directory, sticky or not: others can put a name there before us.
        for mode in [0o777, 0o1777] {
            tree.set_mode("open/k3s/server", mode);
            let found = root.writable_parent(path).unwrap();
            assert_eq!(
                found.as_deref(),
                Some(Path::new("/open/k3s/server")),
                "{mode:o}"
            );
        }
        tree.set_mode("open/k3s/server", 0o755);
    }
}

/// An access control list with one name in it, rwx as its mask (`linux/posix_acl_xattr.h`).
fn access_list(named: (u16, u16, u32), group: u16) -> Vec<u8> {
    const NOBODY: u32 = u32::MAX;
    let mut entries = [
        (0x01, 7, NOBODY),
        named,
        (0x04, group, NOBODY),
        (0x10, 7, NOBODY),
        (0x20, 0, NOBODY),
    ];
    // By tag, as the kernel asks for them.
    entries.sort_unstable();
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, bits, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(bits.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

/// An access control list gives what the bits do not tell of: the group's are its mask then (acl(5)).
#[test]
fn who_an_access_list_names_counts_as_one_who_writes() {
    let (user, group): (u16, u16) = (0x02, 0x08);
    let tree = Tree::new();
    tree.directory("etc/rancher");
    let (uid, gid) = tree.roots()[0].superuser();
    let (directory, file) = (Path::new("/etc/rancher"), Path::new("/etc/rancher/file"));
    for (named, of_group, others) in [
        ((user, 7, uid + 1), 5, true),
        ((user, 5, uid + 1), 7, false),
        ((user, 7, uid), 5, false),
        ((group, 7, gid + 1), 5, true),
        ((group, 7, gid), 5, false),
    ] {
        let place = std::fs::File::open(tree.at("etc/rancher")).unwrap();
        let list = access_list(named, of_group);
        let flags = rustix::fs::XattrFlags::empty();
        let set = rustix::fs::fsetxattr(place, "system.posix_acl_access", &list, flags);
        // A file system without lists has nothing that the bits do not tell.
        if set == Err(rustix::io::Errno::NOTSUP) {
            return;
        }
        set.unwrap();
        for root in tree.roots() {
            let mode = root.look(directory).unwrap().unwrap().attributes.mode;
            assert_eq!(mode.bits() & 0o070, 0o070, "the mask");
            let found = root.writable_parent(file).unwrap();
            assert_eq!(found.as_deref(), others.then_some(directory), "{named:?}");
        }
        // Bits that leave the group nothing leave nothing to the list.
        tree.set_mode("etc/rancher", 0o750);
        for root in tree.roots() {
            assert_eq!(root.writable_parent(file).unwrap(), None);
        }
    }
}

/// Names that meet each other often.
const NAMES: [&str; 3] = ["a", "b", "c"];

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![6 => prop::sample::select(&NAMES[..]), 1 => Just("..")];
    (prop::collection::vec(part, 1..4), any::<bool>()).prop_map(|(parts, absolute)| {
        let path = parts.join("/");
        if absolute { format!("/{path}") } else { path }
    })
}

fn plain_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&NAMES[..]), 1..4).prop_map(|parts| parts.join("/"))
}

/// What an answer is about: identity of what was found, or the kernel's word.
fn found(answer: Result<Option<crate::host::Entry>, HostError>) -> String {
    match answer {
        Ok(entry) => format!("{:?}", entry.map(|entry| entry.identity)),
        Err(HostError::System { errno, .. }) => errno.to_string(),
        Err(HostError::Refused { reason, .. }) => reason.to_string(),
        Err(other) => other.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn both_ways_find_the_same(
        directories in prop::collection::vec(plain_path(), 0..5),
        links in prop::collection::vec((plain_path(), path()), 0..5),
        asked in prop::collection::vec(path(), 1..8),
    ) {
        let tree = Tree::new();
        for path in &directories {
            let _ = std::fs::create_dir_all(tree.at(path));
        }
        for (path, target) in &links {
            let _ = std::os::unix::fs::symlink(target, tree.at(path));
        }
        let [fast, walking] = tree.roots();
        for path in asked {
            let path = Path::new("/").join(path);
            prop_assert_eq!(
                found(fast.look_through(&path)),
                found(walking.look_through(&path)),
                "through {}", path.display()
            );
            prop_assert_eq!(found(fast.look(&path)), found(walking.look(&path)), "at {}", path.display());
        }
    }
}
