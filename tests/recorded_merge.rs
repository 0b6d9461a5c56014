//! What real K3s versions made of files, command line and environment: every recorded case, every version.
//!
//! The records lie beside the checkout; their README says how they were made.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k3warden::host::Root;
use k3warden::k3s::{
    Files, Invocation, K3sVersion, NodeConfiguration, Role, find_k3s_units, merge,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    role: String,
    files: BTreeMap<String, String>,
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    k3s: Vec<Answer>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    versions: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    warnings: Vec<String>,
    fatal: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Value {
    One(String),
    Many(Vec<String>),
}

fn cases(name: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recorded")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}", path.display());
    });
    serde_json::from_str(&text).unwrap()
}

fn lay_out(directory: &Path, files: &BTreeMap<String, String>) {
    for (path, content) in files {
        let path: PathBuf = directory.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// Two names of one list are one option here, under the longer name.
fn long_name(name: &str) -> &str {
    match name {
        "kube-controller-arg" => "kube-controller-manager-arg",
        "kube-cloud-controller-arg" => "kube-cloud-controller-manager-arg",
        other => other,
    }
}

fn compare(case: &Case, answer: &Answer, version: &str, got: &NodeConfiguration) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, ours: &dyn std::fmt::Debug, theirs: &dyn std::fmt::Debug| {
        differences.push(format!(
            "{} ({version}): {what}: ours {ours:?}, K3s {theirs:?}",
            case.name
        ));
    };
    if answer.fatal.is_some() || got.merge.ends().is_some() {
        if answer.fatal.is_some() != got.merge.ends().is_some() {
            differ("ends", &got.merge.ends(), &answer.fatal);
        }
        return differences;
    }
    if got.merge.words != answer.args {
        differ("words", &got.merge.words, &answer.args);
    }
    if got.merge.warnings != answer.warnings {
        differ("warnings", &got.merge.warnings, &answer.warnings);
    }
    let ours: BTreeMap<&str, Value> = got
        .merge
        .options
        .iter()
        .map(|(name, option)| {
            let values = option.values.iter().map(|value| value.value.clone());
            let value = if option.list {
                Value::Many(values.collect())
            } else {
                Value::One(values.collect())
            };
            (name.as_str(), value)
        })
        .collect();
    let theirs: BTreeMap<&str, &Value> = answer
        .set
        .iter()
        .map(|(name, value)| (long_name(name), value))
        .collect();
    if ours
        .iter()
        .map(|(name, value)| (*name, value))
        .ne(theirs.iter().map(|(name, value)| (*name, *value)))
    {
        differ("set", &ours, &theirs);
    }
    differences
}

/// The unit and its environment file as install.sh writes them.
fn lay_out_unit(directory: &Path, case: &Case) {
    let name = match case.role.as_str() {
        "server" => "k3s",
        _ => "k3s-agent",
    };
    let path = format!("/etc/systemd/system/{name}.service");
    let mut unit = format!(
        "[Unit]\nDescription=Lightweight Kubernetes\n\n[Install]\nWantedBy=multi-user.target\n\n\
         [Service]\nType=notify\nEnvironmentFile=-/etc/default/%N\nEnvironmentFile=-/etc/sysconfig/%N\n\
         EnvironmentFile=-{path}.env\nKillMode=process\nRestart=always\nRestartSec=5s\n\
         ExecStartPre=-/sbin/modprobe overlay\nExecStart=/usr/local/bin/k3s \\\n    {} \\\n",
        case.role
    );
    for argument in &case.argv {
        let quoted = argument.replace('\'', "'\\\\''").replace('%', "%%");
        unit.push_str(&format!("\t'{quoted}' \\\n"));
    }
    unit.push('\n');
    let environment: String = case
        .env
        .iter()
        .map(|(name, value)| format!("{name}='{value}'\n"))
        .collect();
    let files = [(path.clone(), unit), (format!("{path}.env"), environment)];
    lay_out(directory, &files.into_iter().collect());
}

fn check(name: &str) {
    let mut differences = Vec::new();
    let mut answers = 0;
    for case in cases(name) {
        let directory = tempfile::tempdir().unwrap();
        lay_out(directory.path(), &case.files);
        lay_out_unit(directory.path(), &case);
        let root = Root::open(directory.path()).unwrap();
        let files = Files::new(&root);
        let role = Role::from_word(&case.role).unwrap();
        let direct = Invocation::new(role, case.argv.clone(), &case.env);
        let units = find_k3s_units(&files).unwrap().units;
        assert_eq!(units.len(), 1, "{}", case.name);
        for answer in &case.k3s {
            for version in &answer.versions {
                let parsed: K3sVersion = version.parse().unwrap();
                for invocation in [&direct, &units[0].invocation()] {
                    let got = merge(&files, invocation, parsed).unwrap();
                    differences.extend(compare(&case, answer, version, &got));
                    answers += 1;
                }
            }
        }
    }
    assert!(answers > 2000, "only {answers} answers");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_recorded_rules_are_answered_alike() {
    check("merge-rules.json");
}

#[test]
fn the_recorded_random_cases_are_answered_alike() {
    check("merge-random.json");
}
