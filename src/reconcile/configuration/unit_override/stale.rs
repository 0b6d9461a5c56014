//! A command of ours that was made for another than the unit has now: words that came since are lost with it, and words that went
//! are brought back.

use crate::catalogue::ControlId;
use crate::k3s::{Files, Invocation, Loaded, load_unit};
use crate::node::{Node, started_by};
use crate::reconcile::Pass;
use crate::reconcile::configuration::trial::worse;
use crate::reconcile::ledger::Hash;
use crate::setting::configuration::ENCRYPTION;
use crate::setting::{Finding, Outcome, Remedy};

use super::text::{controls_of, made_for};
use super::{UnitOverride, is_ours};

impl UnitOverride {
    /// Whether K3s would start without ours as far as it does with it. What cannot be told is the operator's to decide, who wrote
    /// that command.
    pub(in crate::reconcile::configuration) fn starts_beneath(&self, pass: &Pass<'_>) -> bool {
        let node = started_by(pass.node, &pass.host.root, pass.policy, self.base.clone());
        match (pass.effective(), node.effective(pass.host)) {
            (Ok(with), Ok(beneath)) => worse(with, &beneath).is_none(),
            _ => true,
        }
    }
}

/// The node as the unit's own command makes it, where one of ours brings back another.
pub(in crate::reconcile) fn node_beneath(pass: &Pass<'_>) -> Option<Node> {
    let unit = UnitOverride::of(pass).ok()??;
    let is_stale = unit.is_there() && unit.words().is_none();
    (is_stale && unit.starts_beneath(pass))
        .then(|| started_by(pass.node, &pass.host.root, pass.policy, unit.base))
}

/// A control that rests on a drop-in made for another command than the unit has now: words that came since are lost, and
/// whether it holds is luck.
#[must_use]
pub fn stale(pass: &Pass<'_>, control: &ControlId) -> Option<Finding> {
    if !pass
        .node
        .unit
        .as_ref()?
        .drop_ins
        .iter()
        .any(|path| is_ours(path))
    {
        return None;
    }
    let unit = UnitOverride::of(pass).ok()??;
    let (path, (content, _)) = unit
        .present
        .iter()
        .find(|(_, (content, _))| controls_of(content).contains(control))?;
    let now = Hash::of(unit.base.as_written.as_ref()?.line().as_bytes()).to_string();
    (made_for(content).as_deref() != Some(now.as_str())).then(|| Finding {
        what: path.display().to_string(),
        wanted: format!("made for the command in {}", unit.base.fragment.display()),
        observed: "made for another command, whose words it brings back".to_owned(),
        seen_at: path.display().to_string(),
        outcome: Outcome::Diverges(vec![Remedy::Configure]),
    })
}

/// Whether all that our command says of the encryption of Secrets stands in the unit's own command too: ours never gives a word of
/// its own about it, but a stale one repeats words that the unit may have lost.
pub(in crate::reconcile) fn repeats_encryption(pass: &Pass<'_>) -> bool {
    let Some(version) = pass.node.version.as_ref().map(|fact| fact.value) else {
        return false;
    };
    let Ok(Some(unit)) = UnitOverride::of(pass) else {
        return false;
    };
    let with_ours = match load_unit(&Files::new(&pass.host.root), &unit.base.name) {
        Ok(Loaded::Unit(unit)) => unit.invocation(),
        _ => return false,
    };
    let beneath = unit.base.invocation();
    let words = |invocation: &Invocation, option| {
        let places = invocation.words_that_set(option, version, &|_| true)?;
        let words = places.into_iter().flatten().map(|place| {
            let word = invocation.words.get(place);
            word.map(|word| word.text.clone())
        });
        Some(words.collect::<Vec<_>>())
    };
    ENCRYPTION.into_iter().all(|option| {
        let said = words(&with_ours, option);
        said.is_some() && said == words(&beneath, option)
    })
}
