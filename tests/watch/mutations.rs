//! Kinds of mutation × kinds of settings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use super::bed::{Bed, SERVER, exists};

const LINES: &str = "etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml";
const DATA: &str = "var/lib/rancher/k3s";
/// A policy of an operator's own.
const OWN_POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: RequestResponse\n";
const AUDIT: &str = "var/lib/rancher/k3s/server/audit.yaml";
const TOKEN: &str = "var/lib/rancher/k3s/server/token";
const KEY: &str = "var/lib/rancher/k3s/server/tls/client-ca.key";
const LOGS: &str = "var/lib/rancher/k3s/server/logs";
const SYSCTL: &str = "etc/sysctl.d/90-kubelet.conf";

fn truncate(path: &Path) {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(0)
        .unwrap();
}

fn append(path: &Path) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"kernel.panic = 1\n").unwrap();
}

fn write_wrong(path: &Path) {
    fs::write(path, "kernel.panic = 1\n").unwrap();
}

fn chmod(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

fn give_away(path: &Path) {
    chown(path, Some(12345), Some(12345)).unwrap();
}

fn rename_over(path: &Path) {
    let new = path.with_file_name("new");
    fs::write(&new, "kernel.panic = 1\n").unwrap();
    chmod(&new);
    fs::rename(new, path).unwrap();
}

fn unlink(path: &Path) {
    fs::remove_file(path).unwrap();
}

fn remove_tree(path: &Path) {
    fs::remove_dir_all(path).unwrap();
}

fn move_away(path: &Path) {
    let away = path.with_file_name("away");
    let _ = fs::remove_dir_all(&away);
    fs::rename(path, away).unwrap();
}

type Mutation = (&'static str, fn(&Path));

/// Each mutation in turn: right again, by exactly so many changes of that thing.
fn each(bed: &Bed, path: &str, mutations: &[(Mutation, usize)]) {
    for ((name, mutate), expected) in mutations {
        let before = bed.changes_of(path);
        mutate(&bed.path(path));
        let when = format!("{name} {path}");
        bed.waits(&when, || bed.changes_of(path) >= before + expected);
        bed.is_right_again(&when);
        assert_eq!(
            bed.changes_of(path),
            before + expected,
            "{when}: {}",
            bed.told()
        );
    }
}

#[test]
fn a_file_with_our_content_is_repaired_once() {
    let bed = Bed::started();
    let ours = fs::read(bed.path(AUDIT)).unwrap();
    each(
        &bed,
        AUDIT,
        &[
            (("write", write_wrong), 1),
            (("append", append), 1),
            (("truncate", truncate), 1),
            (("chmod", chmod), 1),
            (("chown", give_away), 1),
            (("rename over", rename_over), 1),
            (("unlink", unlink), 1),
        ],
    );
    assert_eq!(fs::read(bed.path(AUDIT)).unwrap(), ours);
    assert_eq!(bed.mode(AUDIT), 0o600);
}

/// Ours for K3s's unit and for our own: whoever could write one would write as root.
#[test]
fn the_bits_and_the_owner_of_a_drop_in_for_a_unit_are_held() {
    let mut bed = Bed::new();
    bed.k3s_files();
    bed.write(
        "etc/systemd/system/k3s.service",
        "[Service]\nExecStart=/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-maxage=7\n",
        0o644,
    );
    // Outside of what the packaged unit may write.
    bed.write("etc/systemd/system/k3warden.service", "[Service]\n", 0o644);
    bed.policy("unit_override = true\nmetrics_file = \"/srv/collected/k3warden.prom\"\n");
    fs::create_dir_all(bed.path("srv/collected")).unwrap();
    bed.start();
    for (path, mode) in [
        ("etc/systemd/system/k3s.service.d/zz-k3warden.conf", 0o600),
        ("etc/systemd/system/k3warden.service.d/50-paths.conf", 0o644),
    ] {
        bed.waits(path, || exists(&bed.path(path)));
        each(
            &bed,
            path,
            &[(("chmod", chmod), 1), (("unlink", unlink), 1)],
        );
        assert_eq!(bed.mode(path), mode, "{path}");
    }
}

/// Also where what it comes to is the same: it says itself that changes are replaced.
#[test]
fn our_lines_for_k3s_are_repaired_once_whatever_is_changed_in_them() {
    let bed = Bed::started();
    bed.waits("the first pass", || bed.path(LINES).exists());
    each(
        &bed,
        LINES,
        &[
            (("append", append), 1),
            (("write", write_wrong), 1),
            (("truncate", truncate), 1),
            (("chmod", chmod), 1),
            (("unlink", unlink), 1),
        ],
    );
}

/// It is no fact of the node and no thing of a setting, and weakens one.
#[test]
fn a_drop_in_of_the_kubelet_that_weakens_is_answered() {
    let mut bed = Bed::new();
    bed.k3s_files();
    bed.write(
        "etc/systemd/system/k3s.service",
        "[Service]\nExecStart=/usr/local/bin/k3s server\n",
        0o644,
    );
    bed.start();
    bed.waits("the first pass", || bed.path(LINES).exists());
    bed.is_right_again("the first pass");
    let before = (
        bed.status()["summary"].clone(),
        fs::read(bed.path(LINES)).unwrap(),
    );
    bed.write(
        &format!("{DATA}/agent/etc/kubelet.conf.d/99-site.conf"),
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmakeIPTablesUtilChains: false\n",
        0o600,
    );
    bed.waits("answered", || {
        (
            bed.status()["summary"].clone(),
            fs::read(bed.path(LINES)).unwrap(),
        ) != before
    });
}

#[test]
fn a_directory_is_repaired_once() {
    let bed = Bed::started();
    each(
        &bed,
        LOGS,
        &[
            (("chmod", chmod), 1),
            (("chown", give_away), 1),
            (("rmdir -r", remove_tree), 1),
            (("mv", move_away), 1),
        ],
    );
    assert_eq!(bed.mode(LOGS), 0o700);
}

#[test]
fn permissions_of_k3s_own_files_are_repaired_once_and_their_content_is_left_alone() {
    let bed = Bed::started();
    for path in [TOKEN, KEY] {
        each(
            &bed,
            path,
            &[
                (("write", write_wrong), 0),
                (("truncate", truncate), 0),
                (("chmod", chmod), 1),
                (("chown", give_away), 1),
                (("rename over", rename_over), 1),
                (("unlink", unlink), 0),
            ],
        );
        assert!(
            !exists(&bed.path(path)),
            "what K3s writes is not ours to create"
        );
        bed.write(path, "again", 0o644);
        bed.waits(path, || bed.mode(path) == 0o600);
    }
}

#[test]
fn the_next_boot_sets_the_right_values_again_after_one_change() {
    let bed = Bed::started();
    each(
        &bed,
        SYSCTL,
        &[
            (("write", write_wrong), 1),
            (("rename over", rename_over), 1),
            (("unlink", unlink), 1),
        ],
    );
    let directory = Path::new(SYSCTL).parent().unwrap().to_str().unwrap();
    each(
        &bed,
        directory,
        &[(("rmdir -r", remove_tree), 1), (("mv", move_away), 1)],
    );
    // A later line of an operator's in the same file is not taken out; a later file outranks it.
    append(&bed.path(SYSCTL));
    bed.is_right_again("append");
    // An empty file is a mask: ours is then left alone and a later file says it.
    truncate(&bed.path(SYSCTL));
    bed.is_right_again("truncate");
    // Somebody else's file outranks ours.
    for directory in ["etc/sysctl.d", "run/sysctl.d", "usr/lib/sysctl.d"] {
        bed.write(
            &format!("{directory}/95-other.conf"),
            "vm.panic_on_oom = 1\n",
            0o644,
        );
        bed.is_right_again(directory);
    }
}

/// Debian's `99-sysctl.conf` is a link to `/etc/sysctl.conf`: whoever edits that changes the next boot, and no name in sysctl.d.
#[test]
fn what_a_link_in_sysctl_d_leads_to_is_followed() {
    let mut bed = Bed::new();
    // Rounds, in which what does not hold is looked at without an event, come once a minute with this.
    bed.policy("sysctl_interval = \"1h\"\n");
    bed.k3s_files();
    bed.write("etc/sysctl.conf", "", 0o644);
    fs::create_dir_all(bed.path("etc/sysctl.d")).unwrap();
    symlink("../sysctl.conf", bed.path("etc/sysctl.d/99-sysctl.conf")).unwrap();
    bed.start();
    let is_answered = |path: &str, text: &str| {
        let start = Instant::now();
        bed.write(path, text, 0o644);
        bed.is_right_again(path);
        assert!(start.elapsed() < Duration::from_secs(30), "{path}");
    };
    bed.is_right_again("start");
    is_answered("etc/sysctl.conf", "vm.panic_on_oom = 1\n");
    bed.write("data/site.conf", "", 0o644);
    let link = bed.path("etc/sysctl.d/zzzzz-site.conf");
    symlink("/data/site.conf", link).unwrap();
    bed.is_right_again("a new link");
    is_answered("data/site.conf", "kernel.panic = 0\n");
}

#[test]
fn what_is_not_a_plain_file_is_left_alone_until_it_is_one_again() {
    let bed = Bed::started();
    let unknown = |bed: &Bed| bed.run(&["check"]).0 == Some(2);
    for (path, target) in [(AUDIT, "etc/hosts"), (LOGS, "etc/elsewhere")] {
        bed.write("etc/hosts", "x", 0o777);
        fs::create_dir_all(bed.path("etc/elsewhere")).unwrap();
        let kept = bed.path(path).with_file_name("kept");
        fs::rename(bed.path(path), &kept).unwrap();
        // The daemon may have been quicker.
        let _ = fs::remove_file(bed.path(path));
        let _ = fs::remove_dir(bed.path(path));
        while symlink(bed.path(target), bed.path(path)).is_err() {
            let _ = fs::remove_file(bed.path(path));
            let _ = fs::remove_dir(bed.path(path));
        }
        bed.waits("unknown", || unknown(&bed));
        assert_eq!(bed.mode("etc/hosts"), 0o777);
        fs::rename(&kept, bed.path(path)).unwrap_or_else(|_| {
            fs::remove_file(bed.path(path)).unwrap();
            let _ = fs::rename(&kept, bed.path(path));
        });
        bed.is_right_again(path);
        bed.waits("status", || bed.status()["summary"]["unknown"] == 0);
        chmod(&bed.path(path));
        bed.waits("watched as before", || bed.mode(path) != 0o777);
    }
}

#[test]
fn a_file_with_two_names_is_left_alone_until_it_has_one() {
    let mut bed = Bed::new();
    bed.policy("sysctl_interval = \"1s\"\n");
    bed.k3s_files();
    bed.start();
    fs::hard_link(bed.path(TOKEN), bed.path("etc/second")).unwrap();
    chmod(&bed.path(TOKEN));
    bed.waits("unknown", || bed.run(&["check"]).0 == Some(2));
    bed.waits("status", || bed.status()["summary"]["unknown"] == 1);
    assert_eq!(bed.mode(TOKEN), 0o777, "the other name would change too");
    let said = format!("/{TOKEN} is left untouched: it has 2 hard links");
    bed.hears(&said);
    // Rounds look at it again.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(bed.told().matches(&said).count(), 1, "{}", bed.told());
    fs::remove_file(bed.path("etc/second")).unwrap();
    bed.waits("mode", || bed.mode(TOKEN) == 0o600);
    bed.is_right_again("hard link");
}

#[test]
fn a_parent_that_is_moved_away_and_back_is_followed() {
    let bed = Bed::started();
    for parent in ["var/lib/rancher", "var/lib/rancher/k3s", SERVER] {
        let away = bed.path(parent).with_file_name("away");
        fs::rename(bed.path(parent), &away).unwrap();
        bed.is_right_again("moved away");
        let _ = fs::remove_dir_all(bed.path(parent));
        if fs::rename(&away, bed.path(parent)).is_err() {
            // The daemon has made it anew already; the old one takes its place.
            let _ = fs::remove_dir_all(bed.path(parent));
            while fs::rename(&away, bed.path(parent)).is_err() {
                let _ = fs::remove_dir_all(bed.path(parent));
            }
        }
        bed.is_right_again("moved back");
        bed.chmod(TOKEN, 0o666);
        bed.waits(parent, || bed.mode(TOKEN) == 0o600);
    }
}

/// As `scp` does it: the file is opened and emptied before there is anything to write.
#[test]
fn an_operator_who_writes_a_file_of_his_own_in_place_is_waited_for() {
    let bed = Bed::started();
    let ours = fs::read(bed.path(AUDIT)).unwrap();
    let is_kept = || {
        // What went before is over: only the event of this file has it looked at.
        bed.is_right_again("before");
        let start = Instant::now();
        let mut file = fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(bed.path(AUDIT))
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        file.write_all(OWN_POLICY.as_bytes()).unwrap();
        drop(file);
        let took = start.elapsed();
        bed.is_right_again("an operator's own");
        let kept = fs::read_to_string(bed.path(AUDIT)).unwrap() == OWN_POLICY;
        // The daemon waits a second, and on a busy machine the writer may take longer.
        assert!(kept || took > Duration::from_millis(800), "{took:?}");
        kept
    };
    assert!((0..10).any(|_| is_kept()), "{}", bed.told());
    // Nobody writes any more.
    fs::write(bed.path(AUDIT), "").unwrap();
    bed.waits("repaired", || fs::read(bed.path(AUDIT)).unwrap() == ours);
}

/// Nobody keeps a file empty by emptying it faster than he is waited for.
#[test]
fn a_file_that_is_emptied_again_and_again_is_repaired_all_the_same() {
    let bed = Bed::started();
    bed.is_right_again("started");
    let begun = Instant::now();
    let mut was_repaired = false;
    while !was_repaired && begun.elapsed() < Duration::from_secs(60) {
        truncate(&bed.path(AUDIT));
        std::thread::sleep(Duration::from_millis(200));
        was_repaired = fs::metadata(bed.path(AUDIT)).unwrap().len() > 0;
    }
    assert!(was_repaired, "{}", bed.told());
}
