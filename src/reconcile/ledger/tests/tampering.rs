use super::*;
use crate::host::testing::until_files_have_a_later_time;

fn swapped(machine: &Machine, first: usize, second: usize) {
    let mut lines = machine.lines();
    lines.swap(first, second);
    machine.write(&lines.concat());
}

fn without(machine: &Machine, line: usize) {
    let mut lines = machine.lines();
    lines.remove(line);
    machine.write(&lines.concat());
}

/// Each byte of each line, changed to one that is sure to be another. The named line is the one, or the one before
/// with the changed one named beside it where `prev` is what was changed.
#[test]
fn every_changed_byte_is_found_with_its_line() {
    let machine = Machine::new();
    filled(&machine);
    let whole = machine.bytes();
    let mut line = 1;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        machine.write(&changed);
        let damage = machine
            .damage()
            .unwrap_or_else(|| panic!("byte {at} of line {line}"));
        let named = match &damage {
            Damage::Changed { line, through } => *line..=*through,
            other => other.line().unwrap()..=other.line().unwrap(),
        };
        assert!(
            named.contains(&line),
            "byte {at} of line {line}: {damage:?}"
        );
        if whole[at] == b'\n' {
            line += 1;
        }
    }
    machine.write(&whole);
    machine.verify().unwrap();
}

#[test]
fn missing_line_is_found() {
    for line in 0..6 {
        let machine = Machine::new();
        filled(&machine);
        without(&machine, line);
        let number = line as u64 + 1;
        let damage = machine.damage().unwrap();
        assert_eq!(damage.line(), Some(number), "{damage}");
    }
}

#[test]
fn two_swapped_lines_are_found() {
    let machine = Machine::new();
    filled(&machine);
    swapped(&machine, 2, 3);
    let expected = Damage::OutOfOrder {
        line: 3,
        expected: 3,
        found: 4,
    };
    assert_eq!(machine.damage(), Some(expected));
}

#[test]
fn cut_of_synced_lines_is_found_after_a_reboot_too() {
    let mut machine = Machine::new();
    filled(&machine);
    let lines = machine.lines();
    machine.write(&lines[..4].concat());
    assert_eq!(
        machine.damage(),
        Some(Damage::Cut {
            line: 5,
            missing: 2
        })
    );
    machine.after_reboot();
    assert_eq!(
        machine.damage(),
        Some(Damage::Cut {
            line: 5,
            missing: 1
        })
    );
    machine.write(b"");
    assert_eq!(
        machine.damage(),
        Some(Damage::Cut {
            line: 1,
            missing: 5
        })
    );
}

#[test]
fn removed_ledger_is_found() {
    let machine = Machine::new();
    filled(&machine);
    std::fs::remove_file(machine.lines_path()).unwrap();
    let damage = machine.damage().unwrap();
    assert_eq!(
        damage,
        Damage::Cut {
            line: 1,
            missing: 5
        }
    );
    assert!(!machine.lines_path().exists());
}

#[test]
fn lost_or_emptied_head_is_found() {
    let machine = Machine::new();
    filled(&machine);
    std::fs::write(machine.head_path(), vec![0; 1536]).unwrap();
    assert_eq!(machine.damage(), Some(Damage::HeadLost));
    std::fs::remove_file(machine.head_path()).unwrap();
    assert_eq!(machine.damage(), Some(Damage::HeadLost));
}

#[test]
fn process_that_lives_on_notices_a_cut_even_without_a_head() {
    let machine = Machine::new();
    let mut ledger = filled(&machine);
    machine.write(&machine.lines()[..2].concat());
    std::fs::remove_file(machine.head_path()).unwrap();
    let result = ledger.record(&value("kernel/panic", "0", "10"), &machine.lock());
    let cut = Damage::Cut {
        line: 3,
        missing: 4,
    };
    assert!(matches!(result, Err(LedgerError::Broken(found)) if found == cut));
}

#[test]
fn damaged_ledger_takes_no_first_touch_but_lets_repairs_be_made() {
    let machine = Machine::new();
    filled(&machine);
    swapped(&machine, 2, 3);
    let before = machine.bytes();
    let mut ledger = machine.open();
    let plan = [
        value("kernel/panic", "0", "10"),
        value("vm/overcommit_memory", "2", "1"),
    ];
    let results = ledger.record_all(&plan, &machine.lock());
    assert!(matches!(&results[0], Err(LedgerError::Broken(_))));
    assert!(matches!(
        &results[1],
        Ok(Recorded::RepairUnrecorded(LedgerError::Broken(_)))
    ));
    assert_eq!(machine.bytes(), before);
}

#[test]
fn what_stands_before_the_damage_is_proven_and_the_rest_is_not() {
    let machine = Machine::new();
    filled(&machine);
    let mut lines = machine.lines();
    let text = String::from_utf8(lines[3].clone())
        .unwrap()
        .replace("0644", "4755");
    lines[3] = text.into_bytes();
    machine.write(&lines.concat());
    let mut ledger = machine.open();
    assert_eq!(
        ledger.damage(),
        Some(&Damage::Changed {
            line: 4,
            through: 4
        })
    );
    assert_eq!(ledger.damage().unwrap().to_string(), "line 4 was changed");
    let touched = ledger.touched(&machine.lock()).unwrap();
    let proven: Vec<bool> = touched.iter().map(|touch| touch.proven).collect();
    assert_eq!(proven, [false, false, true, true, true]);
}

#[test]
fn a_line_changed_under_a_ledger_that_is_open_is_found_by_the_next_look() {
    let machine = Machine::new();
    let mut ledger = filled(&machine);
    let changed = String::from_utf8(machine.bytes())
        .unwrap()
        .replace("0644", "4755");
    ledger.look(&machine.lock()).unwrap();
    assert_eq!(ledger.damage(), None);
    until_files_have_a_later_time();
    machine.write(changed.as_bytes());
    ledger.look(&machine.lock()).unwrap();
    assert!(matches!(ledger.damage(), Some(Damage::Changed { .. })));
}

#[test]
fn what_we_append_ourselves_is_not_read_again() {
    let machine = Machine::new();
    let mut ledger = filled(&machine);
    let seen = ledger.seen;
    let _ = machine.record(&mut ledger, &value("kernel/panic", "0", "10"));
    assert_ne!(ledger.seen, seen);
    let state = ledger.store.as_ref().unwrap().file.state().unwrap();
    assert_eq!(ledger.seen, Some(state));
}
