//! What the documentation tells an operator to write is what k3warden understands.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use k3warden::catalogue::Catalogue;
use k3warden::cli::Cli;
use k3warden::host::Root;
use k3warden::policy::Policy;
use tree::{SERVER_UNIT, Tree};

fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = vec![PathBuf::from("README.md"), PathBuf::from("CONTRIBUTING.md")];
    for entry in fs::read_dir("docs").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            paths.push(path);
        }
    }
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The fenced blocks of a language, and for the policy also what tables and text show in backquotes.
fn toml_pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    for (index, block) in text.split("```toml\n").enumerate() {
        if index > 0 {
            pieces.push(block.split("```").next().unwrap().to_owned());
        }
    }
    for span in backquoted(text) {
        if [
            "mode = ",
            "restart = ",
            "state = ",
            "on_disable = ",
            "metrics_file = ",
            "new_cluster = ",
        ]
        .iter()
        .any(|start| span.starts_with(start))
        {
            pieces.push(span.to_owned());
        }
    }
    pieces
}

/// The files that cloud-init's user data lays down.
fn written_by_cloud_init(text: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("content: |") else {
            continue;
        };
        let mut file = String::new();
        while let Some(inside) = lines.next_if(|next| next.starts_with(&format!("{indent}  "))) {
            file += inside.trim_start();
            file += "\n";
        }
        files.push(file);
    }
    files
}

fn backquoted(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().filter(|line| !line.starts_with("```"));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn policy_error(text: &str) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/k3warden/config.d");
    fs::create_dir_all(&directory).unwrap();
    // A single control's key stands in its section.
    let text = match text.strip_prefix("state = ") {
        Some(state) => format!("[control.audit-log-size]\nstate = {state}"),
        None => text.to_owned(),
    };
    fs::write(directory.join("50-site.toml"), text).unwrap();
    let root = Root::open(root.path()).unwrap();
    let catalogue = Catalogue::built_in().unwrap();
    Policy::load(&root, &catalogue)
        .err()
        .map(|error| error.to_string())
}

#[test]
fn every_policy_and_catalogue_example_is_understood() {
    let mut seen = 0;
    for (path, text) in documents() {
        for piece in toml_pieces(&text)
            .into_iter()
            .chain(written_by_cloud_init(&text))
        {
            seen += 1;
            let error = if piece.contains("[[control]]") {
                let file = (PathBuf::from("example.toml"), piece.clone());
                let loaded = Catalogue::with_operator_files(&[file]);
                loaded.err().map(|error| error.to_string())
            } else {
                // The control reference names no control in particular.
                let piece = piece.replace("\"NAME\"", "\"audit-log-size\"");
                policy_error(&piece)
            };
            assert_eq!(error, None, "{}:\n{piece}", path.display());
        }
    }
    assert!(seen >= 9, "only {seen} examples were found");
}

/// Command lines in code: a line of an indented or fenced block, or a span in backquotes, that begins with the command.
fn command_lines(text: &str) -> Vec<String> {
    let blocks = text.lines().map(str::trim);
    let found = blocks.chain(backquoted(text)).filter_map(|line| {
        let line = line.trim_start_matches("cargo run -- ");
        let line = line.split(" && ").next()?.split("  ").next()?;
        line.starts_with("k3warden ").then(|| line.to_owned())
    });
    found.collect()
}

#[test]
fn every_command_line_is_accepted() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (path, text) in documents() {
        for line in command_lines(&text) {
            let words = line
                .replace("\"disk swap\"", "disk-swap")
                .replace(" TEXT", " text");
            let words: Vec<&str> = words.split_whitespace().collect();
            let prose = words.get(1).is_some_and(|word| {
                // "k3warden hardens a node ...": a sentence, not a command.
                word.starts_with(char::is_lowercase)
                    && Cli::command().find_subcommand(word).is_none()
                    && words.len() > 4
            });
            if prose {
                continue;
            }
            seen += 1;
            if let Err(error) = Cli::command().try_get_matches_from(&words)
                && error.use_stderr()
            {
                wrong.push(format!("{}: {line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 20, "only {seen} command lines were found");
}

#[test]
fn a_control_is_added_in_the_way_that_contributing_says() {
    let text = fs::read_to_string("CONTRIBUTING.md").unwrap();
    let example = toml_pieces(&text)
        .into_iter()
        .find(|piece| piece.contains("[[control]]"))
        .unwrap();
    let tree = Tree::new();
    tree.write("etc/k3warden/catalogue.d/NAME.toml", &example);
    tree.write("etc/systemd/system/k3s.service", SERVER_UNIT);
    let run = |command: &str| {
        let words: Vec<&str> = command.split(' ').collect();
        tree.k3warden(&words).stdout
    };
    let explained = run("explain audit-log-compression");
    assert!(explained.contains("catalogue.d/NAME.toml"), "{explained}");
    let planned = run("diff");
    assert!(planned.contains("'audit-log-compress=true'"), "{planned}");
    run("apply");
    let held = run("check audit-log-compression");
    assert!(held.contains("1 compliant"), "{held}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    for (path, text) in documents() {
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let target = target.split('#').next().unwrap();
            let beside = path.parent().unwrap_or(Path::new("")).join(target);
            assert!(beside.exists(), "{} leads to {target}", path.display());
        }
    }
}

/// Tables wrap: a picture with a cell that is cut off is of a program that was.
#[test]
fn the_pictures_are_of_the_program_as_it_prints_now() {
    let recorded = include_str!("../docs/pictures/check.txt");
    assert!(!recorded.contains('…'));
    let root = tempfile::tempdir().unwrap();
    let now = std::process::Command::new(env!("CARGO_BIN_EXE_k3warden"))
        .arg("--root")
        .arg(root.path())
        .arg("check")
        .output()
        .unwrap();
    let now = String::from_utf8(now.stdout).unwrap();
    let head = now.lines().next().unwrap();
    let shows = |line: &str| head.split_whitespace().all(|word| line.contains(word));
    assert!(recorded.lines().any(shows), "{head:?}");
}

/// Its own page says what may stand in the policy; `packaging/config.toml` holds every key, as a test of the policy's sees to.
#[test]
fn the_manual_page_of_the_policy_has_every_key() {
    let page = fs::read_to_string("man/k3warden.toml.5").unwrap();
    let policy = fs::read_to_string("packaging/config.toml").unwrap();
    let mut seen = 0;
    for line in policy.lines().filter_map(|line| line.strip_prefix('#')) {
        let key = match line.split_once(" = ") {
            Some((key, _)) if key.starts_with(char::is_alphabetic) => key.trim_end(),
            _ => continue,
        };
        // A parameter of one control, whose names `explain` shows.
        if key == "namespaces" {
            continue;
        }
        seen += 1;
        let stands = page.contains(&format!(".It Ic {key} No ="))
            || page
                .lines()
                .any(|line| line.starts_with(&format!("{key} ")) && line.contains("= "));
        assert!(stands, "k3warden.toml(5) has no `{key}`");
    }
    assert!(seen > 20, "only {seen} keys were found");
}

/// What a catalogue file may say, by where; asked of the parser with a key that there is not.
#[test]
fn the_manual_page_of_the_catalogue_has_every_key() {
    let page = fs::read_to_string("man/k3warden-catalogue.5").unwrap();
    let control = "[[control]]\nid = \"a-b\"\ntitle = \"A\"\nwhy = \"B\"\nrole = \"any\"\n";
    let mut seen = 0;
    for place in [
        "",
        "[[control.runbook]]\n",
        "[control.parameter.a]\n",
        "[[control.sysctl]]\n",
        "[[control.directory]]\n",
        "[[control.file]]\n",
        "[[control.permissions]]\n",
        "[[control.option]]\n",
        "[[control.argument]]\n",
        "[[control.manifest]]\n",
        "[[control.option]]\nname = \"a\"\nrequire = { no-such-key = 1 }\n",
    ] {
        let file = format!("{control}{place}no-such-key = 1\n");
        let error = Catalogue::with_operator_files(&[(PathBuf::from("a.toml"), file)])
            .unwrap_err()
            .to_string();
        let (_, valid) = error.split_once("expected ").expect(&error);
        let valid = valid.lines().next().unwrap();
        for key in backquoted(valid) {
            seen += 1;
            let words = page.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
            assert!(
                words.into_iter().any(|word| word == key),
                "k3warden-catalogue(5) has no `{key}`, which may stand in {place:?}"
            );
        }
    }
    assert!(seen > 50, "only {seen} keys were found");
}

/// Alerts on a metric that nobody writes never ring.
#[test]
fn every_metric_that_is_named_is_one_that_is_written() {
    let written = include_str!("../src/report/metrics.rs");
    let mut seen = 0;
    for (path, text) in documents() {
        let names = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        for name in names.filter_map(|word| word.strip_prefix("k3warden_")) {
            // The package's file is no metric, k3warden_0.1.0-1_amd64.deb and k3warden_OLD.
            if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
                continue;
            }
            seen += 1;
            let stands = written.contains(&format!("\"{name}\""));
            assert!(stands, "{}: k3warden_{name}", path.display());
        }
    }
    assert!(seen > 0, "no metric was found");
}
