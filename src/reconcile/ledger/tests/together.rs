use super::*;

#[test]
fn two_handles_see_what_the_other_appends() {
    let machine = Machine::new();
    let mut one = machine.open();
    let mut two = machine.open();
    for number in 0..20 {
        let touch = value(&format!("net/{number}"), "0", "1");
        let again = value(&format!("net/{number}"), "2", "1");
        assert!(matches!(
            machine.record(&mut one, &touch),
            Recorded::FirstTouch(_)
        ));
        assert!(matches!(
            machine.record(&mut two, &again),
            Recorded::Repair(_)
        ));
        std::mem::swap(&mut one, &mut two);
    }
    let lock = machine.lock();
    assert_eq!(one.touched(&lock).unwrap(), two.touched(&lock).unwrap());
    drop(lock);
    assert_eq!(machine.verify().unwrap(), 40);
}

#[test]
fn handle_outlives_a_compaction_by_another() {
    let mut machine = Machine::new();
    machine.keeping.limit_bytes = 8192;
    let mut daemon = filled(&machine);
    let mut other = machine.open();
    for _ in 0..60 {
        let _ = machine.record(&mut other, &value("vm/overcommit_memory", "2", "1"));
    }
    let lock = machine.lock();
    assert_eq!(
        daemon.touched(&lock).unwrap(),
        other.touched(&lock).unwrap()
    );
    drop(lock);
    let recorded = machine.record(&mut daemon, &value("vm/overcommit_memory", "2", "1"));
    assert!(matches!(recorded, Recorded::Repair(_)));
    machine.verify().unwrap();
}

#[test]
fn threads_with_handles_of_their_own_keep_one_chain() {
    let machine = Machine::new();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let machine = &machine;
            scope.spawn(move || {
                let mut ledger = machine.open();
                for number in 0..10 {
                    let key = format!("net/{thread}/{number}");
                    let _ = machine.record(&mut ledger, &value(&key, "0", "1"));
                }
            });
        }
    });
    assert_eq!(machine.verify().unwrap(), 40);
    assert_eq!(machine.open().touched(&machine.lock()).unwrap().len(), 40);
}
