//! Another command for the unit: ours in the places of the words that outrank K3s's configuration, each of the operator's as it is
//! written.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::ControlId;
use crate::k3s::{
    AsWritten, Effective, Invocation, K3sVersion, NEWEST_KNOWN_MINOR, Together, Word,
};
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
    /// What our words in it give, with the first control that wants it.
    pub(in crate::reconcile::configuration) lines: BTreeMap<Line, ControlId>,
    pub(super) content: String,
    pub(in crate::reconcile::configuration) controls: Vec<ControlId>,
}

const CANNOT_BE_REWRITTEN: &str = "its command cannot be rewritten";

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
        let mut lines = BTreeMap::new();
        for (control, line) in staying {
            match wish_for(line, outranked) {
                // Its elements are in the word of the others, below.
                Some(wish) if wish.extends_a_list() => ours.push((control.clone(), line.clone())),
                Some(_) => {}
                // A word that the command has no place for any more has gone with the operator's.
                None => {
                    if let Ok(places) = exchange(&invocation, version, line) {
                        exchanged.extend(places);
                        ours.push((control.clone(), line.clone()));
                        lines.insert(line.clone(), control.clone());
                    }
                }
            }
        }
        for (index, (control, wish)) in outranked.iter().enumerate() {
            let line = in_place_of_all(wish, outranked, staying, effective);
            let places =
                exchange(&invocation, version, &line).map_err(|reason| (Some(index), reason))?;
            written
                .with(&places)
                .map_err(|error| (Some(index), error.to_string()))?;
            exchanged.extend(places);
            lines.entry(line.clone()).or_insert_with(|| control.clone());
            ours.push((control.clone(), line));
        }
        if ours.is_empty() {
            return Err((None, "nothing is to be exchanged".to_owned()));
        }
        let together = |error: Together| (None, error.to_string());
        let command = written.with(&exchanged).map_err(together)?.line();
        let given: Vec<&Line> = ours.iter().map(|(_, line)| line).collect();
        let digest = self
            .digest(pass, &given)
            .ok_or_else(|| (None, CANNOT_BE_REWRITTEN.to_owned()))?;
        Ok(Overriding {
            invocation: with_words(invocation, &exchanged),
            lines,
            content: render(&ours, &digest, &command),
            controls: ours.into_iter().map(|(control, _)| control).collect(),
        })
    }

    /// Names the command that ours stands for: as it is written, with the words that came out of variables in the places of ours,
    /// since those are not read again.
    pub(super) fn digest(&self, pass: &Pass<'_>, ours: &[&Line]) -> Option<Hash> {
        let newest = K3sVersion::new(NEWEST_KNOWN_MINOR, 0);
        let version = pass.node.version.as_ref();
        let version = version.map_or(newest, |fact| fact.value);
        let written = self.base.as_written.as_ref()?;
        let invocation = self.base.invocation();
        let places = ours
            .iter()
            .flat_map(|line| places_of(&invocation, version, line));
        let of_variables: BTreeSet<usize> = places
            .filter(|place| written.comes_from_variable(*place))
            .collect();
        let mut text = written.line();
        for word in of_variables
            .into_iter()
            .filter_map(|place| invocation.words.get(place))
        {
            text.push('\0');
            text.push_str(&word.text);
        }
        Some(Hash::of(text.as_bytes()))
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
            .ok_or_else(|| CANNOT_BE_REWRITTEN.to_owned())
    }
}

/// The wish that is about the same as a line.
fn wish_for<'w>(line: &Line, outranked: &'w [(ControlId, Wish)]) -> Option<&'w Wish> {
    let what = line.what();
    let mut wishes = outranked.iter().map(|(_, wish)| wish);
    wishes.find(|wish| wish.line.what() == what)
}

/// The line for one word of the command: of a list all elements, what is there and what each of the controls adds or has added, since
/// the word stands in the place of every other about that flag.
fn in_place_of_all(
    wish: &Wish,
    outranked: &[(ControlId, Wish)],
    staying: &[(ControlId, Line)],
    effective: &Effective,
) -> Line {
    let what = wish.line.what();
    let same = outranked.iter().map(|(_, other)| other);
    let same = same.filter(|other| other.line.what() == what);
    let (extending, whole): (Vec<&Wish>, Vec<&Wish>) =
        same.partition(|other| other.extends_a_list());
    // Whichever of them is asked about, the word is the same. One that says what is left of the list comes before those that add to it.
    let Some(first) = extending.first() else {
        return wish.line_instead_of(effective);
    };
    let begin = match whole.first() {
        Some(whole) => whole.line.clone(),
        None => first.line_instead_of(effective),
    };
    let added = extending.iter().map(|other| &other.line);
    let stays = staying.iter().map(|(_, line)| line);
    added
        .chain(stays.filter(|line| line.what() == what))
        .fold(begin, Line::with_elements_of)
}

/// Ours in the place of the first word that sets the same, and none in the places of the others.
fn exchange(
    invocation: &Invocation,
    version: K3sVersion,
    line: &Line,
) -> Result<BTreeMap<usize, Option<String>>, String> {
    if line.is_about_encryption() {
        return Err("secrets-encryption is the operator's alone".to_owned());
    }
    let ours = word(line);
    if ours.contains(['\n', '\r', '\0']) {
        return Err("a value with a line break cannot be given on a command".to_owned());
    }
    let mut exchanged: BTreeMap<usize, Option<String>> = places_of(invocation, version, line)
        .into_iter()
        .map(|place| (place, None))
        .collect();
    let Some(mut first) = exchanged.first_entry() else {
        return Err("no word of the unit's command sets it".to_owned());
    };
    first.insert(Some(ours));
    Ok(exchanged)
}

/// The words that set the same as a line.
fn places_of(invocation: &Invocation, version: K3sVersion, line: &Line) -> Vec<usize> {
    let places = match line {
        Line::Option { name, .. } => invocation.words_that_set(name, version, &|_| true),
        Line::Argument {
            component, flag, ..
        } => invocation.words_that_set(component.option(), version, &|value| is_flag(value, flag)),
        // It is about the files.
        Line::List { .. } => None,
    };
    places.into_iter().flatten().flatten().collect()
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
