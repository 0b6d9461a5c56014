//! A disk that is really full: the test runs itself again in a mount namespace of its own, on a tmpfs of one page more
//! than the ledger has.

use super::*;
use std::process::Command;

const INSIDE: &str = "K3WARDEN_TEST_FULL_DISK";
const NAME: &str =
    "reconcile::ledger::tests::full_disk::full_disk_stops_first_touches_and_no_repair";

#[test]
fn full_disk_stops_first_touches_and_no_repair() {
    if let Some(directory) = std::env::var_os(INSIDE) {
        return inside(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let script =
        "mount -t tmpfs -o size=64k tmpfs \"$1\" && exec \"$2\" --exact --nocapture \"$3\"";
    let namespaces = if nix::unistd::geteuid().is_root() {
        "-m"
    } else {
        "-Urm"
    };
    let output = Command::new("unshare")
        .args([namespaces, "sh", "-c", script, "sh"])
        .arg(directory.path())
        .arg(std::env::current_exe().unwrap())
        .arg(NAME)
        .env(INSIDE, directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{errors}"
    );
}

fn inside(directory: &Path) {
    let machine = Machine::at(directory);
    let mut ledger = filled(&machine);
    let fill = directory.join("fill");
    let _ = std::fs::write(&fill, vec![0; 1 << 20]);
    let whole = machine.bytes();
    let large = change("c", path("/large"), file(&[7; 8000], 0o644), State::Absent);
    let error = ledger.record(&large, &machine.lock()).unwrap_err();
    assert!(matches!(error, LedgerError::Full { .. }), "{error}");
    assert!(
        error.to_string().starts_with("no room to record"),
        "{error}"
    );
    assert_eq!(machine.bytes(), whole, "nothing half written stays");
    // The rest of the last page takes a few repairs; then they are made without being recorded.
    let unrecorded = (0..100).find_map(|_| {
        match machine.record(&mut ledger, &value("vm/overcommit_memory", "2", "1")) {
            Recorded::RepairUnrecorded(error) => Some(error),
            _ => None,
        }
    });
    assert!(matches!(unrecorded, Some(LedgerError::Full { .. })));
    let both = [
        value("kernel/panic", "0", "10"),
        value("vm/overcommit_memory", "2", "1"),
    ];
    let results = ledger.record_all(&both, &machine.lock());
    assert!(matches!(&results[0], Err(LedgerError::Full { .. })));
    assert!(matches!(&results[1], Ok(Recorded::RepairUnrecorded(_))));
    machine.verify().unwrap();
    std::fs::remove_file(fill).unwrap();
    assert!(matches!(
        machine.record(&mut ledger, &large),
        Recorded::FirstTouch(_)
    ));
    machine.verify().unwrap();
}
