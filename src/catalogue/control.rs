//! One requirement of the catalogue.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{Datastore, Numbers, Requirement, Setting, SettingBody, VersionRange};
use crate::k3s::{Role, is_label};

/// What the controls of the built-in catalogue give as the place where they are defined.
pub(super) const BUILT_IN_SOURCE: &str = "built-in";

/// The name of a control: lower-case words joined by dashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ControlId(String);

impl ControlId {
    /// Reads a name; `None` if it is not lower-case words and digits joined by dashes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        text.split('-').all(word).then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ControlId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl Borrow<str> for ControlId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ControlId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no control id; use lower-case words joined by dashes"
            ))
        })
    }
}

/// How far a control is taken on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// Judged and made true.
    #[default]
    Enforce,
    /// Judged only.
    Observe,
    /// Not looked at.
    Off,
}

/// What kind of value a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// A list of names.
    Names,
    /// A list of names of namespaces.
    Namespaces,
    /// A whole number.
    Integer,
    /// A text.
    Text,
    /// True or false.
    Boolean,
}

impl ParameterKind {
    /// Whether it is a list of several.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Names | Self::Namespaces)
    }

    /// Whether a value is of this kind.
    #[must_use]
    pub fn takes(self, value: &ParameterValue) -> bool {
        match (self, value) {
            (Self::Names, ParameterValue::Names(_))
            | (Self::Integer, ParameterValue::Integer(_))
            | (Self::Text, ParameterValue::Text(_))
            | (Self::Boolean, ParameterValue::Boolean(_)) => true,
            (Self::Namespaces, ParameterValue::Names(names)) => {
                names.iter().all(|name| is_label(name))
            }
            _ => false,
        }
    }
}

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum ParameterValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// A list of names.
    Names(Vec<String>),
}

impl fmt::Display for ParameterValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(formatter, "{value}"),
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Text(value) => formatter.write_str(value),
            Self::Names(values) => formatter.write_str(&values.join(", ")),
        }
    }
}

/// Something about a control that the operator may set in the policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What kind of value it takes.
    pub kind: ParameterKind,
    /// The value when the policy says nothing.
    pub default: ParameterValue,
    /// One sentence for the operator.
    pub about: String,
    /// Names that a list may not have, since another control answers for them.
    #[serde(default)]
    pub refuses: Vec<String>,
}

/// What an operator does by hand where we must not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runbook {
    /// The K3s versions on which it is the way.
    #[serde(default)]
    pub k3s: VersionRange,
    /// The steps, in sentences.
    pub text: String,
}

/// One requirement: which nodes it is for and what makes it true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// Its name.
    pub id: ControlId,
    /// The state that holds, in one sentence.
    pub title: Cow<'static, str>,
    /// What goes wrong without it.
    pub why: Cow<'static, str>,
    /// The role it is for; `None` for every node.
    pub role: Option<Role>,
    /// The K3s versions it is for.
    pub k3s: VersionRange,
    /// The datastore it is for; `None` for every one.
    pub datastore: Option<Datastore>,
    /// How far it is taken when the policy says nothing.
    pub default: Enforcement,
    /// It may keep a workload from running: observed on clusters that have data.
    pub restricts_workloads: bool,
    /// CIS recommendation numbers by benchmark edition.
    pub cis: Numbers,
    /// What the operator does by hand where we must not, by K3s version.
    pub runbooks: Vec<Runbook>,
    /// What the operator may set.
    pub parameters: BTreeMap<String, Parameter>,
    /// All of these must hold.
    pub settings: Vec<Setting>,
    /// Where it is defined: `built-in` or the file.
    pub source: String,
    /// The line of its id there, counted from 1.
    pub line: usize,
}

impl Control {
    /// Where something of it stands, for an operator: the built-in catalogue is no file on the node.
    pub(super) fn place_of(&self, line: usize) -> String {
        match self.source.as_str() {
            BUILT_IN_SOURCE => "a built-in one".to_owned(),
            file => format!("at {file}:{line}"),
        }
    }

    /// A text with the defaults of the control's parameters filled in.
    #[must_use]
    pub fn with_defaults(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, parameter) in &self.parameters {
            let mark = format!("{{parameter:{name}}}");
            filled = filled.replace(&mark, &parameter.default.to_string());
        }
        filled
    }

    /// What is asked of an option or argument that takes its value from a parameter.
    pub fn requirements_of<'a>(&'a self, parameter: &str) -> impl Iterator<Item = &'a Requirement> {
        let whole = format!("{{parameter:{parameter}}}");
        self.settings
            .iter()
            .filter_map(move |setting| match &setting.body {
                SettingBody::Option(body) => body.set.as_ref().map(|set| (set, &body.require)),
                SettingBody::Argument(body) => body.set.as_ref().map(|set| (set, &body.require)),
                _ => None,
            })
            .filter(move |(set, _)| **set == whole)
            .map(|(_, require)| require)
    }
}
