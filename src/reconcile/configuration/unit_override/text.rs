//! The text of our drop-in for a unit: its head says which words are ours, for which controls, and for which command it was made.

use std::collections::BTreeSet;

use crate::catalogue::ControlId;
use crate::k3s::STANDS_FOR;
use crate::k3s::component::Component;
use crate::reconcile::ledger::Hash;
use crate::setting::configuration::{BEGINNING, ENCRYPTION, Line};

/// The text of our drop-in.
pub(super) fn render(ours: &[(ControlId, Line)], base: &Hash, command: &str) -> String {
    let mut text = format!(
        "{BEGINNING}, which keeps it as long as the policy has unit_override = true: changes here are replaced.\n\
         # The command is the unit's own, but for these words, which outranked K3s's configuration there:\n",
    );
    for (control, line) in ours {
        text.push_str(&format!("# {control}: {}\n", word(line)));
    }
    text.push_str(&format!(
        "{STANDS_FOR}{base}\n[Service]\nExecStart=\nExecStart={command}\n"
    ));
    text
}

/// Whether its command says something of the encryption of Secrets, which it then repeats from the operator's.
pub(super) fn mentions_encryption(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    let mut command = text.lines().filter(|line| !line.starts_with('#'));
    command.any(|line| line.contains(ENCRYPTION[0]))
}

/// The controls that a drop-in of ours was written for.
pub(in crate::reconcile) fn controls_of(content: &[u8]) -> BTreeSet<ControlId> {
    let words = words_of(content).into_iter();
    words.map(|(control, _)| control).collect()
}

/// Whether a drop-in of ours gives a line for which this holds.
pub(in crate::reconcile) fn gives(content: &[u8], holds: fn(&Line) -> bool) -> bool {
    words_of(content).iter().any(|(_, line)| holds(line))
}

/// The digest of the command that a drop-in of ours stands for.
pub(super) fn made_for(content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let digest = text.lines().find_map(|line| line.strip_prefix(STANDS_FOR));
    digest.map(str::to_owned)
}

/// The words of ours in a drop-in, as the lines that they stand for.
pub(super) fn words_of(content: &[u8]) -> Vec<(ControlId, Line)> {
    let text = String::from_utf8_lossy(content);
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("# ")?.split_once(": --"));
    lines
        .filter_map(|(control, word)| Some((ControlId::parse(control)?, line(word)?)))
        .collect()
}

/// The word of the command that gives what a line of the configuration gives.
pub(super) fn word(line: &Line) -> String {
    match line {
        Line::Option { name, value } => format!("--{name}={value}"),
        Line::Argument {
            component,
            flag,
            value,
        } => format!("--{}={flag}={value}", component.option()),
        Line::List { option, items } => format!("--{option}={}", items.join(",")),
    }
}

/// The line of the configuration that would give what a word gives.
fn line(word: &str) -> Option<Line> {
    let (name, value) = word.split_once('=')?;
    let component = Component::ALL
        .into_iter()
        .find(|component| component.option() == name);
    Some(match component {
        None => Line::Option {
            name: name.to_owned(),
            value: value.to_owned(),
        },
        Some(component) => {
            let (flag, value) = value.split_once('=')?;
            Line::Argument {
                component,
                flag: flag.to_owned(),
                value: value.to_owned(),
            }
        }
    })
}
