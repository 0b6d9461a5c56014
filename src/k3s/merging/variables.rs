//! What the environment gives the options.

use super::{Merging, Setting, WordSlip};
use crate::k3s::command_line;
use crate::k3s::go_value::normalize;
use crate::k3s::options::{KnownOption, OptionKind};
use crate::k3s::{Ending, Place, SECRET};

impl Merging<'_> {
    pub(super) fn settings_of_environment(&self) -> (Vec<Setting>, Vec<WordSlip>) {
        let (mut settings, mut slips) = (Vec::new(), Vec::new());
        for option in self.options.iter() {
            let found = option
                .environment()
                .find_map(|name| Some((name, self.environment.get(name)?)));
            let Some((name, variable)) = found else {
                continue;
            };
            let place = variable.place(name);
            match self.value_of_variable(option, &variable.value, &place) {
                Ok(None) => {}
                Ok(Some(value)) => settings.push(Setting {
                    option: option.name,
                    value,
                    named_at: place.clone(),
                    place,
                }),
                Err(ending) => slips.push(WordSlip {
                    ending,
                    option: Some(option.name),
                }),
            }
        }
        (settings, slips)
    }

    /// An empty variable is a false bool, and no number at all (up to 1.32 a refused one).
    fn value_of_variable(
        &self,
        option: &KnownOption,
        text: &str,
        place: &Place,
    ) -> Result<Option<String>, Ending> {
        let number = matches!(option.kind, OptionKind::Integer | OptionKind::Duration);
        if text.is_empty() && number && command_line::empty_number_is_unset(self.version) {
            return Ok(None);
        }
        if text.is_empty() && option.kind == OptionKind::Bool {
            return Ok(Some("false".to_owned()));
        }
        normalize(option.kind, text).map(Some).map_err(|refused| {
            let shown = if option.secret { SECRET } else { text };
            Ending::new(
                format!(
                    "could not parse \"{shown}\" as value for flag {}: {}",
                    option.name,
                    refused.words()
                ),
                Some(place.clone()),
            )
        })
    }
}
