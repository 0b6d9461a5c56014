//! What we write is read again, by the same parser as the operator's own file.

use proptest::prelude::*;

use super::super::{Files, Loaded, Unit, load_unit};
use super::*;
use crate::host::Root;

/// The unit of a tree whose file and drop-in have these commands.
fn unit(command: &str, drop_in: Option<&str>) -> Option<Unit> {
    let directory = tempfile::tempdir().unwrap();
    let units = directory.path().join("etc/systemd/system");
    std::fs::create_dir_all(units.join("k3s.service.d")).unwrap();
    let text = format!(
        "[Service]\nEnvironment=\"A=p q\" B=-x C=\nExecStart={command}\n\nRestart=always\n"
    );
    std::fs::write(units.join("k3s.service"), text).unwrap();
    if let Some(drop_in) = drop_in {
        let text = format!("[Service]\nExecStart=\nExecStart={drop_in}\n");
        std::fs::write(units.join("k3s.service.d/zz-k3warden.conf"), text).unwrap();
    }
    let root = Root::open(directory.path()).unwrap();
    match load_unit(&Files::new(&root), "k3s.service").unwrap() {
        Loaded::Unit(unit) => Some(*unit),
        _ => None,
    }
}

fn words(unit: &Unit) -> Vec<String> {
    unit.exec_start
        .iter()
        .map(|word| word.text.clone())
        .collect()
}

/// What a command becomes with these words exchanged, read again.
fn exchanged(command: &str, exchange: &[(usize, Option<&str>)]) -> Result<Vec<String>, Together> {
    let base = unit(command, None).unwrap();
    let exchange = exchange
        .iter()
        .map(|(index, word)| (*index, word.map(str::to_owned)))
        .collect();
    let written = base.as_written.unwrap().with(&exchange)?.line();
    Ok(words(&unit(command, Some(&written)).unwrap()))
}

#[test]
fn every_other_word_stays_as_the_operator_wrote_it() {
    for (command, index, expected) in [
        (
            "/k3s server --a=1 --b=2",
            1,
            &["server", "OURS", "--b=2"][..],
        ),
        (
            "/usr/local/bin/k3s \\\n    server \\\n\t'--a=1' \\\n# note\n\t'--b=x y' \\\n",
            1,
            &["server", "OURS", "--b=x y"],
        ),
        (
            "/k3s server --a=1 ${A} $A",
            1,
            &["server", "OURS", "p q", "p", "q"],
        ),
        ("/k3s server $A --a=1", 3, &["server", "p", "q", "OURS"]),
        (
            "/k3s server $C --a=1 $$ ''",
            1,
            &["server", "OURS", "$", ""],
        ),
        ("/k3s server $B --b", 1, &["server", "OURS", "--b"]),
        (
            r#"/k3s server --a=1 "it's" 'a"b' \x41\s \\"#,
            1,
            &["server", "OURS", "it's", "a\"b", "A ", "\\"],
        ),
        (
            "/k3s server --a=1 %% %n \\; 100%%",
            1,
            &["server", "OURS", "%", "k3s.service", ";", "100%"],
        ),
        (
            ":/k3s server --a=1 $A ${A}",
            1,
            &["server", "OURS", "$A", "${A}"],
        ),
        ("-@/k3s k3s server --a=1", 1, &["server", "OURS"]),
    ] {
        let found = exchanged(command, &[(index, Some("OURS"))]);
        assert_eq!(found.unwrap(), expected, "{command}");
    }
}

#[test]
fn a_word_is_taken_out_and_ours_comes_through_whatever_is_in_it() {
    let found = exchanged("/k3s server --a 1 --b", &[(1, Some("--a=2")), (2, None)]);
    assert_eq!(found.unwrap(), ["server", "--a=2", "--b"]);
    for ours in ["it's", "a\\b", "50%n", "$A ${A}", "x y", "a\nb", "\"", "#;"] {
        let found = exchanged("/k3s server --a=1", &[(1, Some(ours))]);
        assert_eq!(found.unwrap(), ["server", ours]);
    }
}

#[test]
fn a_variable_that_gives_several_words_is_not_taken_apart() {
    let found = exchanged("/k3s server $A", &[(2, Some("x"))]);
    assert_eq!(found, Err(Together("$A".to_owned())));
}

proptest! {
    #[test]
    fn only_the_exchanged_word_differs(
        pieces in proptest::collection::vec(r#"(['"]?[a-z=%$A{}\\ -]{0,6}['"]?)"#, 1..7),
        place in 0_usize..8,
        ours in r#"--[a-z]{1,4}=['"%$\\ a-zé]{0,6}"#,
    ) {
        let command = format!("/k3s server {}", pieces.join(" "));
        let Some(base) = unit(&command, None) else {
            return Ok(());
        };
        let before = words(&base);
        let Some(written) = base.as_written.clone() else {
            return Ok(());
        };
        let plain = words(&unit(&command, Some(&written.line())).unwrap());
        prop_assert_eq!(&plain, &before);
        let place = place % before.len().max(1);
        if let Ok(new) = written.with(&BTreeMap::from([(place, Some(ours.clone()))])) {
            let mut expected = before;
            if let Some(word) = expected.get_mut(place) {
                *word = ours;
            }
            prop_assert_eq!(words(&unit(&command, Some(&new.line())).unwrap()), expected);
        }
    }
}

#[test]
fn a_command_is_shown_with_its_secrets_hidden_and_all_else_as_written() {
    for (command, expected) in [
        (
            "-/usr/local/bin/k3s server '--token=abc' \"--log=/x y\" -t ab\\x63",
            "-/usr/local/bin/k3s server '--token={secret}' \"--log=/x y\" -t '{secret}'",
        ),
        (
            "/k3s server --token= abc --token ${TOKEN} $WORDS '--etcd-arg=initial-cluster-token=abc'",
            "/k3s server '--token={secret}' '{hidden}' --token ${TOKEN} $WORDS '--etcd-arg=initial-cluster-token={secret}'",
        ),
        ("/k3s server '--token=abc", "/k3s server"),
    ] {
        assert_eq!(shown_command(command), expected);
    }
}
