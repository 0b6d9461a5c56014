//! What K3s runs with, as text for a person.

use std::fmt::Write as _;

use crate::k3s::component::Component;

use super::{EffectiveReport, OptionValue};
use crate::report::kubelet_settings;

impl EffectiveReport {
    /// The report as text for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "K3s {} {} ({})",
            self.k3s_version,
            self.role,
            self.unit.as_deref().unwrap_or("no unit")
        );
        if let Some(ends) = &self.ends {
            let _ = writeln!(text, "\nK3s would end at its start: {}", ends.sentence());
        }
        self.write_options(&mut text);
        for component in Component::ALL {
            let name = component.name();
            let (Some(line), Some(sources)) =
                (self.arguments.get(name), self.argument_sources.get(name))
            else {
                continue;
            };
            let _ = writeln!(text, "\n{name}:");
            for (argument, source) in line.iter().zip(sources) {
                let _ = write!(text, "  {argument}  [{}]", source.from);
                if let Some(place) = &source.outranked_by {
                    let _ = write!(text, "  does not count: {place} gives it again");
                }
                text.push('\n');
                for overrode in &source.overrode {
                    let _ = writeln!(text, "      instead of {overrode}");
                }
            }
        }
        kubelet_settings::write(&self.kubelet_settings, &mut text);
        if let Some(on_disk) = &self.on_disk {
            on_disk.write(&mut text);
        }
        if let Some(running) = &self.running {
            running.write(&mut text);
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "\nwarning: {warning}");
        }
        self.write_skipped_keys(&mut text);
        text
    }

    fn write_options(&self, text: &mut String) {
        text.push_str("\nOptions that something sets:\n");
        for (name, option) in self.options.iter().filter(|(_, option)| !option.default) {
            let value = match &option.value {
                OptionValue::Text(value) => value.clone(),
                OptionValue::List(values) => values.join(" "),
            };
            let _ = write!(text, "  {name} = {value}  [{}]", option.from.join(", "));
            if let Some(place) = &option.outranked_by {
                let _ = write!(text, "  does not count: K3s goes by {place}");
            }
            text.push('\n');
            for overrode in &option.overrode {
                let _ = writeln!(text, "      instead of {overrode}");
            }
        }
    }

    fn write_skipped_keys(&self, text: &mut String) {
        if !self.skipped_keys.is_empty() {
            text.push_str("\nKeys that K3s skips:\n");
        }
        for skipped in &self.skipped_keys {
            let _ = writeln!(
                text,
                "  {}  [{}]  {}",
                skipped.key, skipped.from, skipped.mend
            );
        }
    }
}
