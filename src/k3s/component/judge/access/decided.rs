//! What the files decide in the place of flags: the apiserver takes a flag or a file for each, and K3s gives no flag beside
//! a file (pkg/daemons/control/server.go).

use std::collections::BTreeMap;

use super::super::Line;
use super::super::named_file::NamedFile;
use crate::host::HostError;
use crate::k3s::Place;
use crate::k3s::component::Component;
use crate::k3s::component::document::Document;
use crate::k3s::component::in_force::InForce;

/// Since when the authentication configuration has the field `anonymous`.
const ANONYMOUS_SINCE_MINOR: u16 = 31;

/// The flags that a file stands for, with what it says of them.
pub(in super::super) fn decided(line: &Line<'_>) -> BTreeMap<(Component, &'static str), InForce> {
    let mut decided = BTreeMap::new();
    if line.minor() >= ANONYMOUS_SINCE_MINOR
        && let Some(found) = anonymous(NamedFile::of(line, "authentication-config"))
    {
        decided.insert((Component::Apiserver, "anonymous-auth"), found);
    }
    if let Some(argument) = line.given("authorization-config") {
        let emptied = || InForce::Emptied {
            place: argument.place.clone(),
        };
        let found = match NamedFile::of(line, "authorization-config") {
            Ok(read) => read
                .and_then(|read| authorizers(&read))
                .unwrap_or_else(emptied),
            Err(error) => InForce::Unseen(error),
        };
        decided.insert((Component::Apiserver, "authorization-mode"), found);
    }
    decided
}

/// What a file says of anonymous requests; `None` if nothing.
fn anonymous(read: Result<Option<NamedFile>, HostError>) -> Option<InForce> {
    let read = match read {
        Ok(read) => read?,
        Err(error) => return Some(InForce::Unseen(error)),
    };
    if !matches!(read.document.get("anonymous"), Some(Document::Map(_))) {
        return None;
    }
    // Also with conditions: for the paths that they name anonymous requests are let in.
    let is_on = read.document.at("anonymous.enabled") == Some(&Document::Bool(true));
    Some(InForce::One {
        value: is_on.to_string(),
        place: read.place(&["anonymous.enabled", "anonymous"]),
    })
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
