//! The stand-in for K3s is held to what a real K3s 1.36.3 did with the same configurations: the same lines, the same end.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Beside the tests, where cargo puts examples.
fn standin() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    here.parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/k3s-standin")
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap())
        .collect()
}

fn run(record: &Value) -> Output {
    let tree = tempfile::tempdir().unwrap();
    for (path, content) in record["files"].as_object().into_iter().flatten() {
        let target = tree.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, content.as_str().unwrap()).unwrap();
    }
    let mut command = Command::new(standin());
    command
        .env_clear()
        .arg(record["role"].as_str().unwrap())
        .args(strings(&record["argv"]));
    for (name, value) in record["env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap());
    }
    command
        .env("K3S_STANDIN_ROOT", tree.path())
        .env("K3S_STANDIN_HASTE", "1");
    command.output().unwrap()
}

/// The message of a line, as logrus quotes it.
fn messages(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let quoted = text
        .lines()
        .filter_map(|line| line.split_once(" msg=\"")?.1.strip_suffix('"'));
    quoted
        .map(|text| text.replace("\\\"", "\"").replace("\\\\", "\\"))
        .collect()
}

fn same(expected: &[&str], found: &str) -> bool {
    let found: Vec<&str> = found.split(' ').collect();
    expected.len() == found.len()
        && expected.iter().zip(found).all(|(expected, found)| {
            *expected == found
                || found.split_once('=').is_some_and(|(flag, value)| {
                    value.starts_with('{') && expected.split('=').next() == Some(flag)
                })
        })
}

fn records() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/recorded/start-1.36.3.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn it_logs_the_lines_that_the_real_one_logged() {
    let mut compared = 0;
    for record in records() {
        let output = run(&record);
        let messages = messages(&output);
        for (component, arguments) in record["running"].as_object().into_iter().flatten() {
            let start = format!("Running {component} ");
            let Some(line) = messages
                .iter()
                .find_map(|message| message.strip_prefix(&start))
            else {
                // The real one goes on with some components while another ends it.
                assert_eq!(
                    record["ended"], true,
                    "{}: no line of {component}",
                    record["name"]
                );
                continue;
            };
            assert!(
                same(&strings(arguments), line),
                "{}: {line}",
                record["name"]
            );
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn it_ends_where_the_real_one_ended_with_the_same_status() {
    // A tree has no kernel, so what the kubelet's kernel check refuses needs a machine.
    let of_kernel = ["kernel-values-wrong", "kubelet-dropin-protects"];
    let mut ended = 0;
    for record in records() {
        let name = record["name"].as_str().unwrap();
        if of_kernel.contains(&name) {
            continue;
        }
        let output = run(&record);
        let messages = messages(&output);
        let end = messages.iter().find(|message| {
            message.starts_with("Shutdown request received: ") || message.contains("panicked")
        });
        assert_eq!(
            end.is_some(),
            record["ended"] == true,
            "{name}: {messages:#?}"
        );
        if record["ended"] != true {
            continue;
        }
        ended += 1;
        let Some(status) = record["exit_status"].as_i64() else {
            continue;
        };
        assert_eq!(output.status.code().map(i64::from), Some(status), "{name}");
        let ready = messages
            .iter()
            .any(|message| message == "k3s is up and running");
        let component = record["error"].as_str().unwrap_or_default();
        if component.contains("apiserver exited") {
            assert!(!ready, "{name}: the apiserver is judged before READY");
        }
    }
    assert!(ended > 10, "{ended}");
}
