//! What we wrote of what K3s reads, and how it is put back.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::reconcile::ledger::Hash;
use crate::setting::configuration::ENCRYPTION;

/// One file of ours.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurFile {
    /// Its text.
    pub content: String,
    /// Its permission bits.
    pub mode: u32,
}

impl fmt::Debug for OurFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "OurFile({} bytes, {:o})",
            self.content.len(),
            self.mode
        )
    }
}

/// Our files that K3s reads, by path: the drop-in of its configuration, audit policy, admission configuration, a drop-in
/// of its unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurPart {
    /// By path as seen inside the root.
    pub files: BTreeMap<String, OurFile>,
}

impl OurPart {
    /// Names this part. Modes take no part: K3s reads as root.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut bytes = Vec::new();
        for (path, file) in &self.files {
            bytes.extend_from_slice(path.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(Hash::of(file.content.as_bytes()).to_string().as_bytes());
            bytes.push(0);
        }
        Hash::of(&bytes)
    }
}

/// What stands of the encryption of Secrets on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionKey {
    /// `server/cred/encryption-config.json` is there, or it cannot be told.
    MayExist,
    /// It is not there.
    Absent,
}

/// What our command for the unit says of the encryption of Secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionWords {
    /// Only what the unit's own command says too: nothing is lost with ours.
    Repeated,
    /// It may have words that the unit's own command lost.
    OnlyOurs,
}

/// What has to be written to put our part back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// What is there afterwards.
    pub part: OurPart,
    /// Whether that is what last worked, as far as encryption allows; else it is nothing of ours.
    pub is_last_good: bool,
    /// The encryption lines that were kept though the last good state does not have them so.
    pub kept: Vec<String>,
    /// The files to write, then those to remove.
    pub write: Vec<String>,
    /// Files that only the present part has.
    pub remove: Vec<String>,
}

impl PutBack {
    /// Whether there is nothing to do: what failed was not ours to begin with.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }
}

/// The way back from `present` to the last good state; without one, to nothing of ours. While there may be a key, every
/// encryption line of the present files stays as it is, in its file, and none is added beside it; a command for the unit
/// stays whole where it may have the only words about it.
#[must_use]
pub fn put_back(
    last_good: Option<&OurPart>,
    present: &OurPart,
    key: EncryptionKey,
    words: EncryptionWords,
) -> PutBack {
    let mut part = last_good.cloned().unwrap_or_default();
    let is_last_good = !part.files.is_empty();
    let mut kept = Vec::new();
    if key == EncryptionKey::MayExist {
        kept = keep_encryption(&mut part, present, words);
    }
    let differs = |path: &&String| present.files.get(*path) != part.files.get(*path);
    let write = part.files.keys().filter(differs).cloned().collect();
    let gone = |path: &&String| !part.files.contains_key(*path);
    let remove = present.files.keys().filter(gone).cloned().collect();
    PutBack {
        part,
        is_last_good,
        kept,
        write,
        remove,
    }
}

/// Returns what had to be kept against the last good state.
fn keep_encryption(part: &mut OurPart, present: &OurPart, words: EncryptionWords) -> Vec<String> {
    let stays_whole = |path: &str, file: &OurFile| {
        let is_command = path.ends_with(".conf");
        mentions(&file.content) && !(is_command && words == EncryptionWords::Repeated)
    };
    let is_set = present
        .files
        .iter()
        .any(|(path, file)| file.content.lines().any(is_encryption) || stays_whole(path, file));
    if !is_set {
        // Ours says nothing; what the last good state says may be what K3s needs.
        return Vec::new();
    }
    let before: Vec<String> = lines_of(part);
    for (path, file) in &mut part.files {
        let lines = present
            .files
            .get(path)
            .map_or_else(Vec::new, encryption_lines);
        if encryption_lines(file) != lines {
            let content = with_encryption(&file.content, &lines);
            file.content = content;
        }
    }
    for (path, file) in &present.files {
        let lines = encryption_lines(file);
        if stays_whole(path, file) {
            // A command line of the unit, or a form that is not taken apart: whole or not at all.
            part.files.insert(path.clone(), file.clone());
        } else if !lines.is_empty() && !part.files.contains_key(path) {
            let content = with_encryption("", &lines);
            part.files.insert(
                path.clone(),
                OurFile {
                    content,
                    mode: file.mode,
                },
            );
        }
    }
    let after = lines_of(part);
    after
        .into_iter()
        .filter(|line| !before.contains(line))
        .collect()
}

fn encryption_lines(file: &OurFile) -> Vec<&str> {
    file.content
        .lines()
        .filter(|line| is_encryption(line))
        .collect()
}

fn lines_of(part: &OurPart) -> Vec<String> {
    let lines = part.files.values().flat_map(|file| file.content.lines());
    lines
        .filter(|line| is_encryption(line))
        .map(str::to_owned)
        .collect()
}

/// `secrets-encryption: true`, its key perhaps quoted.
fn is_encryption(line: &str) -> bool {
    let Some((key, _)) = line.split_once(':') else {
        return false;
    };
    let key = key
        .trim_end()
        .trim_matches(['"', '\''])
        .trim_end_matches('+');
    ENCRYPTION.contains(&key)
}

/// Says something of encryption that is no such line.
fn mentions(content: &str) -> bool {
    let apart = |line: &&str| !is_encryption(line) && !line.trim_start().starts_with('#');
    content
        .lines()
        .filter(apart)
        .any(|line| line.contains("secrets-encryption"))
}

/// The content with these encryption lines and no others.
fn with_encryption(content: &str, encryption: &[&str]) -> String {
    let lines = content.split_inclusive('\n');
    let mut new: String = lines
        .filter(|line| !is_encryption(line.trim_end_matches(['\n', '\r'])))
        .collect();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    for line in encryption {
        new.push_str(line);
        new.push('\n');
    }
    new
}

#[cfg(test)]
mod tests;
