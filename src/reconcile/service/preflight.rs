//! Whether K3s would start with what is on disk, and whether it is our fault if not.

use std::collections::BTreeSet;
use std::path::Path;

use crate::k3s::{Effective, Ending, Files, Loaded, load_unit};
use crate::node;
use crate::reconcile::Pass;
use crate::reconcile::configuration::unit_override;
use crate::reconcile::restart::own_part::OurPart;

use super::part;

/// What preflight says of the present configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Present {
    /// Nothing is known that would end K3s.
    Starts,
    /// K3s would end, and would do so without us: the operator's to mend.
    EndsByOperator(Vec<String>),
    /// K3s would end because of what we wrote.
    EndsByUs(Vec<String>),
    /// It cannot be judged.
    Unknown(String),
}

/// Judges what is on disk.
#[must_use]
pub fn present(pass: &Pass<'_>, ours: &OurPart) -> Present {
    let effective = match pass.node.effective(pass.host) {
        Ok(effective) => effective,
        Err(error) => return Present::Unknown(error.to_string()),
    };
    if effective.endings().next().is_none() {
        return Present::Starts;
    }
    let without = match without_part(pass, ours) {
        Ok(without) => without,
        Err(error) => return Present::Unknown(error),
    };
    let by_us = effective
        .endings()
        .filter(|ending| without.end_like(ending).is_none());
    let by_us: Vec<String> = by_us.map(Ending::told).collect();
    if by_us.is_empty() {
        let his = effective
            .endings()
            .filter_map(|ending| without.end_like(ending));
        Present::EndsByOperator(his.map(Ending::told).collect())
    } else {
        Present::EndsByUs(by_us)
    }
}

/// What would end K3s at its next start, with ours and without: the operator's to mend.
#[must_use]
pub fn endings_of_operator(pass: &Pass<'_>) -> Vec<Ending> {
    let Ok(effective) = pass.effective() else {
        return Vec::new();
    };
    let mut endings: Vec<Ending> = effective.endings().cloned().collect();
    if !endings.is_empty()
        && let Ok(ours) = part::present(pass)
        && let Ok(without) = without_part(pass, &ours)
    {
        let his = endings.iter().filter_map(|ending| without.end_like(ending));
        endings = his.cloned().collect();
    }
    endings
}

/// Whether K3s would not end for the same reasons with another part of ours in the place of the present one. What cannot be judged may
/// help.
#[must_use]
pub fn helps(pass: &Pass<'_>, present: &OurPart, other: &OurPart) -> bool {
    let reasons = |part| {
        let effective = effective_with(pass, present, part).ok()?;
        let reasons = effective.endings().map(|ending| ending.reason.clone());
        Some(reasons.collect::<BTreeSet<String>>())
    };
    match (reasons(present), reasons(other)) {
        (Some(now), Some(then)) => now != then,
        _ => true,
    }
}

/// Whether another part of ours in the place of the present one would bring no end of its own.
#[must_use]
pub fn brings_no_end(pass: &Pass<'_>, present: &OurPart, other: &OurPart) -> bool {
    let with = effective_with(pass, present, other);
    let without = without_part(pass, present);
    matches!((with, without), (Ok(with), Ok(without)) if with.first_end_over(&without).is_none())
}

/// What K3s would run with without the present part of ours.
///
/// # Errors
/// When the configuration cannot be looked at.
pub fn without_part(pass: &Pass<'_>, present: &OurPart) -> Result<Effective, String> {
    effective_with(pass, present, &OurPart::default())
}

fn effective_with(
    pass: &Pass<'_>,
    present: &OurPart,
    other: &OurPart,
) -> Result<Effective, String> {
    let mut files = Files::new(&pass.host.root);
    for path in present.files.keys() {
        files = files.without(Path::new(path));
    }
    for (path, file) in &other.files {
        files = files.with(Path::new(path), file.content.clone());
    }
    let mut paths = present.files.keys().chain(other.files.keys());
    let invocation = match &pass.node.unit {
        Some(unit) if paths.any(|path| unit_override::is_ours(Path::new(path))) => {
            match load_unit(&files, &unit.name).map_err(|error| error.to_string())? {
                Loaded::Unit(unit) => Some(unit.invocation()),
                _ => pass.node.invocation(),
            }
        }
        _ => pass.node.invocation(),
    };
    pass.node
        .effective_of(&files, invocation, &node::facts(pass.host))
        .map_err(|error| error.to_string())
}
