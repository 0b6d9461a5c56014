//! Comparing the value of an option or argument with what the catalogue asks, as the types that they are.

use super::{Requirement, is_loopback, urls};
use crate::k3s::component::{boolean, gate_pairs, integer, nanoseconds};
use crate::k3s::{SECRET, hides};

/// A value that K3s or a component would run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing sets it and there is no default that we know.
    Absent,
    /// One value.
    Scalar(String),
    /// The elements of a list, all its places united.
    List(Vec<String>),
}

impl Value {
    /// The words for a report; a secret is `{secret}`.
    pub(crate) fn shown_as(&self, name: &str) -> String {
        if self.elements().iter().any(|element| hides(name, element)) {
            return SECRET.to_owned();
        }
        self.shown()
    }

    fn shown(&self) -> String {
        match self {
            Self::Absent => "not set".to_owned(),
            Self::Scalar(value) if value.is_empty() => "empty".to_owned(),
            Self::Scalar(value) => value.clone(),
            Self::List(elements) if elements.is_empty() => "empty".to_owned(),
            Self::List(elements) => elements.join(","),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::Absent | Self::List(_) => self.elements().join(","),
        }
    }

    /// The elements, of a scalar too: a list written in one word.
    pub(crate) fn elements(&self) -> Vec<&str> {
        match self {
            Self::Absent => Vec::new(),
            Self::Scalar(value) => value
                .split(',')
                .map(str::trim)
                .filter(|element| !element.is_empty())
                .collect(),
            Self::List(elements) => elements.iter().map(String::as_str).collect(),
        }
    }
}

/// Whether a value satisfies a requirement.
pub(crate) fn holds(require: &Requirement, value: &Value, absent_holds: bool) -> bool {
    // For a component an emptied list is as good as none.
    let is_emptied = matches!(value, Value::List(elements) if elements.is_empty());
    if is_emptied && absent_holds {
        return true;
    }
    if *value == Value::Absent {
        return absent_holds
            || matches!(
                require,
                Requirement::Absent(true) | Requirement::Present(false)
            );
    }
    // What is shown of an empty value is a word, and no value.
    let text = value.text();
    // A component reads 030 as 24 and 0x1e as 30.
    let number = || integer(&text);
    match require {
        Requirement::Equals(wanted) => same(&text, wanted),
        Requirement::NotEquals(unwanted) => !same(&text, unwanted),
        Requirement::AtLeast(least) => number().is_some_and(|number| number >= i128::from(*least)),
        Requirement::AtMost(most) => number().is_some_and(|number| number <= i128::from(*most)),
        Requirement::MoreThan(less) => number().is_some_and(|number| number > i128::from(*less)),
        Requirement::Includes(wanted) => {
            let elements = value.elements();
            wanted
                .iter()
                .all(|element| elements.contains(&element.as_str()))
        }
        Requirement::Excludes(unwanted) => {
            let elements = value.elements();
            !unwanted
                .iter()
                .any(|element| elements.contains(&element.as_str()))
        }
        Requirement::SubsetOf(allowed) => {
            let elements = value.elements();
            !elements.is_empty()
                && elements
                    .iter()
                    .all(|element| allowed.iter().any(|known| known == element))
        }
        Requirement::OneOf(allowed) => allowed.iter().any(|known| same(&text, known)),
        Requirement::Absent(absent) => !absent,
        Requirement::Present(present) => *present && !text.is_empty(),
        // A negative one is none that a component would wait for.
        Requirement::NonzeroDuration(_) => nanoseconds(&text).is_some_and(i64::is_positive),
        Requirement::GateNotOff(gate) => !is_off(gate, &value.elements()),
        Requirement::Loopback(_) => is_loopback(&text),
        // As K3s reads it: ParseInt of base 8 (pkg/server/server.go writeKubeConfig).
        Requirement::ModeAtMost(limit) => {
            u32::from_str_radix(&text, 8).is_ok_and(|bits| bits & !limit.bits() == 0)
        }
        Requirement::TlsUrls(keys) => urls::given_for(keys, &value.elements())
            .iter()
            .all(|urls| !urls.is_empty() && urls::all(urls, urls::is_tls)),
        Requirement::LocalUrls(keys) => urls::given_for(keys, &value.elements())
            .iter()
            .all(|urls| urls::all(urls, |url| urls::is_tls(url) || urls::is_local(url))),
    }
}

/// Equal as text, or as what Go's `strconv.ParseBool` makes of both.
fn same(one: &str, other: &str) -> bool {
    one == other || boolean(one).is_some_and(|truth| boolean(other) == Some(truth))
}

/// Whether feature gates turn a beta one off. What is said of it outranks what is said of all beta ones (component-base
/// `featuregate/feature_gate.go` setUnsetBetaGates); of several the last counts.
fn is_off(gate: &str, pairs: &[&str]) -> bool {
    let last = |wanted: &str| {
        let pairs = pairs.iter().flat_map(|pairs| gate_pairs(pairs));
        pairs.filter(|(name, _)| *name == wanted).last()
    };
    let said = last(gate).or_else(|| last("AllBeta"));
    said.is_some_and(|(_, value)| value.and_then(boolean) != Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FileMode;

    fn scalar(text: &str) -> Value {
        Value::Scalar(text.to_owned())
    }

    #[test]
    fn a_stricter_number_of_the_operator_holds() {
        let at_least = Requirement::AtLeast(30);
        assert!(holds(&at_least, &scalar("90"), false));
        assert!(!holds(&at_least, &scalar("7"), false));
        assert!(!holds(&at_least, &scalar("many"), false));
        assert!(!holds(&at_least, &Value::Absent, false));
    }

    #[test]
    fn numbers_are_compared_as_the_component_reads_them() {
        let at_least = Requirement::AtLeast(30);
        for (text, expected) in [
            ("030", false),
            ("0x1e", true),
            ("0b11110", true),
            ("1_000", true),
            ("", false),
        ] {
            assert_eq!(holds(&at_least, &scalar(text), false), expected, "{text}");
        }
    }

    #[test]
    fn a_gate_is_off_however_that_is_said() {
        let not_off = Requirement::GateNotOff("Rotate".to_owned());
        for (text, expected) in [
            ("Rotate=false", false),
            ("Rotate=0", false),
            ("A=true,kube:Rotate=False", false),
            ("AllBeta=false", false),
            ("AllBeta=false,Rotate=true", true),
            ("Rotate=false,Rotate=true", true),
            ("Other=false", true),
            ("", true),
        ] {
            let value = Value::List(text.split(',').map(str::to_owned).collect());
            assert_eq!(holds(&not_off, &value, true), expected, "{text}");
        }
    }

    #[test]
    fn an_address_of_this_machine_holds_with_any_port() {
        let loopback = Requirement::Loopback(true);
        for (text, expected) in [
            ("127.0.0.1", true),
            ("127.0.0.2", true),
            ("127.0.0.1:9090", true),
            ("::1", true),
            ("[::1]:9090", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("10.0.0.1:10249", false),
            ("localhost", false),
            ("", false),
        ] {
            assert_eq!(holds(&loopback, &scalar(text), false), expected, "{text}");
        }
    }

    #[test]
    fn a_mode_stands_as_long_as_it_grants_nothing_more() {
        let at_most = Requirement::ModeAtMost(FileMode::new(0o600));
        for (text, expected) in [
            ("0600", true),
            ("600", true),
            ("0400", true),
            ("000", true),
            ("0", true),
            ("0640", false),
            ("4600", false),
            ("384", false),
            ("0o600", false),
            ("-1", false),
            ("", false),
        ] {
            assert_eq!(holds(&at_most, &scalar(text), true), expected, "{text}");
        }
    }

    #[test]
    fn urls_of_a_key_are_judged_by_how_they_are_served() {
        let keys = || vec!["listen-urls".to_owned()];
        let given = |items: &[&str]| {
            let list = Value::List(items.iter().map(|&item| item.to_owned()).collect());
            let holds = |require| holds(&require, &list, true);
            (
                holds(Requirement::TlsUrls(keys())),
                holds(Requirement::LocalUrls(keys())),
            )
        };
        for (items, expected) in [
            (
                &["listen-urls=https://10.0.0.1:2379,https://127.0.0.1:2379"][..],
                (true, true),
            ),
            (
                &["listen-urls=https://127.0.0.1:1,http://127.0.0.1:2"],
                (false, true),
            ),
            (&["--listen-urls=http://[::1]:1"], (false, true)),
            (&["listen-urls=http://localhost:1"], (false, true)),
            (&["listen-urls=HTTP://0.0.0.0:1"], (false, false)),
            (&["listen-urls=unix://localhost:1"], (false, true)),
            (&["listen-urls=10.0.0.1:1"], (false, false)),
            (&["listen-urls="], (false, true)),
            (
                &[
                    "listen-urls=http://0.0.0.0:1",
                    "listen-urls=https://0.0.0.0:1",
                ],
                (true, true),
            ),
            (
                &["other-urls=http://0.0.0.0:1", "listen-urls"],
                (true, true),
            ),
        ] {
            assert_eq!(given(items), expected, "{items:?}");
        }
    }

    #[test]
    fn lists_are_compared_as_sets_and_not_as_text() {
        let includes = Requirement::Includes(vec!["NodeRestriction".to_owned()]);
        assert!(holds(
            &includes,
            &scalar("AlwaysPullImages,NodeRestriction"),
            false
        ));
        assert!(!holds(&includes, &scalar("NodeRestrictionX"), false));
        let subset = Requirement::SubsetOf(vec!["A".to_owned(), "B".to_owned()]);
        assert!(holds(&subset, &scalar("B"), false));
        assert!(!holds(&subset, &scalar("A,C"), false));
        assert!(!holds(&subset, &scalar(""), false));
    }

    #[test]
    fn absence_holds_only_where_the_catalogue_says_so() {
        let equals = Requirement::Equals("true".to_owned());
        assert!(holds(&equals, &Value::Absent, true));
        assert!(!holds(&equals, &Value::Absent, false));
        assert!(holds(&Requirement::Absent(true), &Value::Absent, false));
        assert!(!holds(&Requirement::Absent(true), &scalar("x"), false));
    }

    #[test]
    fn an_empty_value_is_none() {
        let empty = scalar("");
        assert!(!holds(&Requirement::Present(true), &empty, false));
        assert!(!holds(
            &Requirement::NotEquals(String::new()),
            &empty,
            false
        ));
        assert!(holds(
            &Requirement::NotEquals("0".to_owned()),
            &scalar("1"),
            false
        ));
        assert!(holds(&Requirement::Equals(String::new()), &empty, false));
    }

    #[test]
    fn durations_are_compared_as_durations() {
        let nonzero = Requirement::NonzeroDuration(true);
        for (text, expected) in [
            ("5m", true),
            ("4h0m0s", true),
            ("0s", false),
            ("0", false),
            ("1.5h", true),
            ("-5m", false),
            ("5", false),
            ("x", false),
            ("", false),
        ] {
            assert_eq!(holds(&nonzero, &scalar(text), false), expected, "{text}");
        }
    }

    #[test]
    fn booleans_are_equal_however_they_are_spelled() {
        assert!(holds(
            &Requirement::Equals("true".to_owned()),
            &scalar("1"),
            false
        ));
        assert!(!holds(
            &Requirement::Equals("true".to_owned()),
            &scalar("yes"),
            false
        ));
    }
}
