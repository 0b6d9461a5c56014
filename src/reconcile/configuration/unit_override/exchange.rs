//! Another command for the unit: ours in the places of the words that outrank K3s's configuration, each of the operator's as it is
//! written.

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::k3s::{AsWritten, Effective, Invocation, K3sVersion, Word};
use crate::reconcile::Pass;
use crate::reconcile::ledger::Hash;
use crate::setting::configuration::{Line, Wish};

use super::text::{render, word};
use super::{HOW_TO_OVERRIDE, UnitOverride};

/// Another command for the unit.
#[derive(Debug)]
pub(in crate::reconcile::configuration) struct Overriding {
    /// What K3s would be started with.
    pub(in crate::reconcile::configuration) invocation: Invocation,
    pub(super) content: String,
    pub(super) controls: Vec<ControlId>,
}

/// Why a command cannot be had: which of the wishes stands in the way, or none of them alone.
type Refusal = (Option<usize>, String);

impl UnitOverride {
    /// The command with our words in the places of those that outrank the configuration, and with those of ours that stay.
    pub(in crate::reconcile::configuration) fn give(
        &self,
        pass: &Pass<'_>,
        outranked: &[(ControlId, Wish)],
        staying: &[(ControlId, Line)],
        effective: &Effective,
    ) -> Result<Overriding, Refusal> {
        let (version, written) = self.rewritable(pass).map_err(|reason| (None, reason))?;
        let invocation = self.base.invocation();
        let mut exchanged = BTreeMap::new();
        let mut ours = Vec::new();
        for (control, line) in not_wished(staying, outranked) {
            let word = word(line);
            // A word that the command has no place for any more has gone with the operator's.
            if let Ok(places) = exchange(&invocation, version, line, &word) {
                exchanged.extend(places);
                ours.push((control.clone(), word));
            }
        }
        for (index, (control, wish)) in outranked.iter().enumerate() {
            let line = in_place_of_all(wish, outranked, effective);
            let word = word(&line);
            let places = exchange(&invocation, version, &line, &word)
                .map_err(|reason| (Some(index), reason))?;
            written
                .with(&places)
                .map_err(|error| (Some(index), error.to_string()))?;
            exchanged.extend(places);
            ours.push((control.clone(), word));
        }
        if ours.is_empty() {
            return Err((None, "nothing is to be exchanged".to_owned()));
        }
        let line = written
            .with(&exchanged)
            .map_err(|error| (None, error.to_string()))?
            .line();
        Ok(Overriding {
            invocation: with_words(invocation, &exchanged),
            content: render(&ours, &Hash::of(written.line().as_bytes()), &line),
            controls: ours.into_iter().map(|(control, _)| control).collect(),
        })
    }

    /// The release and the command as it is written, where another can be given.
    fn rewritable(&self, pass: &Pass<'_>) -> Result<(K3sVersion, &AsWritten), String> {
        if !pass.policy.unit_override.value {
            return Err(HOW_TO_OVERRIDE.to_owned());
        }
        if let Some(reason) = &self.hindered {
            return Err(reason.clone());
        }
        let unit = pass.node.unit.as_ref();
        if unit.is_some_and(|unit| unit.on_disk().is_some()) && !self.is_there() {
            return Err("its files were changed and wait for `systemctl daemon-reload`".to_owned());
        }
        let version = pass.node.version.as_ref().map(|fact| fact.value);
        version
            .zip(self.base.as_written.as_ref())
            .ok_or_else(|| "its command cannot be rewritten".to_owned())
    }
}

/// Words that stay, but for those about something that a wish is about too.
fn not_wished<'s>(
    staying: &'s [(ControlId, Line)],
    outranked: &[(ControlId, Wish)],
) -> impl Iterator<Item = &'s (ControlId, Line)> {
    let wished: Vec<_> = outranked.iter().map(|(_, wish)| wish.line.what()).collect();
    staying
        .iter()
        .filter(move |(_, line)| !wished.contains(&line.what()))
}

/// The line for one word of the command: of a list all elements, what is there and what each of the controls adds, since
/// the word stands in the place of every other about that flag.
fn in_place_of_all(wish: &Wish, outranked: &[(ControlId, Wish)], effective: &Effective) -> Line {
    let line = wish.line_instead_of(effective);
    let what = line.what();
    let others = outranked.iter().map(|(_, other)| other);
    others
        .filter(|other| other.extends_a_list() && wish.extends_a_list())
        .filter(|other| other.line.what() == what)
        .fold(line, |line, other| line.with_elements_of(&other.line))
}

/// Ours in the place of the first word that sets the same, and none in the places of the others.
fn exchange(
    invocation: &Invocation,
    version: K3sVersion,
    line: &Line,
    ours: &str,
) -> Result<BTreeMap<usize, Option<String>>, String> {
    let places = match line {
        line if line.is_about_encryption() => {
            return Err("secrets-encryption is the operator's alone".to_owned());
        }
        Line::Option { name, .. } => invocation.words_that_set(name, version, &|_| true),
        Line::Argument {
            component, flag, ..
        } => invocation.words_that_set(component.option(), version, &|value| is_flag(value, flag)),
    };
    let places: Vec<usize> = places.into_iter().flatten().flatten().collect();
    if places.is_empty() {
        return Err("no word of the unit's command sets it".to_owned());
    }
    let mut exchanged: BTreeMap<usize, Option<String>> =
        places.iter().map(|place| (*place, None)).collect();
    if let Some(mut first) = exchanged.first_entry() {
        first.insert(Some(ours.to_owned()));
    }
    Ok(exchanged)
}

/// Whether an item of a component's arguments is about a flag: `audit-log-maxage=7`, `--audit-log-maxage=7`,
/// `enable-admission-plugins+=X`.
fn is_flag(item: &str, flag: &str) -> bool {
    let name = item.split('=').next().unwrap_or_default();
    name.trim_start_matches('-').trim_end_matches(['+', '-']) == flag
}

fn with_words(
    mut invocation: Invocation,
    exchanged: &BTreeMap<usize, Option<String>>,
) -> Invocation {
    let words = std::mem::take(&mut invocation.words)
        .into_iter()
        .enumerate();
    invocation.words = words
        .filter_map(|(index, word)| match exchanged.get(&index) {
            None => Some(word),
            Some(None) => None,
            Some(Some(text)) => Some(Word {
                text: text.clone(),
                place: word.place,
            }),
        })
        .collect();
    invocation
}
