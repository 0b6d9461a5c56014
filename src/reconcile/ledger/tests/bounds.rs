use super::*;
use crate::reconcile::ledger::head::Head;

fn small() -> Machine {
    let mut machine = Machine::new();
    machine.keeping.limit_bytes = 8192;
    machine
}

/// Repairs until the file shrinks; also what it was before it did.
fn compacted(machine: &Machine, mut ledger: Ledger) -> (Ledger, Vec<u8>) {
    ledger.note("cluster", "new", &machine.lock()).unwrap();
    loop {
        let old = machine.bytes();
        let _ = machine.record(&mut ledger, &value("vm/overcommit_memory", "2", "1"));
        if machine.bytes().len() < old.len() {
            return (ledger, old);
        }
    }
}

#[test]
fn repairs_are_compacted_and_what_undoing_needs_stays() {
    let machine = small();
    let before = filled(&machine).touched(&machine.lock()).unwrap();
    let (mut ledger, _) = compacted(&machine, machine.open());
    assert_eq!(ledger.touched(&machine.lock()).unwrap(), before);
    let config = ledger
        .before(&path("/config.yaml"), &machine.lock())
        .unwrap();
    assert_eq!(config, file(SECRET, 0o644));
    assert_eq!(
        ledger.noted("cluster", &machine.lock()).unwrap().unwrap(),
        "new"
    );
    machine.verify().unwrap();
}

#[test]
fn checkpoint_says_what_it_replaced_and_continues_its_chain() {
    let machine = small();
    let (mut ledger, old) = compacted(&machine, filled(&machine));
    let lines = old.split_inclusive(|byte| *byte == b'\n').count();
    let last = old
        .strip_suffix(b"\n")
        .unwrap()
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap();
    let first: serde_json::Value = serde_json::from_slice(&machine.lines()[0]).unwrap();
    assert_eq!(first["kind"], "checkpoint");
    assert_eq!(first["prev"], Hash::of(last).to_string());
    assert_eq!(first["replaced_lines"], lines);
    let mut ids = Vec::new();
    ledger
        .each(&machine.lock(), |record| ids.push(record.id.0))
        .unwrap();
    assert_eq!(ids[1..6], [1, 2, 3, 4, 5], "ids outlive the move");
}

#[test]
fn crash_after_the_rename_and_before_the_new_head_is_no_damage() {
    let mut machine = small();
    let (_, old) = compacted(&machine, filled(&machine));
    let compacted_lines = machine.lines();
    machine.write(&old);
    std::fs::remove_file(machine.head_path()).unwrap();
    let last = old
        .strip_suffix(b"\n")
        .unwrap()
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap();
    let seq = serde_json::from_slice::<serde_json::Value>(last).unwrap()["seq"]
        .as_u64()
        .unwrap();
    let place = OwnPlace::state(&machine.root).unwrap();
    let head_file = place.create().unwrap().open_file(
        "ledger.head",
        crate::host::Writing::Anywhere,
        crate::host::Opening::OrCreate,
    );
    let mark = Mark {
        seq,
        hash: Hash::of(last),
    };
    Head::default()
        .write_durable(&head_file.unwrap().unwrap(), mark)
        .unwrap();
    machine.verify().unwrap();
    let whole = compacted_lines.len() - 1;
    machine.write(&compacted_lines[..whole].concat());
    machine.after_reboot();
    machine.verify().unwrap();
    // What the checkpoint says it kept was on the disk before it had the ledger's name.
    machine.write(&compacted_lines[..3].concat());
    assert_eq!(machine.damage().and_then(|damage| damage.line()), Some(4));
    // A file that somebody compacted from other lines does not continue the chain.
    let other = small();
    let _ = compacted(&other, filled(&other));
    machine.write(&other.bytes());
    assert!(machine.damage().is_some());
}

#[test]
fn leftover_of_a_crash_in_a_compaction_is_swept() {
    let machine = small();
    filled(&machine);
    let leftover = machine.directory.join("var/lib/k3warden/ledger.jsonl.new");
    std::fs::write(&leftover, "half").unwrap();
    machine.open();
    assert!(!leftover.exists());
}

#[test]
fn images_that_fill_the_limit_refuse_new_ones_and_lose_none() {
    let machine = small();
    let mut ledger = machine.open();
    let mut taken = 0;
    let error = loop {
        let thing = path(&format!("/file{taken}"));
        let touch = change("c", thing, file(&[b'x'; 300], 0o644), State::Absent);
        match ledger.record(&touch, &machine.lock()) {
            Ok(recorded) => assert!(matches!(recorded, Recorded::FirstTouch(_))),
            Err(error) => break error,
        }
        taken += 1;
    };
    assert!(
        matches!(
            error,
            LedgerError::LimitReached {
                limit_bytes: 8192,
                ..
            }
        ),
        "{error}"
    );
    assert!(taken > 5);
    // Repairs go on for good all the same.
    for _ in 0..100 {
        let again = change("c", path("/file0"), file(b"theirs", 0o644), State::Absent);
        assert!(matches!(
            machine.record(&mut ledger, &again),
            Recorded::Repair(_)
        ));
    }
    assert!(machine.bytes().len() <= 8192);
    machine.verify().unwrap();
    for number in 0..taken {
        let before = ledger.before(&path(&format!("/file{number}")), &machine.lock());
        assert_eq!(before.unwrap(), file(&[b'x'; 300], 0o644));
    }
    // Reverting makes room.
    ledger
        .end(&[(path("/file1"), Ending::Reverted)], &machine.lock())
        .unwrap();
    let touch = change("c", path("/late"), file(b"y", 0o644), State::Absent);
    assert!(matches!(
        machine.record(&mut ledger, &touch),
        Recorded::FirstTouch(_)
    ));
    machine.verify().unwrap();
}

#[test]
fn entries_of_a_newer_version_are_kept() {
    let machine = small();
    filled(&machine);
    let lines = machine.lines();
    let last = lines.last().unwrap().strip_suffix(b"\n").unwrap();
    let newer = format!(
        "{{\"seq\":7,\"prev\":\"{}\",\"id\":7,\"time\":\"2030-01-01T00:00:00Z\",\"kind\":\"moon\",\"phase\":3}}\n",
        Hash::of(last)
    );
    machine.write(&[lines.concat(), newer.into_bytes()].concat());
    machine.verify().unwrap();
    let _ = compacted(&machine, machine.open());
    machine.verify().unwrap();
    assert!(
        String::from_utf8(machine.bytes())
            .unwrap()
            .contains("\"kind\":\"moon\",\"phase\":3")
    );
}

#[test]
fn change_after_a_refused_first_touch_of_the_same_plan_is_refused_too() {
    let machine = small();
    let mut ledger = filled(&machine);
    let thing = path("/large");
    let plan = [
        change("c", thing.clone(), file(&[7; 8000], 0o644), State::Absent),
        change("c", thing.clone(), State::Absent, file(b"x", 0o600)),
        value("vm/overcommit_memory", "2", "1"),
    ];
    let results = ledger.record_all(&plan, &machine.lock());
    assert!(matches!(&results[0], Err(LedgerError::LimitReached { .. })));
    assert!(matches!(&results[1], Err(LedgerError::LimitReached { .. })));
    assert!(matches!(&results[2], Ok(Recorded::Repair(_))));
    assert_eq!(machine.verify().unwrap(), 7);
}

#[test]
fn ledger_filled_to_the_last_byte_can_still_be_emptied() {
    let mut machine = small();
    let mut ledger = filled(&machine);
    let things: Vec<Thing> = ledger
        .touched(&machine.lock())
        .unwrap()
        .into_iter()
        .map(|touch| touch.thing)
        .collect();
    machine.keeping.limit_bytes = machine.bytes().len() as u64;
    let mut ledger = machine.open();
    for thing in things {
        ledger
            .end(&[(thing, Ending::Reverted)], &machine.lock())
            .unwrap();
    }
    assert!(machine.open().touched(&machine.lock()).unwrap().is_empty());
    machine.verify().unwrap();
}
