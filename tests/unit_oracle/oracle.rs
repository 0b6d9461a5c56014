//! Units at random, started by a real systemd, against what k3warden reads in the same files.
//!
//! - `unit-oracle write SEED COUNT` writes units and prints their names;
//! - each of them starts this program under the name `words`, which writes down the arguments and variables it was given;
//! - `unit-oracle compare NAME...` says where k3warden reads something else, and fails then.
//!
//! `tests/machine/cases/unit-oracle.sh` runs it. Nothing here is for a machine that is used.

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../dice/mod.rs"]
mod dice;
mod generate;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use k3warden::host::Root;
use k3warden::k3s::{Files, Loaded, load_unit};

/// Where the units are.
const UNITS: &str = "/etc/systemd/system";
/// Where each unit's words are written, and its environment file lies.
const SAID: &str = "/run/unit-oracle";
/// The variables that the units give; systemd gives others of its own.
const VARIABLES: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [me, given @ ..] if me.ends_with("words") => tell(given),
        [_, "write", seed, count] => write(seed.parse().unwrap(), count.parse().unwrap()),
        [_, "compare", names @ ..] => return compare(names),
        _ => panic!("unit-oracle write SEED COUNT | compare NAME..."),
    }
    ExitCode::SUCCESS
}

/// What a process was given, a line each, in a form that loses nothing.
fn shown<'a>(
    words: impl Iterator<Item = &'a str>,
    variable: impl Fn(&str) -> Option<String>,
) -> String {
    let mut text = String::new();
    for word in words {
        writeln!(text, "{word:?}").unwrap();
    }
    for name in VARIABLES {
        if let Some(value) = variable(name) {
            writeln!(text, "{name}={value:?}").unwrap();
        }
    }
    text
}

fn tell(given: &[&str]) {
    print!(
        "{}",
        shown(given.iter().copied(), |name| std::env::var(name).ok())
    );
}

fn write(seed: u64, count: usize) {
    std::fs::create_dir_all(SAID).unwrap();
    for index in 0..count {
        let name = format!("k3s-o{seed}x{index}.service");
        let unit = generate::unit(
            seed.wrapping_mul(1_000_003).wrapping_add(index as u64),
            &name,
        );
        std::fs::write(
            Path::new(SAID).join(format!("{name}.env")),
            unit.environment_file,
        )
        .unwrap();
        std::fs::write(Path::new(UNITS).join(&name), unit.fragment).unwrap();
        for (drop_in, text) in unit.drop_ins {
            let directory = Path::new(UNITS).join(format!("{name}.d"));
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join(drop_in), text).unwrap();
        }
        println!("{name}");
    }
}

fn compare(names: &[&str]) -> ExitCode {
    let root = Root::open(Path::new("/")).unwrap();
    let files = Files::new(&root);
    let (mut differ, mut started) = (0, 0);
    for name in names {
        let ours = match load_unit(&files, name).unwrap() {
            Loaded::Unit(unit) => {
                let words = unit.exec_start.iter().map(|word| word.text.as_str());
                let value = |name: &str| Some(unit.environment.get(name)?.value.clone());
                Some(shown(words, value))
            }
            _ => None,
        };
        let path = PathBuf::from(SAID).join(format!("{name}.said"));
        let theirs = std::fs::read_to_string(path).ok();
        started += usize::from(theirs.is_some());
        if ours != theirs {
            differ += 1;
            let none = "does not start\n".to_owned();
            let (ours, theirs) = (ours.unwrap_or(none.clone()), theirs.unwrap_or(none));
            println!("== {name}\n-- k3warden\n{ours}-- systemd\n{theirs}-- unit");
            for line in texts(name) {
                println!("   {line:?}");
            }
        }
    }
    println!(
        "{} units, {started} of them started, {differ} read otherwise",
        names.len()
    );
    // Where nothing starts nothing is compared.
    ExitCode::from(u8::from(differ > 0 || started * 2 < names.len()))
}

/// The lines of all files of a unit.
fn texts(name: &str) -> Vec<String> {
    let directory = Path::new(UNITS).join(format!("{name}.d"));
    let drop_ins = std::fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = drop_ins.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.insert(0, Path::new(UNITS).join(name));
    paths.push(Path::new(SAID).join(format!("{name}.env")));
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let lines = |path: &PathBuf| {
        text(path)
            .split('\n')
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    paths.iter().flat_map(lines).collect()
}
