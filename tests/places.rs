//! Where things are on a node that is not laid out as install.sh does it.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod tree;

use tree::{Answer, Tree};

fn run(tree: &Tree, command: &[&str]) -> Answer {
    tree.run(&[&["--k3s-version", "1.36.3", "--no-sync"], command].concat())
}

#[test]
fn the_unit_is_judged_where_a_package_has_put_it() {
    let unit = "/usr/lib/systemd/system/k3s-edge.service";
    let tree = Tree::of(&format!(
        "666 root:root f {unit}\n| [Service]\n| ExecStart=/usr/local/bin/k3s server\n"
    ));
    let check = run(&tree, &["check", "k3s-unit-file"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    run(&tree, &["apply"]);
    assert_eq!(tree.snapshot()[unit].mode, 0o644);
}
