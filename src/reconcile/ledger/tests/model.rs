//! Any sequence of operations, against a model that is a map.

use super::super::image::{Short, earlier_over_later};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Record(Vec<(u8, u8, State, State)>),
    End(u8),
    Note(u8, String),
    Sync,
    Reopen,
    Reboot,
    Swap,
}

fn state() -> impl Strategy<Value = State> {
    let mode = prop_oneof![Just(0o600), Just(0o644), Just(0o4755)];
    prop_oneof![
        Just(State::Absent),
        (proptest::collection::vec(any::<u8>(), 0..40), mode.clone())
            .prop_map(|(content, mode)| file(&content, mode)),
        mode.clone()
            .prop_map(|mode| State::Directory(attributes(mode))),
        mode.prop_map(|mode| State::Attributes(attributes(mode))),
        "[ -~]{0,5}".prop_map(State::Value),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let record = (0..5_u8, 0..3_u8, state(), state());
    prop_oneof![
        6 => proptest::collection::vec(record, 0..4).prop_map(Step::Record),
        2 => (0..5_u8).prop_map(Step::End),
        1 => (0..2_u8, ".{0,6}").prop_map(|(key, value)| Step::Note(key, value)),
        1 => Just(Step::Sync),
        1 => Just(Step::Reopen),
        1 => Just(Step::Reboot),
        1 => Just(Step::Swap),
    ]
}

/// What the ledger must answer for a thing: where it stands in the order, what to put back, what we wrote, for whom.
#[derive(Debug, Clone)]
struct Known {
    order: usize,
    before: State,
    whole: bool,
    after: Fingerprint,
    controls: Vec<String>,
}

type Model = BTreeMap<Thing, Known>;

fn apply(model: &mut Model, order: usize, change: &Change) {
    let image_is_whole = !matches!(change.before, State::Attributes(_));
    let known = model.entry(change.thing.clone()).or_insert_with(|| Known {
        order,
        before: change.before.clone(),
        whole: image_is_whole,
        after: Fingerprint::of(&change.after),
        controls: Vec::new(),
    });
    if image_is_whole && !known.whole {
        known.whole = true;
        known.before = earlier_over_later(known.before.clone(), change.before.clone());
    }
    known.after.extend(Short::of(&change.after));
    known.controls.retain(|control| *control != change.control);
    known.controls.push(change.control.clone());
}

fn thing(number: u8) -> Thing {
    if number < 3 {
        path(&format!("/thing{number}"))
    } else {
        Thing::Sysctl(format!("net/{number}").parse().unwrap())
    }
}

fn agree(machine: &Machine, ledger: &mut Ledger, model: &Model, notes: &BTreeMap<u8, String>) {
    let lock = machine.lock();
    let touched = ledger.touched(&lock).unwrap();
    let mut expected: Vec<_> = model.iter().collect();
    expected.sort_by_key(|(_, known)| std::cmp::Reverse(known.order));
    assert_eq!(touched.len(), expected.len());
    for (touch, (thing, known)) in touched.iter().zip(expected) {
        assert_eq!(&touch.thing, thing);
        assert_eq!(touch.last_written, known.after);
        assert_eq!(touch.controls, known.controls);
        assert!(touch.proven);
        assert_eq!(ledger.before(thing, &lock).unwrap(), known.before);
    }
    for key in 0..2 {
        assert_eq!(
            ledger.noted(&key.to_string(), &lock).unwrap(),
            notes.get(&key).cloned()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_verifies_and_undoes_as_the_model_says(
        steps in proptest::collection::vec(step(), 1..40),
        limit_bytes in prop_oneof![Just(6000_u64), Just(LIMIT_BYTES)],
        synced in any::<bool>(),
    ) {
        let mut machine = Machine::new();
        machine.keeping.limit_bytes = limit_bytes;
        if synced {
            machine.keeping.boot_id = None;
        }
        let mut ledger = machine.open();
        let mut other = machine.open();
        let mut model = Model::new();
        let mut notes = BTreeMap::new();
        let mut order = 0;
        for step in steps {
            match step {
                Step::Record(changes) => {
                    let name = |number: u8| format!("control{number}");
                    let changes: Vec<Change> = changes
                        .into_iter()
                        .map(|(number, control, before, after)| change(&name(control), thing(number), before, after))
                        .collect();
                    let results = ledger.record_all(&changes, &machine.lock());
                    prop_assert_eq!(results.len(), changes.len());
                    for (change, result) in changes.iter().zip(results) {
                        order += 1;
                        match result {
                            Ok(Recorded::FirstTouch(_) | Recorded::Repair(_)) => apply(&mut model, order, change),
                            Err(LedgerError::LimitReached { .. })
                            | Ok(Recorded::RepairUnrecorded(LedgerError::LimitReached { .. })) => {
                                prop_assert_eq!(limit_bytes, 6000);
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
                Step::End(number) => {
                    let known = model.remove(&thing(number)).is_some();
                    let ended = ledger.end(&[(thing(number), Ending::Reverted)], &machine.lock());
                    prop_assert_eq!(ended.is_ok(), known);
                }
                Step::Note(key, value) => {
                    match ledger.note(&key.to_string(), &value, &machine.lock()) {
                        Ok(()) => { notes.insert(key, value); }
                        Err(LedgerError::LimitReached { .. }) => prop_assert_eq!(limit_bytes, 6000),
                        Err(other) => panic!("{other}"),
                    }
                }
                Step::Sync => ledger.sync(&machine.lock()).unwrap(),
                Step::Reopen => ledger = machine.open(),
                Step::Reboot if synced => ledger = machine.open(),
                Step::Reboot => {
                    ledger = machine.after_reboot();
                    other = machine.open();
                }
                Step::Swap => std::mem::swap(&mut ledger, &mut other),
            }
        }
        agree(&machine, &mut ledger, &model, &notes);
        agree(&machine, &mut machine.open(), &model, &notes);
        prop_assert!(machine.verify().is_ok());
        if machine.lines_path().exists() {
            // Endings may go beyond it by their own size.
            prop_assert!(machine.bytes().len() as u64 <= limit_bytes + 5 * 300);
        }
    }
}
