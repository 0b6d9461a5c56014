use super::*;
use crate::host::HostError;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// What is to be undone for one control.
fn of_control(ledger: &mut Ledger, control: &str, lock: &Lock) -> Vec<Touch> {
    let mut touched = ledger.touched(lock).unwrap();
    touched.retain(|touch| touch.controls.iter().any(|known| known == control));
    touched
}

#[test]
fn every_kind_of_state_comes_back_after_opening_anew() {
    let machine = Machine::new();
    filled(&machine);
    let mut ledger = machine.open();
    let lock = machine.lock();
    let mut before = |thing: Thing| ledger.before(&thing, &lock).unwrap();
    assert_eq!(
        before(Thing::Sysctl("vm.overcommit_memory".parse().unwrap())),
        State::Value("0".into())
    );
    assert_eq!(before(path("/psa.yaml")), State::Absent);
    assert_eq!(before(path("/tls")), State::Directory(attributes(0o755)));
    assert_eq!(before(path("/config.yaml")), file(SECRET, 0o644));
    assert_eq!(before(path("/key")), State::Attributes(attributes(0o644)));
    drop(lock);
    assert_eq!(machine.verify().unwrap(), 6);
}

#[test]
fn undoing_goes_from_the_last_first_touch_to_the_first() {
    let machine = Machine::new();
    let mut ledger = filled(&machine);
    let touched = ledger.touched(&machine.lock()).unwrap();
    let things: Vec<String> = touched
        .iter()
        .map(|touch| touch.thing.to_string())
        .collect();
    let expected = [
        "/key",
        "/config.yaml",
        "/tls",
        "/psa.yaml",
        "/proc/sys/vm/overcommit_memory",
    ];
    assert_eq!(things, expected);
    assert!(touched.iter().all(|touch| touch.proven));
    let of_psa = of_control(&mut ledger, "psa", &machine.lock());
    assert_eq!(of_psa.len(), 1);
    assert_eq!(of_psa[0].thing, path("/psa.yaml"));
}

#[test]
fn last_written_is_what_the_last_change_announced() {
    let machine = Machine::new();
    let mut ledger = filled(&machine);
    let thing = path("/config.yaml");
    let _ = machine.record(
        &mut ledger,
        &change(
            "config",
            thing.clone(),
            file(b"theirs", 0o600),
            file(b"newer", 0o600),
        ),
    );
    // A mode alone, by another control: the content that we wrote is still known.
    let _ = machine.record(
        &mut ledger,
        &change(
            "modes",
            thing.clone(),
            State::Attributes(attributes(0o666)),
            State::Attributes(attributes(0o400)),
        ),
    );
    let touched = of_control(&mut machine.open(), "config", &machine.lock());
    assert!(touched[0].last_written.matches(&file(b"newer", 0o400)));
    assert!(!touched[0].last_written.matches(&file(b"new", 0o400)));
    assert!(!touched[0].last_written.matches(&file(b"newer", 0o600)));
    assert_eq!(touched[0].controls, ["config", "modes"]);
}

#[test]
fn content_under_a_mode_that_we_changed_first_is_kept_before_we_replace_it() {
    let machine = Machine::new();
    let mut ledger = machine.open();
    let thing = path("/etc/rancher/k3s/config.yaml");
    let modes = change(
        "modes",
        thing.clone(),
        State::Attributes(attributes(0o644)),
        State::Attributes(attributes(0o600)),
    );
    let content = change(
        "config",
        thing.clone(),
        file(SECRET, 0o600),
        file(b"new", 0o600),
    );
    let again = change(
        "config",
        thing.clone(),
        file(b"theirs", 0o600),
        file(b"new", 0o600),
    );
    assert!(matches!(
        machine.record(&mut ledger, &modes),
        Recorded::FirstTouch(_)
    ));
    assert!(matches!(
        machine.record(&mut ledger, &content),
        Recorded::FirstTouch(_)
    ));
    assert!(matches!(
        machine.record(&mut ledger, &again),
        Recorded::Repair(_)
    ));
    assert_eq!(
        machine.open().before(&thing, &machine.lock()).unwrap(),
        file(SECRET, 0o644)
    );
    assert_eq!(ledger.touched(&machine.lock()).unwrap().len(), 1);
}

#[test]
fn ending_makes_the_next_change_a_first_touch_again() {
    let machine = Machine::new();
    let mut ledger = filled(&machine);
    let thing = path("/psa.yaml");
    for ending in [Ending::Reverted, Ending::Released, Ending::NotMade] {
        ledger
            .end(&[(thing.clone(), ending)], &machine.lock())
            .unwrap();
        assert!(matches!(
            ledger.end(&[(thing.clone(), ending)], &machine.lock()),
            Err(LedgerError::NotTouched(_))
        ));
        assert!(matches!(
            machine.open().before(&thing, &machine.lock()),
            Err(LedgerError::NotTouched(_))
        ));
        let anew = change(
            "psa",
            thing.clone(),
            file(b"theirs", 0o644),
            file(b"x", 0o600),
        );
        assert!(matches!(
            machine.record(&mut ledger, &anew),
            Recorded::FirstTouch(_)
        ));
        assert_eq!(
            ledger.before(&thing, &machine.lock()).unwrap(),
            file(b"theirs", 0o644)
        );
    }
    machine.verify().unwrap();
}

/// Of a file only the bits were changed; then its content was to be, and somebody was quicker.
#[test]
fn a_content_that_was_not_written_leaves_the_image_of_the_bits() {
    let machine = Machine::new();
    let mut ledger = machine.open();
    let thing = path("/drop-in.yaml");
    let bits = |mode| State::Attributes(attributes(mode));
    let tightened = change("modes", thing.clone(), bits(0o644), bits(0o600));
    let _ = machine.record(&mut ledger, &tightened);
    let known = ledger.touched(&machine.lock()).unwrap();
    for _ in 0..2 {
        let replaced = change(
            "content",
            thing.clone(),
            file(b"theirs", 0o600),
            file(b"ours", 0o600),
        );
        let recorded = machine.record(&mut ledger, &replaced);
        assert!(matches!(recorded, Recorded::FirstTouch(_)));
        let ended = [(thing.clone(), Ending::NotMade)];
        ledger.end(&ended, &machine.lock()).unwrap();
        for ledger in [&mut ledger, &mut machine.open()] {
            assert_eq!(ledger.before(&thing, &machine.lock()).unwrap(), bits(0o644));
            let touched = ledger.touched(&machine.lock()).unwrap();
            assert_eq!(touched[0].controls, known[0].controls);
            assert_eq!(touched[0].last_written, known[0].last_written);
        }
    }
    machine.verify().unwrap();
}

#[test]
fn decisions_are_found_again_and_the_newest_counts() {
    let machine = Machine::new();
    let mut ledger = machine.open();
    assert_eq!(ledger.noted("cluster", &machine.lock()).unwrap(), None);
    ledger.note("cluster", "new", &machine.lock()).unwrap();
    ledger.note("cluster", "has data", &machine.lock()).unwrap();
    assert_eq!(
        machine
            .open()
            .noted("cluster", &machine.lock())
            .unwrap()
            .unwrap(),
        "has data"
    );
}

#[test]
fn path_that_is_no_text_comes_back_to_the_byte() {
    let machine = Machine::new();
    let thing = Thing::Path(PathBuf::from(std::ffi::OsStr::from_bytes(b"/odd\xff\n")));
    let _ = machine.record(
        &mut machine.open(),
        &change("c", thing.clone(), State::Absent, file(b"", 0o600)),
    );
    assert_eq!(
        machine.open().touched(&machine.lock()).unwrap()[0].thing,
        thing
    );
}

#[test]
fn history_tells_all_and_shows_no_content() {
    let machine = Machine::new();
    let mut ledger = filled(&machine);
    ledger.note("cluster", "new", &machine.lock()).unwrap();
    ledger
        .end(&[(path("/tls"), Ending::Reverted)], &machine.lock())
        .unwrap();
    let mut shown = Vec::new();
    ledger
        .each(&machine.lock(), |record| shown.push(record))
        .unwrap();
    assert_eq!(shown.len(), 8);
    assert!(
        matches!(&shown[3].kind, RecordKind::FirstTouch { control, .. } if control == "config")
    );
    assert!(
        matches!(&shown[5].kind, RecordKind::Repair { before, .. } if before.to_string() == "2")
    );
    assert!(matches!(
        &shown[7].kind,
        RecordKind::Ended {
            ending: Ending::Reverted,
            ..
        }
    ));
    let text = format!("{shown:?}") + &String::from_utf8(machine.bytes()).unwrap();
    assert!(!text.contains("secret-token"));
}

#[test]
fn files_are_private_even_if_they_were_not() {
    let machine = Machine::new();
    filled(&machine);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(machine.lines_path().parent().unwrap()), 0o700);
    let files = [machine.lines_path(), machine.head_path()];
    for file in &files {
        assert_eq!(mode(file), 0o600);
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .unwrap();
    }
    machine.open();
    assert!(files.iter().all(|file| mode(file) == 0o600));
}

#[test]
fn nothing_is_created_by_looking() {
    let machine = Machine::new();
    let mut ledger = machine.open();
    assert!(ledger.touched(&machine.lock()).unwrap().is_empty());
    assert_eq!(ledger.verify(&machine.lock()).unwrap(), 0);
    assert!(!machine.lines_path().exists() && !machine.head_path().exists());
}

#[test]
fn link_or_second_name_of_the_ledger_is_refused() {
    let machine = Machine::new();
    filled(&machine);
    let other = machine.directory.join("other");
    std::fs::hard_link(machine.lines_path(), &other).unwrap();
    let open = || Ledger::open(&machine.root, machine.keeping.clone(), &machine.lock());
    assert!(matches!(
        open(),
        Err(LedgerError::Host(HostError::Refused { .. }))
    ));
    std::fs::remove_file(machine.lines_path()).unwrap();
    std::os::unix::fs::symlink(&other, machine.lines_path()).unwrap();
    assert!(matches!(
        open(),
        Err(LedgerError::Host(HostError::Refused { .. }))
    ));
}
