//! A cell in words: what the operator's configuration makes K3s run with, what would be changed, and what K3s runs with
//! then.

use k3warden::host::State;
use k3warden::k3s::component::Component;
use k3warden::k3s::{Effective, Place};
use k3warden::reconcile::{Judgement, Plan};
use k3warden::setting::Outcome;

use super::cell::Cell;

/// Titles of sections, each with its lines.
pub type Story = [(&'static str, Vec<String>); 5];

/// The six suites of the guide, which would fill the page.
const SUITES: &str = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,\
                      TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,\
                      TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305";
const MORE_NAMES: &str = "_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256";

type Sourced = (String, String);

/// Every option, argument and setting of the kubelet, with where it comes from.
fn all(effective: &Effective) -> Vec<Sourced> {
    let mut all = Vec::new();
    for (name, option) in &effective.configuration.merge.options {
        // The arguments are shown as what the components make of them.
        if Component::ALL
            .iter()
            .all(|component| component.option() != name)
        {
            let values = option.values.iter();
            all.extend(
                values.map(|value| (format!("{name}: {}", value.value), from(&value.place))),
            );
        }
    }
    for component in Component::ALL {
        for argument in effective.start.components.line(component) {
            all.push((format!("{component} {argument}"), from(&argument.place)));
        }
    }
    // What is not on the kubelet's command line, but in its files.
    let settings = effective.start.kubelet.iter();
    let written = |place: &Place| matches!(place, Place::File { path, .. } if path.ends_with("z-k3warden.yaml") || path.starts_with("/etc"));
    for (path, setting) in settings.flat_map(|settings| settings.iter()) {
        let by_flag = all.iter().any(|(line, place)| {
            line.starts_with("kubelet --")
                && *place == from(&setting.place)
                && line.ends_with(&format!("={}", setting.value))
        });
        if written(&setting.place) && !by_flag {
            all.push((
                format!("kubelet's {path}: {}", setting.value),
                from(&setting.place),
            ));
        }
    }
    all
}

fn from(place: &Place) -> String {
    match place {
        Place::File { path, .. } if path.to_string_lossy().ends_with("z-k3warden.yaml") => {
            "ours".to_owned()
        }
        place => place.to_string(),
    }
}

/// Lines that went and lines that came, with where they come from.
fn difference(before: &[Sourced], after: &[Sourced]) -> Vec<String> {
    let has = |all: &[Sourced], text: &str| all.iter().any(|(other, _)| other == text);
    let went = before.iter().filter(|(line, _)| !has(after, line));
    let came = after.iter().filter(|(line, _)| !has(before, line));
    let went = went.map(|(line, _)| format!("- {line}"));
    went.chain(came.map(|(line, place)| format!("+ {line}  <- {place}")))
        .collect()
}

fn ends(effective: &Effective) -> impl Iterator<Item = String> {
    effective
        .endings()
        .map(|ending| format!("K3s would end: {}", ending.reason))
}

fn changes(plan: &Plan) -> Vec<String> {
    let line = |planned: &k3warden::reconcile::PlannedChange| {
        let change = &planned.change;
        let sign = match (&change.before, &change.after) {
            (State::Absent, _) => '+',
            (_, State::Absent) => '-',
            _ => '~',
        };
        format!("{sign} {}", change.thing)
    };
    plan.changes.iter().map(line).collect()
}

fn drop_in(plan: &Plan) -> Vec<String> {
    let ours = plan
        .changes
        .iter()
        .filter_map(|planned| match &planned.change.after {
            State::File { content, .. }
                if planned
                    .change
                    .thing
                    .to_string()
                    .ends_with("z-k3warden.yaml") =>
            {
                Some(String::from_utf8_lossy(content).into_owned())
            }
            _ => None,
        });
    ours.flat_map(|text| {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    })
    .collect()
}

fn left(plan: &Plan, judgements: &[Judgement<'_>]) -> Vec<String> {
    let mut lines = Vec::new();
    for refused in &plan.refused {
        let controls: Vec<&str> = refused.controls.iter().map(|id| id.as_str()).collect();
        lines.push(format!("{}: {}", controls.join(", "), refused.reason));
    }
    for judgement in judgements {
        let stance = if judgement.is_enforced() {
            "enforced"
        } else {
            "observed"
        };
        for finding in &judgement.findings {
            let said = match &finding.outcome {
                Outcome::Diverges(_) => {
                    format!("is {}, wanted {}", finding.observed, finding.wanted)
                }
                Outcome::Unknown(reason) => format!("unknown: {reason}"),
                Outcome::Untouched(reason) => format!("unknown: left untouched: {reason}"),
                Outcome::Holds | Outcome::NotApplicable(_) => continue,
            };
            lines.push(format!(
                "{} ({stance}): {} {said}  <- {}",
                judgement.control.id, finding.what, finding.seen_at
            ));
        }
    }
    lines
}

fn short(lines: Vec<String>) -> Vec<String> {
    let short = |line: String| {
        line.replace(&format!("{SUITES}{MORE_NAMES}"), "{suites}")
            .replace(
                &format!("{SUITES},TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305{MORE_NAMES}"),
                "{suites}",
            )
            .replace(SUITES, "{suites}")
    };
    lines.into_iter().map(short).collect()
}

/// A cell before, the plan, and after. The cell is hardened by the telling.
pub fn tell(cell: &Cell<'_>, bare: &Effective) -> Story {
    let before = cell.effective();
    let plan = cell.plan();
    cell.make(plan.changes.iter().map(|planned| &planned.change));
    let (last, left) = cell.pass(|pass| {
        let judgements = pass.judge();
        let last = Plan::of(pass, &judgements);
        let left = left(&last, &judgements);
        (last, left)
    });
    assert!(last.is_empty(), "applied twice: {last:#?}");
    let after = cell.effective();
    let (all_before, all_after) = (all(&before), all(&after));
    let mut lines_before = difference(&all(bare), &all_before);
    lines_before.extend(ends(&before));
    let mut lines_after = difference(&all_before, &all_after);
    lines_after.extend(ends(&after));
    [
        (
            "before: what the operator's configuration changes",
            lines_before,
        ),
        ("plan", changes(&plan)),
        ("our drop-in", drop_in(&plan)),
        ("after: what ours changes", lines_after),
        ("still divergent, and why", left),
    ]
    .map(|(title, lines)| (title, short(lines)))
}
