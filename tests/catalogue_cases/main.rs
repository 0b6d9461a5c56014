//! Every setting of every control of the catalogue: a tree in which it is compliant, one in which it is divergent, one in
//! which it cannot be looked at. The cases are made from what the setting asks, so a new control has them from its
//! first day; what a control needs beside that stands in `POLICY`, else the test fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod case;
#[path = "../tree/mod.rs"]
mod tree;
mod value;

use std::path::Path;

use case::Case;
use k3warden::catalogue::{Catalogue, Control, Setting};
use k3warden::host::{Host, Root, State, Thing};
use k3warden::k3s::K3sVersion;
use k3warden::node::{self, Surroundings};
use k3warden::policy::Policy;
use k3warden::reconcile::{Judgement, Pass, Seen, Verdict, Written};
use k3warden::setting::{Finding, Outcome, Remedy};
use tree::Tree;

/// A release for every range that the catalogue names, newest first.
const VERSIONS: [(u16, u16); 8] = [
    (36, 3),
    (31, 4),
    (28, 15),
    (26, 3),
    (24, 4),
    (22, 5),
    (21, 14),
    (20, 15),
];

const DATA_DIR: &str = "/var/lib/rancher/k3s";

/// What a case is to be judged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Compliant,
    Divergent,
    Unreadable,
}

impl Kind {
    const fn verdict(self) -> Verdict {
        match self {
            Self::Compliant => Verdict::Compliant,
            Self::Divergent => Verdict::Divergent,
            Self::Unreadable => Verdict::Unknown,
        }
    }
}

/// A control on a release.
struct Context<'a> {
    catalogue: &'a Catalogue,
    control: &'a Control,
    version: K3sVersion,
    edition: Option<&'a str>,
}

impl Context<'_> {
    fn judge<T>(&self, tree: &Tree, answer: impl FnOnce(&Judgement<'_>) -> T) -> T {
        let root = Root::open(tree.path()).unwrap();
        let policy = Policy::load(&root, self.catalogue).unwrap();
        let node = node::discover(&root, &policy, Surroundings::Image, Some(self.version));
        let root = root.sealed_below(Path::new(DATA_DIR));
        let written = Written::default();
        let host = Host { root, live: None };
        let pass = Pass {
            host: &host,
            node: &node,
            policy: &policy,
            catalogue: self.catalogue,
            today: jiff::civil::date(2026, 1, 1),
            written: &written,
            held: None,
            seen: Seen::default(),
        };
        answer(&pass.judge_control(self.control))
    }

    /// What we would write where nothing is.
    fn content(&self, path: &str) -> String {
        let mut case = Case::default();
        for setting in &self.control.settings {
            case.wants(&setting.body);
        }
        let tree = case.build(self.control);
        self.judge(&tree, |judgement| {
            for remedy in judgement.remedies() {
                if let Remedy::Change(change) = remedy
                    && let (Thing::Path(thing), State::File { content, .. }) =
                        (&change.thing, &change.after)
                    && thing == Path::new(path)
                {
                    return String::from_utf8(content.clone()).unwrap();
                }
            }
            panic!(
                "{}: nothing is written to {path}: {judgement:#?}",
                self.control.id
            )
        })
    }
}

/// The case of one setting, everything else that the control asks being right.
fn case(context: &Context<'_>, which: usize, kind: Kind) -> Tree {
    let mut case = Case::default();
    for (index, setting) in applying(context) {
        let kind = if index == which {
            kind
        } else {
            Kind::Compliant
        };
        case.add(&setting.body, kind, context);
    }
    case.build(context.control)
}

fn applying<'a>(context: &Context<'a>) -> impl Iterator<Item = (usize, &'a Setting)> {
    let version = context.version;
    let settings = context.control.settings.iter().enumerate();
    settings.filter(move |(_, setting)| setting.k3s.contains(version))
}

fn names_its_reason(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| match &finding.outcome {
        Outcome::Unknown(reason) | Outcome::Untouched(reason) => {
            format!("{} {reason}", finding.what).contains('/')
        }
        _ => true,
    })
}

#[test]
fn every_setting_has_a_compliant_a_divergent_and_an_unreadable_case() {
    let catalogue = Catalogue::built_in().unwrap();
    assert!(catalogue.controls().len() > 90);
    let mut wrong = Vec::new();
    for control in catalogue.controls() {
        for which in 0..control.settings.len() {
            let setting = &control.settings[which];
            let mut versions = VERSIONS
                .iter()
                .map(|(minor, patch)| K3sVersion::new(*minor, *patch));
            let fits = |version: &K3sVersion| {
                control.k3s.contains(*version) && setting.k3s.contains(*version)
            };
            let Some(version) = versions.find(fits) else {
                wrong.push(format!(
                    "{}: no release of VERSIONS fits {setting}",
                    control.id
                ));
                continue;
            };
            let edition = catalogue.editions().for_version(Some(version));
            let context = Context {
                catalogue: &catalogue,
                control,
                version,
                edition: edition.map(|edition| edition.name.as_str()),
            };
            for kind in [Kind::Compliant, Kind::Divergent, Kind::Unreadable] {
                let tree = case(&context, which, kind);
                context.judge(&tree, |judgement| {
                    let right = judgement.verdict == kind.verdict()
                        && names_its_reason(&judgement.findings);
                    if !right {
                        wrong.push(format!(
                            "{}, {setting}, {version}: {kind:?} case is {:?} {:?}\n{:#?}",
                            control.id, judgement.verdict, judgement.note, judgement.findings
                        ));
                    }
                });
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
