//! The stand-in for K3s is held to what real K3s releases did with the same configurations: the same lines in the same
//! order, the same end.

#![allow(clippy::unwrap_used, clippy::panic)]

mod k3s_log;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use k3s_log::{announced, is_end, line_of, messages, same};

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

fn run(record: &Value, version: &str) -> Output {
    let tree = tempfile::tempdir().unwrap();
    let settings = tree.path().join("etc/k3s-standin");
    std::fs::create_dir_all(&settings).unwrap();
    std::fs::write(settings.join("version"), format!("v{version}+k3s1")).unwrap();
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

fn log_of(output: &Output) -> Vec<String> {
    messages(&String::from_utf8_lossy(&output.stderr))
}

fn records(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recorded")
        .join(file);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn it_logs_the_lines_that_the_real_one_logged_in_the_same_order() {
    for (file, version, least) in [
        ("start-1.36.3.json", "1.36.3", 100),
        ("start-1.36.3-random.json", "1.36.3", 100),
        ("start-1.31.4-random.json", "1.31.4", 60),
        ("start-1.24.4-random.json", "1.24.4", 40),
    ] {
        let mut compared = 0;
        for record in records(file) {
            let name = format!("{file} {}", record["name"]);
            let messages = log_of(&run(&record, version));
            let ended = messages.iter().any(|message| is_end(message));
            let running = record["running"].as_object().unwrap();
            for (component, arguments) in running {
                let Some(line) = line_of(&messages, component) else {
                    // The real one goes on with some components while another ends it.
                    assert!(ended, "{name}: no line of {component}");
                    continue;
                };
                assert!(same(&strings(arguments), line), "{name}: {line}");
                compared += 1;
            }
            let ours = announced(&messages);
            let order = running
                .keys()
                .map(String::as_str)
                .filter(|component| ours.contains(component));
            let both = ours.iter().filter(|name| running.contains_key(**name));
            assert!(order.eq(both.copied()), "{name}: {ours:?}");
        }
        assert!(compared > least, "{file}: {compared}");
    }
}

#[test]
fn it_ends_at_once_where_a_real_one_of_that_release_refused_its_configuration() {
    let mut ended = 0;
    for record in records("merge-rules.json")
        .into_iter()
        .chain(records("merge-random.json"))
    {
        for group in record["k3s"].as_array().unwrap() {
            // One release of each group: the others answer alike.
            let version = strings(&group["versions"]).pop().unwrap();
            let output = run(&record, version);
            let name = format!("{} at {version}", record["name"]);
            let messages = log_of(&output);
            let refused = messages.iter().any(|text| text.starts_with("Error: "));
            // The records are of K3s's inner half. Its wrapper ends over a named file that is missing, drop-ins or not.
            let by_wrapper = record["env"]["K3S_CONFIG_FILE"]
                .as_str()
                .is_some_and(|named| record["files"].get(named).is_none());
            if refused && by_wrapper && group["fatal"].is_null() {
                continue;
            }
            assert_eq!(refused, group["fatal"].is_string(), "{name}: {messages:?}");
            if refused {
                assert_eq!(output.status.code(), Some(1), "{name}");
                assert!(announced(&messages).is_empty(), "{name}");
                ended += 1;
            }
        }
    }
    assert!(ended > 30, "{ended}");
}

#[test]
fn it_ends_where_the_real_one_ended_with_the_same_status() {
    // A tree has no kernel, so what the kubelet's kernel check refuses needs a machine.
    let of_kernel = ["kernel-values-wrong", "kubelet-dropin-protects"];
    let mut ended = 0;
    for record in records("start-1.36.3.json") {
        let name = record["name"].as_str().unwrap();
        if of_kernel.contains(&name) {
            continue;
        }
        let output = run(&record, "1.36.3");
        let messages = log_of(&output);
        let end = messages.iter().find(|message| is_end(message));
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
