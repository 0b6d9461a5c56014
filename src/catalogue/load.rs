//! Loading the catalogue: the built-in controls and the operator's own, with the same strictness.

use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::entry;
use super::fault::{self, Fault};
use super::{Control, Editions, Problem, Source, content, contradiction, hexadecimal};

/// What `build.rs` made of `controls/*.toml`.
const BUILT_IN: &str = include_str!(concat!(env!("OUT_DIR"), "/controls.json"));

/// A catalogue file that cannot be used: file, line and column, what is wrong there, and the mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CatalogueError(Box<Problem>);

impl CatalogueError {
    pub(super) fn of_syntax(source: &Source<'_>, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().replace('\n', " ");
        Self(Box::new(source.problem(span, message, None)))
    }

    /// What the build brought along cannot be read.
    pub(super) fn of_build(error: &serde_json::Error) -> Self {
        let source = Source::new(Path::new("built-in"), "");
        Self(Box::new(source.problem(0..0, error.to_string(), None)))
    }

    /// What is wrong with a control or a setting that begins on a line.
    fn of_fault(source: &Source<'_>, line: usize, fault: Fault) -> Self {
        let word = fault.word.and_then(|word| place_of(source, line, &word));
        Self(Box::new(match word {
            Some(span) => source.problem(span, fault.message, fault.hint),
            None => source.problem_with_line(line, fault.message, fault.hint),
        }))
    }
}

/// The bytes of a word from a line on: as a value in quotes before anywhere else, and as TOML would escape it.
fn place_of(source: &Source<'_>, line: usize, word: &str) -> Option<Range<usize>> {
    let in_quotes = |word: &str| {
        let whole = source.find(line, &format!("\"{word}\""))?;
        Some(whole.start + 1..whole.end - 1)
    };
    in_quotes(word)
        .or_else(|| in_quotes(&word.escape_debug().to_string()))
        .or_else(|| source.find(line, word))
}

/// All controls, in the order of their files.
#[derive(Debug, Clone)]
pub struct Catalogue {
    controls: Vec<Control>,
    editions: Editions,
    digest: String,
}

impl Catalogue {
    /// The built-in controls alone.
    ///
    /// # Errors
    /// Never for a released build: a test loads every file.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::with_operator_files(&[])
    }

    /// The built-in controls and the operator's files (path and content), in the order given.
    ///
    /// # Errors
    /// When a file is malformed, repeats a control or states one that cannot be judged.
    pub fn with_operator_files(files: &[(PathBuf, String)]) -> Result<Self, CatalogueError> {
        let mut catalogue = Self {
            // A test has judged each against all before it, so that not every start has to.
            controls: entry::built_in(BUILT_IN)
                .map_err(|error| CatalogueError::of_build(&error))?,
            editions: Editions::built_in()?,
            digest: String::new(),
        };
        let mut digest = Sha256::new();
        digest.update(BUILT_IN.as_bytes());
        digest.update(content::digest_input());
        for (path, text) in files {
            digest.update(text.as_bytes());
            catalogue.add(path, text)?;
        }
        catalogue.controls.shrink_to_fit();
        catalogue.digest = hexadecimal(&digest.finalize());
        Ok(catalogue)
    }

    /// Every control.
    #[must_use]
    pub fn controls(&self) -> &[Control] {
        &self.controls
    }

    /// A control by name.
    #[must_use]
    pub fn control(&self, id: &str) -> Option<&Control> {
        self.controls
            .iter()
            .find(|control| control.id.as_str() == id)
    }

    /// The controls that have this number in an edition; one control may answer several numbers.
    #[must_use]
    pub fn with_number(&self, edition: &str, number: &str) -> Vec<&Control> {
        let has = |control: &&Control| {
            control
                .cis
                .get(edition)
                .is_some_and(|numbers| numbers.split(',').any(|listed| listed.trim() == number))
        };
        self.controls.iter().filter(has).collect()
    }

    /// The benchmark editions that the numbers refer to.
    #[must_use]
    pub const fn editions(&self) -> &Editions {
        &self.editions
    }

    /// SHA-256 over everything the catalogue says, as hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<(), CatalogueError> {
        let file_text = Source::new(path, text);
        let entries = entry::read(text, &file_text, &path.display().to_string())
            .map_err(|error| CatalogueError::of_syntax(&file_text, &error))?;
        for control in entries {
            if let Some((line, fault)) = self.fault_of(&control) {
                return Err(CatalogueError::of_fault(&file_text, line, fault));
            }
            self.controls.push(control);
        }
        Ok(())
    }

    /// Why a control cannot stand beside those before it, and the line.
    fn fault_of(&self, control: &Control) -> Option<(usize, Fault)> {
        if let Some(first) = self.control(control.id.as_str()) {
            let fault = Fault {
                word: Some(control.id.to_string()),
                message: format!(
                    "there is a control `{}` already, {}",
                    control.id,
                    first.place_of(first.line)
                ),
                hint: Some("give yours another id".to_owned()),
            };
            return Some((control.line, fault));
        }
        fault::of(control, &self.editions).or_else(|| contradiction::of(&self.controls, control))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::control::BUILT_IN_SOURCE;

    /// The built-in controls as people write them, taken from there as if an operator had.
    #[test]
    fn the_built_in_controls_would_be_taken_from_an_operator_and_are_the_same() {
        let mut catalogue = Catalogue {
            controls: Vec::new(),
            editions: Editions::built_in().unwrap(),
            digest: String::new(),
        };
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalogue/controls");
        let files = std::fs::read_dir(directory).unwrap();
        let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            catalogue.add(file, &text).unwrap();
        }
        for control in &mut catalogue.controls {
            BUILT_IN_SOURCE.clone_into(&mut control.source);
            control.line = 0;
            for setting in &mut control.settings {
                setting.line = 0;
            }
        }
        assert_eq!(catalogue.controls, Catalogue::built_in().unwrap().controls);
    }
}
