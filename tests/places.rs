//! Where things are on a node that is not laid out as install.sh does it.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod tree;

use tree::Tree;

#[test]
fn the_unit_is_judged_where_a_package_has_put_it() {
    let unit = "/usr/lib/systemd/system/k3s-edge.service";
    let tree = Tree::of(&format!(
        "666 root:root f {unit}\n| [Service]\n| ExecStart=/usr/local/bin/k3s server\n"
    ));
    let check = tree.k3warden(&["check", "k3s-unit-file"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    tree.k3warden(&["apply"]);
    assert_eq!(tree.snapshot()[unit].mode, 0o644);
}

/// The plug-in host-local keeps a directory for each network.
#[test]
fn the_files_of_every_network_are_judged_and_no_lock() {
    let networks = "/var/lib/cni/networks";
    let tree = Tree::of(&format!(
        "755 root:root d {networks}\n755 root:root d {networks}/cbr0\n755 root:root d {networks}/multus-net\n\
         600 root:root f {networks}/cbr0/10.42.0.2\n666 root:root f {networks}/multus-net/10.42.0.2\n\
         750 root:root f {networks}/multus-net/lock\n666 root:root f {networks}/beside\n\
         644 root:root f /etc/systemd/system/k3s.service\n| [Service]\n| ExecStart=/usr/local/bin/k3s server\n"
    ));
    let check = tree.k3warden(&["check", "cni-files"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    tree.k3warden(&["apply"]);
    let modes = |name: &str| tree.snapshot()[&format!("{networks}/{name}")].mode;
    assert_eq!(modes("multus-net/10.42.0.2"), 0o600);
    assert_eq!(modes("multus-net/lock"), 0o750);
    assert_eq!(modes("beside"), 0o666, "no network's");
    let check = tree.k3warden(&["check", "cni-files"]);
    assert_eq!(check.code, Some(0), "{check:?}");
}
