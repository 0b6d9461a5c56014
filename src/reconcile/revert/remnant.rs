//! What is left of a thing when ours goes, where others have a part in it too.

use crate::catalogue::{Control, SettingBody};
use crate::host::{Extent, State, Thing};
use crate::reconcile::Pass;
use crate::reconcile::service::line_out;
use crate::setting;

/// What a thing that several controls share becomes when only some of them stay: its state before us, with what those
/// that stay ask for. `None` where it cannot be divided.
pub(super) fn for_controls(
    pass: &Pass<'_>,
    thing: &Thing,
    before: &State,
    staying: &[&str],
) -> Option<State> {
    if let Thing::Path(path) = thing
        && line_out::is_ours(path, &pass.node.places.config_file)
    {
        return line_out::of_controls(pass, thing, before, staying);
    }
    let controls: Vec<&Control> = staying
        .iter()
        .filter_map(|id| pass.catalogue.control(id))
        .collect();
    if let Some(state) = pass.shared_file(thing, &controls) {
        return Some(state);
    }
    let before = without_us(pass, thing, before.clone());
    let settings = settings(controls);
    setting::sysctl_file_with(&pass.host.root, thing, &before, &settings)
}

/// What is left of a thing without us: its state of before, or more where others have written into it beside us.
pub(super) fn without_us(pass: &Pass<'_>, thing: &Thing, before: State) -> State {
    let settings = settings(pass.catalogue.controls());
    let now = || pass.state(thing, Extent::Whole).ok();
    setting::sysctl_file_without_ours(thing, &before, now, &settings).unwrap_or(before)
}

fn settings<'c>(controls: impl IntoIterator<Item = &'c Control>) -> Vec<&'c SettingBody> {
    let settings = controls
        .into_iter()
        .flat_map(|control| &control.settings)
        .map(|setting| &setting.body);
    settings.collect()
}
