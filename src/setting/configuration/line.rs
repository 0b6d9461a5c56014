//! A line of our drop-in.

use std::fmt;

use crate::k3s::component::Component;

/// The options of K3s that nobody takes away or changes once there is a key (`server/cred/encryption-config.json`): without
/// them K3s can no longer read its encrypted Secrets (K3s pkg/daemons/control/deps/deps.go).
pub const ENCRYPTION: [&str; 2] = ["secrets-encryption", "secrets-encryption-provider"];

/// A line that we would write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// `name: value`.
    Option {
        /// The K3s option.
        name: String,
        /// Its value.
        value: String,
    },
    /// An item of a component's argument list.
    Argument {
        /// The component.
        component: Component,
        /// The flag; `flag+` keeps K3s's own default for it beside the value.
        flag: String,
        /// Its value.
        value: String,
    },
    /// What is left of an operator's list without what weakens the node: it takes the place of his.
    List {
        /// The K3s option: `kube-apiserver-arg`.
        option: String,
        /// His items, in his order.
        items: Vec<String>,
    },
}

impl Line {
    /// What the line is about, without its value.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Option { name, .. } => name.clone(),
            Self::Argument {
                component, flag, ..
            } => format!("{component} --{}", flag.trim_end_matches('+')),
            Self::List { option, .. } => option.clone(),
        }
    }

    /// Whether K3s could no longer read its Secrets without the line, once there is a key.
    #[must_use]
    pub fn is_about_encryption(&self) -> bool {
        matches!(self, Self::Option { name, .. } if ENCRYPTION.contains(&name.as_str()))
    }

    /// The same list with only those elements that another line for it has too; `None` where that leaves none.
    #[must_use]
    pub fn with_elements_among(self, other: &Self) -> Option<Self> {
        let (
            Self::Argument {
                component,
                flag,
                value,
            },
            Self::Argument { value: among, .. },
        ) = (self, other)
        else {
            return None;
        };
        let among: Vec<&str> = among.split(',').map(str::trim).collect();
        let elements: Vec<&str> = value
            .split(',')
            .map(str::trim)
            .filter(|element| among.contains(element))
            .collect();
        (!elements.is_empty()).then(|| Self::Argument {
            component,
            flag,
            value: elements.join(","),
        })
    }

    /// The same list with the elements of another line for it.
    #[must_use]
    pub fn with_elements_of(self, other: &Self) -> Self {
        match (self, other) {
            (
                Self::Argument {
                    component,
                    flag,
                    value,
                },
                Self::Argument { value: more, .. },
            ) => {
                let mut elements: Vec<&str> =
                    value.split(',').filter(|part| !part.is_empty()).collect();
                for element in more.split(',').map(str::trim) {
                    if !elements.contains(&element) {
                        elements.push(element);
                    }
                }
                let value = elements.join(",");
                Self::Argument {
                    component,
                    flag,
                    value,
                }
            }
            (line, _) => line,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option { name, value } => write!(formatter, "{name}: {}", scalar(value)),
            Self::Argument {
                component,
                flag,
                value,
            } => {
                write!(
                    formatter,
                    "{}: [{}]",
                    component.option(),
                    scalar(&format!("{flag}={value}"))
                )
            }
            Self::List { option, items } => {
                let items: Vec<String> = items.iter().map(|item| scalar(item)).collect();
                write!(formatter, "{option}: [{}]", items.join(", "))
            }
        }
    }
}

/// A value as K3s's YAML 1.1 parser gives it back unchanged: truth values bare, everything else quoted.
pub(super) fn scalar(value: &str) -> String {
    match value {
        "true" | "false" => value.to_owned(),
        _ => format!("'{}'", value.replace('\'', "''")),
    }
}

/// The value again of a scalar that [`scalar`] wrote.
pub(super) fn plain(scalar: &str) -> String {
    let quoted = scalar
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    quoted.map_or_else(|| scalar.to_owned(), |text| text.replace("''", "'"))
}
