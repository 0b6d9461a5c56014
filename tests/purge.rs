//! What `apt purge` says and keeps, by the answer of the program that puts back. On a whole machine: the cases of
//! `tests/machine/package-cases`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// While another test starts a program, its fork holds open what this one is writing, and a program that is open for
/// writing cannot be run (ETXTBSY).
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs the script below a directory, with a program that says this and ends so. Gives what was said and whether the
/// record is still there.
fn purge(said: &str, code: i32) -> (String, bool) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let root = tempfile::tempdir().unwrap();
    let state = root.path().join("var/lib/k3warden");
    fs::create_dir_all(&state).unwrap();
    fs::write(state.join("said"), said).unwrap();
    let program = state.join("k3warden-revert");
    let text = format!("#!/bin/sh\ncat \"${{0%/*}}/said\"\nexit {code}\n");
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();

    let mut script = fs::read_to_string("packaging/purge").unwrap();
    for place in [
        "/var/lib/",
        "/etc/k3warden/",
        "/run/",
        "/var/log/",
        "/proc/",
    ] {
        script = script.replace(place, &format!("{}{place}", root.path().display()));
    }
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), state.exists())
}

const COMMAND: &str =
    "           stays in the cluster; to remove it: kubectl delete networkpolicy -n kube-system x";

#[test]
fn what_stays_in_the_cluster_is_said_before_the_record_goes() {
    let put_back = format!("put back   /a: nothing\n{COMMAND}\nput back   /b: nothing\n");
    assert_eq!(purge(&put_back, 0), (format!("{COMMAND}\n"), false));

    let stays = format!("{put_back}stays      /c: K3s needs it\n");
    let told = format!("{COMMAND}\nstays      /c: K3s needs it\n");
    assert_eq!(purge(&stays, 1), (told, false));
    assert_eq!(purge("put back   /a: nothing\n", 0), (String::new(), false));
}

/// With the record the program goes, and nothing is there any more that could take it back.
#[test]
fn no_option_is_recommended_that_has_no_program_any_more() {
    let stays = "stays      /c: it was changed by somebody else since; --force takes it back\n";
    let told = "stays      /c: it was changed by somebody else since\n";
    assert_eq!(purge(stays, 1), (told.to_owned(), false));
}

#[test]
fn what_could_not_be_put_back_keeps_the_record() {
    let (said, is_kept) = purge("failed     /a\n", 2);
    assert!(said.contains("failed     /a") && is_kept, "{said}");
}
