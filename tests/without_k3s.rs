//! A node that waits for its K3s is hardened as far as it can be, and that is no failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use tree::Tree;

#[test]
fn apply_and_check_succeed_where_no_role_is_known() {
    succeed(&["--k3s-version", "1.36.3"]);
    // Nor a version: nothing is installed that could have one.
    succeed(&[]);
}

fn succeed(options: &[&str]) {
    let tree = Tree::new();
    let run = |command: &str| {
        let answer = tree.run(&[options, &["--no-sync", command]].concat());
        (answer.code, answer.stdout)
    };
    let (code, said) = run("apply");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("role not known yet: ").count(), 1, "{said}");
    let (code, said) = run("check");
    assert_eq!(code, Some(0), "{said}");
    let waits = said.lines().find_map(|line| {
        let (_, waits) = line.split_once("warning: role not known yet: ")?;
        let (count, mend) = waits.split_once(" controls wait; ")?;
        Some((count.parse::<usize>().ok()?, mend.to_owned()))
    });
    let (count, mend) = waits.unwrap_or_else(|| panic!("{said}"));
    assert!(count > 80, "{said}");
    let expected =
        "install K3s, or set role = \"server\" or \"agent\" in /etc/k3warden/config.toml";
    assert_eq!(mend, expected);
    assert!(tree.at("etc/sysctl.d/90-kubelet.conf").exists());
}
