//! What the fuzz targets share: an empty root to lay files over, and what must hold whatever stands in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use k3warden::host::Root;
use k3warden::k3s::component::Facts;
use k3warden::k3s::yaml::{decode, to_text};
use k3warden::k3s::{
    Effective, Files, Invocation, K3sVersion, Loaded, Merge, NodeConfiguration, Place, Role,
    SECRET, Unit, is_secret, load_unit, merge,
};

/// The answer may be larger than the question, through aliases and variables; not larger than this.
const ANSWER_LIMIT_BYTES: usize = 64 << 20;

/// The kernel starts no command that is longer than this, its pointers included.
const COMMAND_LIMIT_BYTES: usize = 6 << 20;

/// One release for each way of reading.
const MINORS: [u16; 6] = [20, 21, 23, 30, 32, NEWEST];

const NEWEST: u16 = 36;

/// Everything that our own quoting must keep from meaning something to systemd.
const HOSTILE_WORD: &str = "--node-label=it's \"%n\" $A ${B} \\x41 ; #\n\t\\";

static ROOT: LazyLock<(tempfile::TempDir, Root)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = Root::open(directory.path()).expect("its root");
    (directory, root)
});

/// An empty root, over which files are laid.
pub fn files() -> Files<'static> {
    Files::new(&ROOT.1)
}

/// Merges as every kind of release does, in both roles.
pub fn merge_everywhere(files: &Files<'_>, words: &[String], variables: &BTreeMap<String, String>) {
    for role in [Role::Server, Role::Agent] {
        let invocation = Invocation::new(role, words, variables);
        merge_as(files, &invocation);
    }
}

/// Merges one command as every kind of release does, and asks what the newest's components make of it. The answers stay
/// within their limit, hide their secrets, name lines that there are, and keep the words that were given.
pub fn merge_as(files: &Files<'_>, invocation: &Invocation) {
    for minor in MINORS {
        let version = K3sVersion::new(minor, 3);
        let merged = if minor == NEWEST {
            let effective = Effective::of(files, invocation, version, &Facts::default());
            effective.map(|effective| effective.configuration)
        } else {
            merge(files, invocation, version)
        };
        let Ok(merged) = merged else { continue };
        assert!(size_of(&merged) <= ANSWER_LIMIT_BYTES);
        hides_secrets(&merged.merge);
        names_lines(&merged, files);
        keeps_words(&merged, invocation, version);
    }
    let newest = || merge(files, invocation, K3sVersion::new(NEWEST, 3));
    let both = newest().ok().zip(newest().ok());
    assert!(both.is_none_or(|(one, other)| one.merge == other.merge));
}

fn size_of(merged: &NodeConfiguration) -> usize {
    let merge = &merged.merge;
    let words = merge.words.iter().chain(&merge.warnings).map(String::len);
    let values = merge
        .options
        .values()
        .flat_map(|option| option.values.iter().chain(&option.overrode));
    words.chain(values.map(|value| value.value.len())).sum()
}

fn hides_secrets(merge: &Merge) {
    for (name, values) in merge.shown() {
        assert!(!is_secret(&name) || values.iter().all(|value| value == SECRET));
    }
}

fn names_lines(merged: &NodeConfiguration, files: &Files<'_>) {
    let mut counted: BTreeMap<&Path, usize> = BTreeMap::new();
    let values = merged
        .merge
        .options
        .values()
        .flat_map(|option| &option.values);
    for value in values {
        if let Place::File { path, line } = &value.place {
            let lines = *counted
                .entry(path)
                .or_insert_with(|| lines_of(&files.read(path).expect("a file").expect("it")));
            assert!((1..=lines).contains(line), "{path:?}:{line} of {lines}");
        }
    }
}

/// As many lines as a document can have: in UTF-16 a break is two bytes, so every byte that can be part of one counts.
fn lines_of(content: &[u8]) -> usize {
    let breaks = content
        .iter()
        .filter(|byte| matches!(byte, b'\n' | b'\r' | 0x85 | 0x28 | 0x29 | 0xa8 | 0xa9));
    breaks.count() + 1
}

fn keeps_words(merged: &NodeConfiguration, invocation: &Invocation, version: K3sVersion) {
    let (position, _) = invocation.role().expect("the role that was merged for");
    let given = invocation.words.iter().skip(position + 1);
    if !merged.merge.words.is_empty() {
        let kept = merged.merge.words.iter().rev();
        assert!(
            given
                .rev()
                .map(|word| &word.text)
                .zip(kept)
                .all(|(given, kept)| given == kept)
        );
    }
    let named = merged.merge.options.keys().take(8);
    for range in named.filter_map(|name| invocation.words_that_set(name, version, &|_| true)) {
        let words = invocation.words.len();
        assert!(
            range
                .iter()
                .all(|range| range.end <= words && range.start > position)
        );
    }
}

/// What is read of a document reads the same when it is printed plainly.
pub fn document_reads_the_same(content: &[u8]) {
    let Ok(entries) = decode(content) else { return };
    let texts: Vec<_> = entries
        .iter()
        .map(|entry| (entry.key.clone(), to_text(&entry.value.value)))
        .collect();
    let printed: String = texts
        .iter()
        .map(|(key, value)| format!("? {}\n: {}\n", yaml_quoted(key), yaml_quoted(value)))
        .collect();
    let again: Vec<_> = decode(printed.as_bytes())
        .expect("a plain document")
        .iter()
        .map(|entry| (entry.key.clone(), to_text(&entry.value.value)))
        .collect();
    assert_eq!(texts, again);
}

fn yaml_quoted(text: &str) -> String {
    let escaped = |character: char| match character {
        ' '..='!' | '#'..='[' | ']'..='~' => character.to_string(),
        other => format!("\\U{:08x}", u32::from(other)),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// The command of a unit stays within what the kernel takes, and reads the same from the drop-in into which we would
/// write it; with a word of ours in the place of one, that one alone is another.
pub fn command_reads_the_same(files: Files<'static>, unit: &Unit) {
    let texts = || unit.exec_start.iter().map(|word| word.text.as_str());
    assert!(texts().map(str::len).sum::<usize>() <= COMMAND_LIMIT_BYTES);
    let Some(written) = &unit.as_written else {
        return;
    };
    let files = with_command(files, unit, &written.line());
    let again = loaded(&files, &unit.name);
    assert_eq!(again.binary.text, unit.binary.text);
    assert_eq!(again.command, unit.command);
    assert!(
        again
            .exec_start
            .iter()
            .map(|word| word.text.as_str())
            .eq(texts())
    );
    let last = unit.exec_start.len() - 1;
    let Ok(exchanged) = written.with(&BTreeMap::from([(last, Some(HOSTILE_WORD.to_owned()))]))
    else {
        return;
    };
    let files = with_command(files, unit, &exchanged.line());
    let again = loaded(&files, &unit.name);
    let expected = texts().take(last).chain([HOSTILE_WORD]);
    assert!(
        again
            .exec_start
            .iter()
            .map(|word| word.text.as_str())
            .eq(expected)
    );
}

fn with_command(files: Files<'static>, unit: &Unit, line: &str) -> Files<'static> {
    files.with(
        format!("/etc/systemd/system/{}.d/zz.conf", unit.name),
        format!("[Service]\nExecStart=\nExecStart={line}\n"),
    )
}

fn loaded(files: &Files<'_>, name: &str) -> Unit {
    match load_unit(files, name).expect("what was read before") {
        Loaded::Unit(unit) => *unit,
        other => panic!("no unit any more: {other:?}"),
    }
}

/// The variables of a unit read the same from an environment file in which each is quoted.
pub fn variables_read_the_same(files: Files<'static>, unit: &Unit) {
    let printed: String = unit
        .environment
        .iter()
        .map(|(name, variable)| format!("{name}=\"{}\"\n", environment_quoted(&variable.value)))
        .collect();
    let again = loaded(&files.with("/etc/k3s.env", printed), &unit.name);
    assert_eq!(again.environment, unit.environment);
}

fn environment_quoted(text: &str) -> String {
    let mut quoted = String::new();
    for character in text.chars() {
        if matches!(character, '"' | '\\' | '`' | '$') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}
