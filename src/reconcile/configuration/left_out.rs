//! What a list of ours that takes the place of the operator's means to him: what of his it leaves out, and where it does not follow his.

use crate::catalogue::Control;
use crate::k3s::{drop_in_directory, shown_value};
use crate::policy::Stance;
use crate::reconcile::Pass;
use crate::setting::configuration::{Line, parse};

use super::own_files::{CONFIGURATION, own_files};

impl Pass<'_> {
    /// The items of the operator's that a list of ours leaves out for a control, each with its place.
    #[must_use]
    pub fn left_out(&self, control: &Control) -> Vec<String> {
        let Ok(effective) = self.effective() else {
            return Vec::new();
        };
        let options = &effective.configuration.merge.options;
        let mut found = Vec::new();
        for leave_out in self.leave_outs(control) {
            let option = leave_out.option();
            let overrode = options.get(option).map(|option| &option.overrode);
            let left_out = overrode.into_iter().flatten().filter(|item| {
                leave_out.left_of(&item.value).as_deref() != Some(item.value.as_str())
            });
            found.extend(
                left_out
                    .map(|item| format!("{} ({})", shown_value(option, &item.value), item.place)),
            );
        }
        found
    }

    /// The lists of ours that do not follow the operator's, since their controls are not enforced any more and nothing is changed now.
    #[must_use]
    pub fn lists_that_stand_still(&self) -> Vec<String> {
        let directory = drop_in_directory(&self.node.places.config_file);
        let Ok((_, own)) = own_files(self.host, self.written, &directory, CONFIGURATION) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (path, (content, _)) in own {
            for (line, id) in parse(&String::from_utf8_lossy(&content)) {
                let Line::List { option, .. } = line else {
                    continue;
                };
                let control = self.catalogue.control(id.as_str());
                let is_enforced =
                    control.is_some_and(|control| self.decide(control).0.stance == Stance::Enforce);
                if !is_enforced {
                    found.push(format!(
                        "{}: a list of ours stands in the place of your {option} and does not follow it, since {id} is not enforced any \
                         more; `k3warden revert {id}` gives yours back",
                        path.display()
                    ));
                }
            }
        }
        found
    }
}
