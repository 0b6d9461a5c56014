//! How far a control is taken on this node, and which line of the policy says so.

use jiff::civil::Date;

use super::{ContentChoice, Exception, Given, Mode, Policy, PolicyPlace};
use crate::catalogue::{Control, Enforcement, ParameterValue};

/// How far a control is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stance<'p> {
    /// Not looked at.
    Off,
    /// Judged only.
    Observe,
    /// Judged and made true.
    Enforce,
    /// Accepted as not held.
    Excepted(&'p Exception),
}

/// How far a control is taken, and what decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'p> {
    /// How far.
    pub stance: Stance<'p>,
    /// The line of the policy that decided; `None` for the catalogue's default.
    pub place: Option<&'p PolicyPlace>,
}

impl Policy {
    /// How far a control is taken on a day (local time).
    ///
    /// `off` is stronger than an exception, an exception that stands is stronger than the rest, and the global
    /// `mode = "observe"` turns enforce into observe.
    #[must_use]
    pub fn enforcement<'p>(&'p self, control: &Control, today: Date) -> Decision<'p> {
        let state = self
            .controls
            .get(&control.id)
            .and_then(|rules| rules.state.as_ref());
        let place = state.and_then(|given| given.place.as_ref());
        let stated = state.map_or(control.default, |given| given.value);
        let exception = self
            .exceptions
            .get(&control.id)
            .filter(|exception| exception.is_active(today));
        let (stance, place) = match (stated, exception, self.mode.value) {
            (Enforcement::Off, _, _) => (Stance::Off, place),
            (_, Some(exception), _) => (Stance::Excepted(exception), Some(&exception.place)),
            (Enforcement::Observe, None, _) => (Stance::Observe, place),
            (Enforcement::Enforce, None, Mode::Observe) => {
                (Stance::Observe, self.mode.place.as_ref())
            }
            (Enforcement::Enforce, None, Mode::Enforce) => (Stance::Enforce, place),
        };
        Decision { stance, place }
    }

    /// The rule that keeps everything from being enforced, with its place; `None` where something may be.
    #[must_use]
    pub fn observe_rule(&self) -> Option<String> {
        let rule = "mode = \"observe\"";
        (self.mode.value == Mode::Observe).then(|| match &self.mode.place {
            Some(place) => format!("{rule} at {place}"),
            None => rule.to_owned(),
        })
    }

    /// Whether our content replaces an operator's own valid file.
    #[must_use]
    pub fn content_is_ours(&self, control: &Control) -> bool {
        let rules = self.controls.get(&control.id);
        rules
            .and_then(|rules| rules.content.as_ref())
            .is_some_and(|given| given.value == ContentChoice::Ours)
    }

    /// The value of a control's parameter and the line that gave it; `None` if the control has no such parameter.
    #[must_use]
    pub fn parameter<'p>(
        &'p self,
        control: &'p Control,
        name: &str,
    ) -> Option<(&'p ParameterValue, Option<&'p PolicyPlace>)> {
        let parameter = control.parameters.get(name)?;
        let rules = self.controls.get(&control.id);
        let given = rules.and_then(|rules| rules.parameters.get(name));
        Some(match given {
            Some(Given { value, place }) => (value, place.as_ref()),
            None => (&parameter.default, None),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::sample::{catalogue, policy};
    use super::*;

    const EXCEPTION: &str = "\n[[exception]]\ncontrol = \"sample-file\"\nreason = \"r\"\nowner = \"o\"\nexpires = 2027-01-31\n";

    /// The stance as a word and the line that decided.
    fn decided(text: &str, id: &str, today: Date) -> (&'static str, Option<usize>) {
        let policy = policy(text).unwrap();
        let catalogue = catalogue();
        let decision = policy.enforcement(catalogue.control(id).unwrap(), today);
        let word = match decision.stance {
            Stance::Off => "off",
            Stance::Observe => "observe",
            Stance::Enforce => "enforce",
            Stance::Excepted(_) => "excepted",
        };
        (word, decision.place.map(|place| place.line))
    }

    #[test]
    fn the_strongest_word_decides_and_its_line_is_named() {
        let today = date(2027, 1, 1);
        let with = |text: &str| format!("{text}{EXCEPTION}");
        for (text, id, expected) in [
            (String::new(), "sample-file", ("enforce", None)),
            (String::new(), "sample-directory", ("observe", None)),
            (
                "[control.sample-file]\nstate = \"off\"".to_owned(),
                "sample-file",
                ("off", Some(2)),
            ),
            (
                "[control.sample-directory]\nstate = \"enforce\"".to_owned(),
                "sample-directory",
                ("enforce", Some(2)),
            ),
            (
                "mode = \"observe\"".to_owned(),
                "sample-file",
                ("observe", Some(1)),
            ),
            (
                "mode = \"observe\"".to_owned(),
                "sample-directory",
                ("observe", None),
            ),
            (
                "mode = \"observe\"\n[control.sample-file]\nstate = \"enforce\"".to_owned(),
                "sample-file",
                ("observe", Some(1)),
            ),
            (
                "mode = \"observe\"\n[control.sample-file]\nstate = \"off\"".to_owned(),
                "sample-file",
                ("off", Some(3)),
            ),
            (with(""), "sample-file", ("excepted", Some(2))),
            (
                with("mode = \"observe\""),
                "sample-file",
                ("excepted", Some(2)),
            ),
            (
                with("[control.sample-file]\nstate = \"observe\""),
                "sample-file",
                ("excepted", Some(3)),
            ),
            (
                with("[control.sample-file]\nstate = \"off\""),
                "sample-file",
                ("off", Some(2)),
            ),
        ] {
            assert_eq!(decided(&text, id, today), expected, "{text} {id}");
        }
    }

    #[test]
    fn an_expired_exception_is_reported_and_its_control_enforced() {
        let loaded = policy(EXCEPTION).unwrap();
        let (last, after) = (date(2027, 1, 31), date(2027, 2, 1));
        assert_eq!(
            decided(EXCEPTION, "sample-file", last),
            ("excepted", Some(2))
        );
        assert_eq!(decided(EXCEPTION, "sample-file", after), ("enforce", None));
        assert_eq!(
            (loaded.expired(last).count(), loaded.expired(after).count()),
            (0, 1)
        );
        assert_eq!(
            (
                loaded.expiring(last).count(),
                loaded.expiring(after).count()
            ),
            (1, 0)
        );
    }

    #[test]
    fn a_parameter_is_the_policys_or_the_catalogues() {
        let policy =
            policy("[control.sample-file]\nmax_age = 0x5A\nexempt_namespaces = [\"a\", \"b\"]")
                .unwrap();
        let catalogue = catalogue();
        let control = catalogue.control("sample-file").unwrap();
        let (value, place) = policy.parameter(control, "max_age").unwrap();
        assert_eq!(
            (value, place.unwrap().line),
            (&ParameterValue::Integer(90), 2)
        );
        let (value, place) = policy.parameter(control, "exempt_namespaces").unwrap();
        assert_eq!(
            (value.to_string().as_str(), place.unwrap().line),
            ("a, b", 3)
        );
        let (value, place) = policy.parameter(control, "label").unwrap();
        assert_eq!((value.to_string().as_str(), place), ("none", None));
        assert_eq!(policy.parameter(control, "unheard_of"), None);
    }
}
