use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;

use super::*;

struct Machine(tempfile::TempDir);

impl Machine {
    fn new(files: &[(&str, &str)]) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for (path, content) in files {
            fs::write(machine.at(path), content).unwrap();
        }
        machine
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn next_boot(&self) -> NextBoot {
        NextBoot::read(&Root::open(self.0.path()).unwrap()).unwrap()
    }
}

fn key(spelled: &str) -> SysctlKey {
    SysctlKey::parse(spelled).unwrap()
}

fn value(next_boot: &NextBoot, spelled: &str) -> Option<String> {
    let assignment = next_boot.assignment(&key(spelled))?;
    Some(format!("{} {}", assignment.place(), assignment.value))
}

fn said(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn a_later_file_wins_and_both_are_named() {
    let machine = Machine::new(&[
        ("etc/sysctl.d/90-kubelet.conf", "# K3s\nkernel.panic=10\n"),
        ("usr/lib/sysctl.d/99-x.conf", "kernel/panic = 0\n"),
    ]);
    let next_boot = machine.next_boot();
    assert_eq!(
        value(&next_boot, "kernel.panic"),
        said("/usr/lib/sysctl.d/99-x.conf:1 0")
    );
    let all: Vec<String> = next_boot
        .all(&key("kernel.panic"))
        .iter()
        .map(|statement| format!("{}:{}", statement.path().display(), statement.line()))
        .collect();
    assert_eq!(
        all,
        [
            "/etc/sysctl.d/90-kubelet.conf:2",
            "/usr/lib/sysctl.d/99-x.conf:1"
        ]
    );
    assert_eq!(value(&next_boot, "vm.panic_on_oom"), None);
}

#[test]
fn an_earlier_directory_hides_the_same_name_in_a_later_one() {
    let machine = Machine::new(&[
        ("run/sysctl.d/a.conf", "vm.x = 1\n"),
        ("usr/lib/sysctl.d/a.conf", "vm.x = 2\nvm.y = 2\n"),
        ("usr/lib/sysctl.d/a.conf.bak", "vm.y = 3\n"),
        ("usr/lib/sysctl.d/.b.conf", "vm.y = 4\n"),
    ]);
    let next_boot = machine.next_boot();
    assert_eq!(value(&next_boot, "vm.x"), said("/run/sysctl.d/a.conf:1 1"));
    assert_eq!(value(&next_boot, "vm.y"), None);
    assert_eq!(
        next_boot.winner_of(OsStr::new("a.conf")),
        Some(Path::new("/run/sysctl.d/a.conf"))
    );
}

#[test]
fn every_kind_of_mask_hides_and_sets_nothing() {
    let machine = Machine::new(&[("etc/sysctl.d/empty.conf", "")]);
    let names = [
        "absolute",
        "relative",
        "dangling",
        "circle",
        "directory",
        "empty",
    ];
    for name in names {
        fs::write(
            machine.at(&format!("usr/lib/sysctl.d/{name}.conf")),
            "vm.x = 1\n",
        )
        .unwrap();
    }
    let at = |name: &str| machine.at(&format!("etc/sysctl.d/{name}.conf"));
    symlink("/dev/null", at("absolute")).unwrap();
    symlink("../../../dev/null", at("relative")).unwrap();
    symlink("/nowhere", at("dangling")).unwrap();
    symlink("circle.conf", at("circle")).unwrap();
    fs::create_dir(at("directory")).unwrap();
    let next_boot = machine.next_boot();
    assert_eq!(value(&next_boot, "vm.x"), None);
    for name in names {
        assert!(
            next_boot.is_masked(OsStr::new(&format!("{name}.conf"))),
            "{name}"
        );
    }
    assert!(!next_boot.is_masked(OsStr::new("other.conf")));
}

#[test]
fn a_pattern_yields_to_a_line_of_the_key_and_to_an_exclusion() {
    let machine = Machine::new(&[
        (
            "etc/sysctl.d/10-a.conf",
            "net.ipv4.conf.eth0.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n",
        ),
        ("etc/sysctl.d/20-b.conf", "net.ipv4.conf.*.rp_filter = 1\n"),
    ]);
    let next_boot = machine.next_boot();
    assert_eq!(
        value(&next_boot, "net.ipv4.conf.eth0.rp_filter"),
        said("/etc/sysctl.d/10-a.conf:1 2")
    );
    assert_eq!(
        value(&next_boot, "net.ipv4.conf.eth1.rp_filter"),
        said("/etc/sysctl.d/20-b.conf:1 1")
    );
    let excluded = key("net.ipv4.conf.lo.rp_filter");
    assert_eq!(next_boot.assignment(&excluded), None);
    assert_eq!(next_boot.exclusion(&excluded).unwrap().line, 2);
}

#[test]
fn a_pattern_said_again_keeps_its_place_unless_its_value_changes() {
    let machine = Machine::new(&[("etc/sysctl.d/a.conf", "vm.p* = 1\nvm.pa* = 2\nvm.p* = 1\n")]);
    assert_eq!(
        value(&machine.next_boot(), "vm.panic_on_oom"),
        said("/etc/sysctl.d/a.conf:2 2")
    );
    let machine = Machine::new(&[("etc/sysctl.d/a.conf", "vm.p* = 1\nvm.pa* = 2\nvm.p* = 3\n")]);
    assert_eq!(
        value(&machine.next_boot(), "vm.panic_on_oom"),
        said("/etc/sysctl.d/a.conf:3 3")
    );
}

#[test]
fn a_bare_exclusion_undoes_an_earlier_assignment() {
    let machine = Machine::new(&[("etc/sysctl.d/a.conf", "kernel.panic = 10\n-kernel.panic\n")]);
    assert_eq!(value(&machine.next_boot(), "kernel.panic"), None);
}

#[test]
fn a_key_that_climbs_sets_nothing() {
    let machine = Machine::new(&[(
        "etc/sysctl.d/a.conf",
        "vm/../kernel/panic = 1\nvm/../kernel/pan* = 2\n",
    )]);
    assert_eq!(value(&machine.next_boot(), "kernel.panic"), None);
}

#[test]
fn sysctl_conf_counts_at_boot_only_through_a_link_but_warns_always() {
    let machine = Machine::new(&[
        ("etc/sysctl.conf", "\nkernel.panic = 0\n"),
        ("etc/sysctl.d/90-kubelet.conf", "kernel.panic = 10\n"),
    ]);
    let next_boot = machine.next_boot();
    assert_eq!(
        value(&next_boot, "kernel.panic"),
        said("/etc/sysctl.d/90-kubelet.conf:1 10")
    );
    let warning = next_boot.sysctl_conf_warning(&key("kernel.panic")).unwrap();
    assert_eq!(
        warning.to_string(),
        "`sysctl --system` would set kernel.panic = 0 from /etc/sysctl.conf:2, a boot does not"
    );
    assert_eq!(next_boot.sysctl_conf_warning(&key("vm.panic_on_oom")), None);

    symlink("../sysctl.conf", machine.at("etc/sysctl.d/99-sysctl.conf")).unwrap();
    let next_boot = machine.next_boot();
    assert_eq!(
        value(&next_boot, "kernel.panic"),
        said("/etc/sysctl.d/99-sysctl.conf:2 0")
    );
    assert_eq!(next_boot.sysctl_conf_warning(&key("kernel.panic")), None);
}

#[test]
fn a_fifo_is_an_error_that_names_it_and_never_waited_for() {
    let machine = Machine::new(&[]);
    nix::unistd::mkfifo(&machine.at("etc/sysctl.d/a.conf"), Mode::S_IRUSR).unwrap();
    let error = NextBoot::read(&Root::open(machine.0.path()).unwrap()).unwrap_err();
    assert!(
        error.to_string().starts_with("/etc/sysctl.d/a.conf "),
        "{error}"
    );
}

#[test]
fn a_machine_without_any_sysctl_d_sets_nothing() {
    let next_boot = Machine::new(&[]).next_boot();
    assert_eq!(next_boot.names().count(), 0);
    assert_eq!(next_boot.sysctl_conf_warning(&key("kernel.panic")), None);
}
