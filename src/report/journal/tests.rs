use super::*;

fn journald() -> (tempfile::TempDir, UnixDatagram, Journal) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let server = UnixDatagram::bind(&path).unwrap();
    let sink = Sink::journald(&path).unwrap();
    (directory, server, Journal::to(sink))
}

#[test]
fn each_line_for_the_journal_has_its_priority() {
    assert_eq!(with_priority(Priority::Error, "a\n  b"), "<3>a\n<3>  b");
}

#[test]
fn an_event_arrives_with_its_fields() {
    let (_kept, server, mut journal) = journald();
    let event = Event::new(Kind::Repaired, "two\nlines")
        .control("vm-panic-on-oom", "")
        .setting("/proc/sys/vm/panic_on_oom")
        .values("0", "2")
        .change("7")
        .count(3);
    journal.tell(&event);
    let mut buffer = [0; 4096];
    let length = server.recv(&mut buffer).unwrap();
    let mut expected = b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n".to_vec();
    expected.extend_from_slice(
        format!(
            "MESSAGE_ID={}\nPRIORITY=5\nSYSLOG_IDENTIFIER=k3warden\nCONTROL=vm-panic-on-oom\n\
             SETTING=/proc/sys/vm/panic_on_oom\nWANTED=0\nOBSERVED=2\nCHANGE_ID=7\nCOUNT=3\n",
            Kind::Repaired.message_id()
        )
        .as_bytes(),
    );
    assert_eq!(
        String::from_utf8_lossy(&buffer[..length]),
        String::from_utf8_lossy(&expected)
    );
}

#[test]
fn a_journal_that_reads_nothing_does_not_stop_us() {
    let (_kept, server, mut journal) = journald();
    let event = Event::new(Kind::Overflow, "x".repeat(100_000));
    for _ in 0..2000 {
        journal.tell(&event);
    }
    assert!(journal.lost() > 0);
    drop(server);
    journal.tell(&event);
}

/// As after a restart of journald, or while it hangs.
#[test]
fn how_many_events_the_journal_did_not_take_is_told_once_it_takes_one() {
    let (kept, server, mut journal) = journald();
    let event = Event::new(Kind::Overflow, "x");
    drop(server);
    for _ in 0..3 {
        journal.tell(&event);
    }
    assert_eq!(journal.lost(), 3);
    let path = kept.path().join("socket");
    std::fs::remove_file(&path).unwrap();
    let server = UnixDatagram::bind(&path).unwrap();
    server.set_nonblocking(true).unwrap();
    journal.tell(&event);
    journal.tell(&event);
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    while let Ok(length) = server.recv(&mut buffer) {
        let entry = String::from_utf8_lossy(&buffer[..length]);
        heard.push_str(entry.lines().next().unwrap());
        heard.push('\n');
    }
    let lost = "MESSAGE=the journal did not take 3 events before this one\n";
    assert_eq!(heard, format!("{lost}MESSAGE=x\nMESSAGE=x\n"));
    assert_eq!(journal.lost(), 3, "what is told of is no new loss");
}

#[test]
fn a_long_value_is_cut_between_characters() {
    let mut entry = Vec::new();
    put(&mut entry, "A", &"ä".repeat(VALUE_LIMIT_BYTES));
    assert!(std::str::from_utf8(&entry).is_ok());
    assert!(entry.len() <= VALUE_LIMIT_BYTES + 3);
}
