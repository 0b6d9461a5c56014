//! Every generated file with its text.

use super::{completions, controls, manual, picture};

/// What was printed, and the picture made of it.
const PICTURES: &[(&str, &str)] = &[
    (
        include_str!("../../docs/pictures/check.txt"),
        "docs/pictures/check.svg",
    ),
    (
        include_str!("../../docs/pictures/drift.txt"),
        "docs/pictures/drift.svg",
    ),
];

/// A generated file.
#[derive(Debug)]
pub struct Output {
    /// Where it is committed, from the root of the repository.
    pub path: &'static str,
    /// What it should be.
    pub text: String,
}

impl Output {
    /// The path, if what is committed is something else.
    pub fn stale(&self) -> Option<&'static str> {
        let committed = std::fs::read_to_string(self.path).unwrap_or_default();
        (committed != self.text).then_some(self.path)
    }
}

/// Everything that is generated.
pub fn all() -> Vec<Output> {
    let mut outputs = completions::all();
    outputs.push(Output {
        path: "man/k3warden.1",
        text: manual::page(),
    });
    outputs.push(Output {
        path: "docs/controls.md",
        text: controls::reference(),
    });
    for (text, path) in PICTURES {
        outputs.push(Output {
            path,
            text: picture::picture(text),
        });
    }
    outputs
}
