//! `%n` and its kin in unit files (`systemd.unit`, "Specifiers"), as far as a file tree decides them.

use std::cell::OnceCell;
use std::path::Path;

use crate::k3s::files::Files;

/// A specifier that no systemd knows: all letters and digits are kept for them (`specifier_printf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("%{0} is no specifier of systemd's; a percent sign is written %%")]
pub(super) struct NoSpecifier(pub char);

/// Those that only the running machine or another release decides.
const UNDECIDED: &[char] = &[
    'a', 'A', 'b', 'B', 'c', 'd', 'D', 'f', 'M', 'o', 'q', 'r', 'R', 's', 'v', 'w', 'W', 'y', 'Y',
];

/// Those whose file may be missing here.
const KNOWN_FROM_FILES: &[char] = &['H', 'l', 'm'];

/// No host is named longer (`HOST_NAME_MAX`), and no machine has a longer id.
const NAME_LIMIT_BYTES: usize = 64;

/// The specifiers of one unit. A file that decides some is read once, however often they are written.
pub(super) struct Specifiers<'a> {
    unit: &'a str,
    files: &'a Files<'a>,
    host: OnceCell<Option<String>>,
    machine: OnceCell<Option<String>>,
}

impl<'a> Specifiers<'a> {
    pub(super) fn new(unit: &'a str, files: &'a Files<'a>) -> Self {
        Self {
            unit,
            files,
            host: OnceCell::new(),
            machine: OnceCell::new(),
        }
    }

    /// Replaces the specifiers of a word. What cannot be decided stays as written and is told by its letter.
    pub(super) fn expand(&self, word: &str) -> Result<(String, Vec<char>), NoSpecifier> {
        let mut text = String::new();
        let mut undecided = Vec::new();
        let mut characters = word.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                text.push(character);
                continue;
            }
            let Some(letter) = characters.next() else {
                text.push('%');
                break;
            };
            match self.value(letter) {
                Some(value) => text.push_str(&value),
                None => {
                    text.push('%');
                    text.push(letter);
                    let is_reserved = letter.is_ascii_alphanumeric();
                    match UNDECIDED.contains(&letter) || KNOWN_FROM_FILES.contains(&letter) {
                        true => undecided.push(letter),
                        false if is_reserved => return Err(NoSpecifier(letter)),
                        false => {}
                    }
                }
            }
        }
        Ok((text, undecided))
    }

    fn value(&self, letter: char) -> Option<String> {
        let unit = self.unit;
        let stem = unit.strip_suffix(".service").unwrap_or(unit);
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, instance),
            None => (stem, ""),
        };
        let last = prefix.rsplit('-').next().unwrap_or(prefix);
        let fixed = match letter {
            '%' => "%",
            'n' => unit,
            'N' => stem,
            'p' => prefix,
            'i' => instance,
            'j' => last,
            'E' => "/etc",
            'S' => "/var/lib",
            'C' => "/var/cache",
            'L' => "/var/log",
            't' => "/run",
            'T' => "/tmp",
            'V' => "/var/tmp",
            'h' => "/root",
            'u' | 'g' => "root",
            'U' | 'G' => "0",
            'P' => return Some(unescape(prefix)),
            'I' => return Some(unescape(instance)),
            'J' => return Some(unescape(last)),
            'H' => return self.host(),
            'l' => return self.host()?.split('.').next().map(str::to_owned),
            'm' => {
                let machine = || first_line(self.files, "/etc/machine-id");
                return self.machine.get_or_init(machine).clone();
            }
            _ => return None,
        };
        Some(fixed.to_owned())
    }

    fn host(&self) -> Option<String> {
        let host = || first_line(self.files, "/etc/hostname");
        self.host.get_or_init(host).clone()
    }
}

/// Undoes `systemd-escape`: `-` is `/`, `\x2d` is `-`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let code = rest.strip_prefix("\\x").and_then(|code| code.get(..2));
        if let Some(code) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            bytes.push(code);
            rest = rest.get(4..).unwrap_or_default();
            continue;
        }
        match character {
            '-' => bytes.push(b'/'),
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).bytes()),
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn first_line(files: &Files<'_>, path: &str) -> Option<String> {
    let content = files.read(Path::new(path)).ok()??;
    let text = String::from_utf8(content).ok()?;
    let line = text.lines().next()?.trim();
    (line.len() <= NAME_LIMIT_BYTES).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Root;

    fn expanded(word: &str) -> Result<(String, Vec<char>), NoSpecifier> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/hostname"), "edge.example\n").unwrap();
        let root = Root::open(directory.path()).unwrap();
        Specifiers::new("k3s-edge\\x2d1.service", &Files::new(&root)).expand(word)
    }

    #[test]
    fn names_directories_and_the_host_are_known() {
        let (text, undecided) = expanded("%n %N %p %P %j %E %% %H %l").unwrap();
        assert_eq!(
            text,
            "k3s-edge\\x2d1.service k3s-edge\\x2d1 k3s-edge\\x2d1 k3s/edge-1 edge\\x2d1 /etc % edge.example edge"
        );
        assert!(undecided.is_empty());
    }

    #[test]
    fn what_only_the_running_machine_knows_stays_and_is_told() {
        assert_eq!(expanded("a%v%"), Ok(("a%v%".to_owned(), vec!['v'])));
    }

    #[test]
    fn a_name_that_no_host_can_have_is_not_decided() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("etc")).unwrap();
        std::fs::write(directory.path().join("etc/hostname"), "h".repeat(65)).unwrap();
        let root = Root::open(directory.path()).unwrap();
        let files = Files::new(&root);
        let expanded = Specifiers::new("k3s.service", &files).expand("%H");
        assert_eq!(expanded, Ok(("%H".to_owned(), vec!['H'])));
    }

    #[test]
    fn letters_and_digits_are_kept_for_specifiers_to_come() {
        assert_eq!(expanded("100%z"), Err(NoSpecifier('z')));
        assert_eq!(expanded("%1"), Err(NoSpecifier('1')));
        assert_eq!(expanded("%-%é"), Ok(("%-%é".to_owned(), Vec::new())));
    }
}
