//! Machine-readable output.

use serde::Serialize;

/// A report as indented JSON with a line end.
#[must_use]
pub fn to_json(report: &impl Serialize) -> String {
    // Our reports are plain structures with text keys, which always serialise.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}
