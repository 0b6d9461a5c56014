use super::*;
use crate::reconcile::ledger::head::Head;

/// The last line is not yet what the head speaks of: the moment between the append and the new head.
fn before_the_head(machine: &Machine, change: &Change) -> Vec<u8> {
    let head = std::fs::read(machine.head_path()).unwrap();
    let whole = machine.bytes().len();
    let _ = machine.record(&mut machine.open(), change);
    std::fs::write(machine.head_path(), head).unwrap();
    machine.bytes().split_off(whole)
}

fn next(machine: &Machine, mut ledger: Ledger) {
    let _ = machine.record(&mut ledger, &value("kernel/panic", "0", "10"));
    machine.verify().unwrap();
    assert!(
        machine
            .open()
            .before(&path("/psa.yaml"), &machine.lock())
            .is_ok()
    );
}

#[test]
fn line_torn_at_every_byte_is_cut_off_and_said() {
    let machine = Machine::new();
    filled(&machine);
    let whole = machine.bytes();
    let head = std::fs::read(machine.head_path()).unwrap();
    let last = before_the_head(&machine, &value("kernel/panic_on_oops", "0", "1"));
    for written in 1..last.len() {
        std::fs::write(machine.head_path(), &head).unwrap();
        machine.write(&[&whole[..], &last[..written]].concat());
        assert_eq!(machine.verify().unwrap(), 6, "{written} bytes");
        assert!(machine.bytes().len() > whole.len(), "looking cuts nothing");
        let mut ledger = machine.open();
        let recorded = machine.record(&mut ledger, &value("kernel/panic_on_oops", "0", "1"));
        assert!(matches!(recorded, Recorded::FirstTouch(_)));
        assert_eq!(machine.verify().unwrap(), 8, "{written} bytes");
        let note = machine
            .open()
            .noted("torn_end", &machine.lock())
            .unwrap()
            .unwrap();
        assert_eq!(
            note,
            format!("cut {written} bytes after line 6, left by an interrupted write")
        );
    }
}

#[test]
fn line_that_was_whole_before_its_head_counts() {
    let machine = Machine::new();
    filled(&machine);
    before_the_head(&machine, &value("kernel/panic_on_oops", "0", "1"));
    assert_eq!(machine.verify().unwrap(), 7);
    assert_eq!(machine.open().touched(&machine.lock()).unwrap().len(), 6);
}

#[test]
fn power_cut_that_lost_what_was_not_synced_is_no_tampering() {
    let ends: [&[u8]; 5] = [
        b"",
        &[0; 5000],
        b"{\"seq\":6",
        b"garbage\nmore\n\n{}\n",
        b"\n",
    ];
    for end in ends {
        let mut machine = Machine::new();
        let mut ledger = filled(&machine);
        let _ = machine.record(&mut ledger, &value("vm/overcommit_memory", "2", "1"));
        let synced = machine.lines()[..5].concat();
        machine.write(&[&synced, end].concat());
        assert!(
            machine.damage().is_some(),
            "within one boot nothing gets lost"
        );
        let ledger = machine.after_reboot();
        assert_eq!(machine.verify().unwrap(), 5);
        next(&machine, ledger);
    }
}

#[test]
fn torn_head_slot_leaves_the_other() {
    let mut machine = Machine::new();
    filled(&machine);
    let whole = std::fs::read(machine.head_path()).unwrap();
    for slot in 0..2 {
        let mut torn = whole.clone();
        torn[slot * 512..slot * 512 + 512].fill(0);
        std::fs::write(machine.head_path(), torn).unwrap();
        let ledger = machine.after_reboot();
        assert_eq!(machine.damage(), None);
        next(&machine, ledger);
    }
}

#[test]
fn head_alternates_so_that_the_mark_before_survives_a_torn_one() {
    let mut machine = Machine::new();
    let mut ledger = filled(&machine);
    let new = change(
        "audit",
        path("/audit.yaml"),
        State::Absent,
        file(b"x", 0o600),
    );
    let _ = machine.record(&mut ledger, &new);
    let whole = std::fs::read(machine.head_path()).unwrap();
    let seq = |slot: usize| -> u64 {
        let text = String::from_utf8_lossy(&whole[slot * 512..slot * 512 + 512]);
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let newer = usize::from(seq(1) > seq(0));
    assert_eq!((seq(newer), seq(1 - newer)), (7, 5));
    let mut torn = whole.clone();
    torn[newer * 512..newer * 512 + 512].fill(0);
    std::fs::write(machine.head_path(), torn).unwrap();
    machine.write(&machine.lines()[..4].concat());
    machine.after_reboot();
    assert_eq!(
        machine.damage(),
        Some(Damage::Cut {
            line: 5,
            missing: 1
        })
    );
}

#[test]
fn crash_while_the_files_are_created_starts_anew() {
    for head in [b"".to_vec(), vec![0; 300]] {
        let machine = Machine::new();
        drop(machine.lock());
        std::fs::write(machine.head_path(), &head).unwrap();
        assert_eq!(machine.verify().unwrap(), 0);
        filled(&machine);
        assert_eq!(machine.verify().unwrap(), 6);
    }
    let machine = Machine::new();
    filled(&machine);
    let first = machine.lines().remove(0);
    let machine = Machine::new();
    drop(machine.lock());
    let mut head = Head::default();
    let place = OwnPlace::state(&machine.root).unwrap();
    let directory = place.create().unwrap();
    let file = directory.open_file(
        "ledger.head",
        crate::host::Writing::Anywhere,
        crate::host::Opening::OrCreate,
    );
    head.write_durable(&file.unwrap().unwrap(), Mark::START)
        .unwrap();
    assert_eq!(machine.verify().unwrap(), 0);
    machine.write(&first[..first.len() / 2]);
    assert_eq!(machine.verify().unwrap(), 0);
    filled(&machine);
    assert_eq!(machine.verify().unwrap(), 7);
}

/// The newest line, lost with the machine: `None` if it was not on the disk yet, which is no tampering.
fn lost(mut machine: Machine) -> Option<Damage> {
    let lines = machine.lines();
    machine.write(&lines[..lines.len() - 1].concat());
    machine.after_reboot();
    machine.damage()
}

#[test]
fn repair_that_writes_something_new_is_synced() {
    let machine = Machine::new();
    let mut ledger = filled(&machine);
    let other = change(
        "psa",
        path("/psa.yaml"),
        file(b"old", 0o600),
        file(b"other", 0o600),
    );
    assert!(matches!(
        machine.record(&mut ledger, &other),
        Recorded::Repair(_)
    ));
    let cut = Damage::Cut {
        line: 7,
        missing: 1,
    };
    assert_eq!(lost(machine), Some(cut));
}

/// A crash of the machine takes the value of ours too.
#[test]
fn no_disk_is_waited_for_before_a_live_value_is_changed() {
    for (key, before, after) in [
        ("vm/overcommit_memory", "1", "2"),
        ("kernel/panic_on_oops", "0", "1"),
    ] {
        let machine = Machine::new();
        let mut ledger = filled(&machine);
        ledger.sync(&machine.lock()).unwrap();
        let _ = machine.record(&mut ledger, &value(key, before, after));
        assert_eq!(lost(machine), None, "{key}");
        let machine = Machine::new();
        let mut ledger = filled(&machine);
        let _ = machine.record(&mut ledger, &value(key, before, after));
        ledger.sync(&machine.lock()).unwrap();
        assert!(lost(machine).is_some(), "{key} is synced right after");
    }
}

#[test]
fn sync_makes_the_end_count_after_a_reboot() {
    let mut machine = Machine::new();
    let mut ledger = filled(&machine);
    ledger.sync(&machine.lock()).unwrap();
    machine.write(&machine.lines()[..5].concat());
    machine.after_reboot();
    assert_eq!(
        machine.damage(),
        Some(Damage::Cut {
            line: 6,
            missing: 1
        })
    );
}

#[test]
fn without_a_boot_id_every_line_is_synced() {
    let mut machine = Machine::new();
    machine.keeping = Keeping::of(&machine.root);
    assert_eq!(machine.keeping.boot_id, None);
    filled(&machine);
    machine.write(&machine.lines()[..5].concat());
    assert_eq!(
        machine.damage(),
        Some(Damage::Cut {
            line: 6,
            missing: 1
        })
    );
}
