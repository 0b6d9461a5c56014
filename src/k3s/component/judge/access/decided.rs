//! What the files decide in the place of flags: the apiserver takes a flag or a file for each, and K3s gives no flag beside
//! a file (pkg/daemons/control/server.go).

use std::collections::BTreeMap;

use super::super::Line;
use crate::k3s::Place;
use crate::k3s::component::document::Document;
use crate::k3s::component::in_force::InForce;
use crate::k3s::yaml::key_lines;

/// Since when the authentication configuration has the field `anonymous`.
const ANONYMOUS_SINCE_MINOR: u16 = 31;

/// The flags that a file stands for, with what it says of them.
pub(in super::super) fn decided(line: &Line<'_>) -> BTreeMap<&'static str, InForce> {
    let mut decided = BTreeMap::new();
    if let Some(read) = Read::of(line, "authentication-config")
        && line.minor() >= ANONYMOUS_SINCE_MINOR
        && matches!(read.document.get("anonymous"), Some(Document::Map(_)))
    {
        // Also with conditions: for the paths that they name anonymous requests are let in.
        let is_on = read.document.at("anonymous.enabled") == Some(&Document::Bool(true));
        let one = InForce::One {
            value: is_on.to_string(),
            place: read.place(&["anonymous.enabled", "anonymous"]),
        };
        decided.insert("anonymous-auth", one);
    }
    if let Some(argument) = line.given("authorization-config") {
        let found = Read::of(line, "authorization-config").and_then(|read| read.authorizers());
        let place = argument.place.clone();
        decided.insert(
            "authorization-mode",
            found.unwrap_or(InForce::Emptied { place }),
        );
    }
    decided
}

/// A file that an argument names.
struct Read {
    document: Document,
    lines: BTreeMap<String, usize>,
    path: std::path::PathBuf,
}

impl Read {
    fn of(line: &Line<'_>, flag: &str) -> Option<Self> {
        let path = line.node.named_file(&line.given(flag)?.value);
        let bytes = line.files.read(&path).ok().flatten()?;
        Some(Self {
            document: Document::parse(&bytes).ok()?,
            lines: key_lines(&bytes),
            path,
        })
    }

    /// The authorizers that a file names; `None` if it names none.
    fn authorizers(&self) -> Option<InForce> {
        let authorizers = self
            .document
            .get("authorizers")
            .map_or(&[][..], Document::items);
        let place = self.place(&["authorizers"]);
        let elements = authorizers
            .iter()
            .map(|authorizer| (authorizer.text("type").to_owned(), place.clone()));
        let elements: Vec<(String, Place)> = elements.collect();
        (!elements.is_empty()).then_some(InForce::List { elements })
    }

    /// The line of the first of these keys that is there.
    fn place(&self, keys: &[&str]) -> Place {
        let line = keys.iter().find_map(|key| self.lines.get(*key));
        Place::File {
            path: self.path.clone(),
            line: line.copied().unwrap_or(1),
        }
    }
}
