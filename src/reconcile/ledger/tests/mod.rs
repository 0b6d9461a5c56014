//! The ledger on real files below a temporary root.

mod bounds;
mod crash;
mod full_disk;
mod model;
mod round_trip;
mod tampering;
mod together;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::host::{Attributes, FileMode, State, Thing};

const BOOT: &str = "11111111-2222-3333-4444-555555555555";
const SECRET: &[u8] = b"K10secret-token\n";

/// A root in a directory that vanishes with the test.
struct Machine {
    directory: PathBuf,
    root: Root,
    keeping: Keeping,
    _guard: Option<tempfile::TempDir>,
}

impl Machine {
    fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let mut machine = Self::at(guard.path());
        machine._guard = Some(guard);
        machine
    }

    fn at(directory: &Path) -> Self {
        Self {
            directory: directory.to_path_buf(),
            root: Root::open(directory).unwrap(),
            keeping: Keeping {
                limit_bytes: LIMIT_BYTES,
                boot_id: Some(BOOT.to_owned()),
            },
            _guard: None,
        }
    }

    fn lock(&self) -> Lock {
        Lock::acquire(&self.root, Duration::from_secs(20), "test").unwrap()
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.root, self.keeping.clone(), &self.lock()).unwrap()
    }

    fn after_reboot(&mut self) -> Ledger {
        self.keeping.boot_id = Some(format!("{}x", self.keeping.boot_id.as_deref().unwrap()));
        self.open()
    }

    fn verify(&self) -> Result<u64, LedgerError> {
        self.open().verify(&self.lock())
    }

    fn damage(&self) -> Option<Damage> {
        match self.verify() {
            Ok(_) => None,
            Err(LedgerError::Broken(damage)) => Some(damage),
            Err(other) => panic!("{other}"),
        }
    }

    fn lines_path(&self) -> PathBuf {
        self.directory.join("var/lib/k3warden/ledger.jsonl")
    }

    fn head_path(&self) -> PathBuf {
        self.directory.join("var/lib/k3warden/ledger.head")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.lines_path()).unwrap()
    }

    fn write(&self, bytes: &[u8]) {
        std::fs::write(self.lines_path(), bytes).unwrap();
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        let ends = |byte: &u8| *byte == b'\n';
        self.bytes()
            .split_inclusive(ends)
            .map(<[u8]>::to_vec)
            .collect()
    }

    fn record(&self, ledger: &mut Ledger, change: &Change) -> Recorded {
        ledger.record(change, &self.lock()).unwrap()
    }
}

fn attributes(mode: u32) -> Attributes {
    Attributes {
        mode: FileMode::new(mode),
        uid: 0,
        gid: 7,
    }
}

fn file(content: &[u8], mode: u32) -> State {
    State::File {
        content: content.to_vec(),
        attributes: attributes(mode),
    }
}

fn path(name: &str) -> Thing {
    Thing::Path(PathBuf::from(name))
}

fn change(control: &str, thing: Thing, before: State, after: State) -> Change {
    Change {
        control: control.to_owned(),
        thing,
        before,
        after,
    }
}

/// A kernel parameter taken from one value to another.
fn value(key: &str, before: &str, after: &str) -> Change {
    let thing = Thing::Sysctl(key.parse().unwrap());
    let state = |text: &str| State::Value(text.to_owned());
    change("kernel", thing, state(before), state(after))
}

/// Five first touches and a repair that is only written.
fn filled(machine: &Machine) -> Ledger {
    let mut ledger = machine.open();
    let plan = [
        value("vm/overcommit_memory", "0", "1"),
        change("psa", path("/psa.yaml"), State::Absent, file(b"x", 0o600)),
        change(
            "tls",
            path("/tls"),
            State::Directory(attributes(0o755)),
            State::Directory(attributes(0o700)),
        ),
        change(
            "config",
            path("/config.yaml"),
            file(SECRET, 0o644),
            file(b"new", 0o600),
        ),
        change(
            "key",
            path("/key"),
            State::Attributes(attributes(0o644)),
            State::Attributes(attributes(0o600)),
        ),
    ];
    for result in ledger.record_all(&plan, &machine.lock()) {
        assert!(matches!(result.unwrap(), Recorded::FirstTouch(_)));
    }
    let again = machine.record(&mut ledger, &value("vm/overcommit_memory", "2", "1"));
    assert!(matches!(again, Recorded::Repair(_)));
    ledger
}
