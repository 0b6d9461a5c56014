use super::super::moment::at;
use super::super::own_part::OurFile;
use super::super::records::STATE;
use super::super::records::tests::tree;
use super::*;

fn part(content: &str) -> OurPart {
    let file = OurFile {
        content: content.to_owned(),
        mode: 0o600,
    };
    OurPart {
        files: [("/c/99-k3warden.yaml".to_owned(), file)].into(),
    }
}

fn circumstances() -> Circumstances {
    Circumstances {
        policy: "p".to_owned(),
        catalogue: "c".to_owned(),
        k3s_version: Some("1.36.3".to_owned()),
    }
}

#[test]
fn only_what_has_settled_is_proven() {
    let (_directory, root) = tree();
    let records = Records::at(&root, STATE).unwrap();
    assert!(!is_proven(&part("a"), &LastGood::load(&records)));
    assert!(is_proven(&OurPart::default(), &LastGood::load(&records)));
    let good = LastGood {
        part: part("a"),
        k3s_version: None,
        settled: at("a", 1, 1),
    };
    good.save(&records).unwrap();
    assert!(is_proven(&part("a"), &LastGood::load(&records)));
    assert!(!is_proven(&part("b"), &LastGood::load(&records)));
    records.save(LAST_GOOD, &"torn").unwrap();
    assert!(!is_proven(&part("a"), &LastGood::load(&records)));
}

fn quarantined(records: &Records) -> Quarantine {
    let none: [String; 0] = [];
    let (reason, since) = ("no port".to_owned(), at("a", 1, 1));
    let quarantine = Quarantine::new(
        &part("bad"),
        &part("rest"),
        circumstances(),
        reason,
        none,
        since,
    );
    quarantine.save(records).unwrap();
    quarantine
}

fn kept(records: &Records) -> Quarantine {
    Quarantine::load(records).record().unwrap()
}

#[test]
fn only_an_end_in_the_same_words_without_the_part_exonerates_it() {
    let (_directory, root) = tree();
    let records = Records::at(&root, STATE).unwrap();
    quarantined(&records);
    Quarantine::ended_without_it(&records, "no disk").unwrap();
    assert!(!kept(&records).exonerated);
    assert!(!Quarantine::settled_without_it(&records).unwrap());
    assert!(!kept(&records).exonerated, "it was the cause, and stays");
    Quarantine::ended_without_it(&records, "no port").unwrap();
    assert!(kept(&records).exonerated);
    assert!(Quarantine::settled_without_it(&records).unwrap());
    assert_eq!(Quarantine::load(&records), Found::Nothing);
}

#[test]
fn a_restart_is_noted_for_the_part_that_it_was_for() {
    let (_directory, root) = tree();
    let records = Records::at(&root, STATE).unwrap();
    let earlier = quarantined(&records);
    let another = Quarantine {
        part: part("other").digest(),
        ..earlier.clone()
    };
    another.save(&records).unwrap();
    earlier.note_restarted(&records, true).unwrap();
    assert!(!kept(&records).restarted);
    another.note_restarted(&records, true).unwrap();
    assert!(kept(&records).restarted);
}

#[test]
fn a_quarantine_stands_until_policy_catalogue_version_or_operator_change_it() {
    let (_directory, root) = tree();
    let records = Records::at(&root, STATE).unwrap();
    let errors = (0..9).map(|number| number.to_string());
    let quarantine = Quarantine::new(
        &part("bad"),
        &part("rest"),
        circumstances(),
        "x".to_owned(),
        errors,
        at("a", 1, 1),
    );
    assert_eq!(quarantine.errors.len(), 5);
    quarantine.save(&records).unwrap();
    let found = Quarantine::load(&records).record().unwrap();
    assert!(found.stands(&circumstances()));
    assert!(found.left(&part("rest"), &circumstances()));
    assert!(!found.left(&part("bad"), &circumstances()));
    let changes: [fn(&mut Circumstances); 3] = [
        |changed| changed.policy = "q".to_owned(),
        |changed| changed.catalogue = "d".to_owned(),
        |changed| changed.k3s_version = None,
    ];
    for change in changes {
        let mut changed = circumstances();
        change(&mut changed);
        assert!(!found.stands(&changed));
        assert!(!found.left(&part("rest"), &changed));
    }
    Quarantine::lift(&records).unwrap();
    assert_eq!(Quarantine::load(&records), Found::Nothing);
}
