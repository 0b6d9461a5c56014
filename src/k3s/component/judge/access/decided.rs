//! What the files decide in the place of flags: the apiserver takes a flag or a file for each, and K3s gives no flag beside
//! a file (pkg/daemons/control/server.go).

use std::collections::BTreeMap;

use super::super::Line;
use super::super::named_file::NamedFile;
use crate::k3s::Place;
use crate::k3s::component::Component;
use crate::k3s::component::document::Document;
use crate::k3s::component::in_force::InForce;

/// Since when the authentication configuration has the field `anonymous`.
const ANONYMOUS_SINCE_MINOR: u16 = 31;

/// The flags that a file stands for, with what it says of them.
pub(in super::super) fn decided(line: &Line<'_>) -> BTreeMap<(Component, &'static str), InForce> {
    let mut decided = BTreeMap::new();
    if let Some(read) = NamedFile::of(line, "authentication-config")
        && line.minor() >= ANONYMOUS_SINCE_MINOR
        && matches!(read.document.get("anonymous"), Some(Document::Map(_)))
    {
        // Also with conditions: for the paths that they name anonymous requests are let in.
        let is_on = read.document.at("anonymous.enabled") == Some(&Document::Bool(true));
        let one = InForce::One {
            value: is_on.to_string(),
            place: read.place(&["anonymous.enabled", "anonymous"]),
        };
        decided.insert((Component::Apiserver, "anonymous-auth"), one);
    }
    if let Some(argument) = line.given("authorization-config") {
        let found = NamedFile::of(line, "authorization-config").and_then(|read| authorizers(&read));
        let place = argument.place.clone();
        decided.insert(
            (Component::Apiserver, "authorization-mode"),
            found.unwrap_or(InForce::Emptied { place }),
        );
    }
    decided
}

/// The authorizers that a file names; `None` if it names none.
fn authorizers(read: &NamedFile) -> Option<InForce> {
    let authorizers = read
        .document
        .get("authorizers")
        .map_or(&[][..], Document::items);
    let place = read.place(&["authorizers"]);
    let elements = authorizers
        .iter()
        .map(|authorizer| (authorizer.text("type").to_owned(), place.clone()));
    let elements: Vec<(String, Place)> = elements.collect();
    (!elements.is_empty()).then_some(InForce::List { elements })
}
