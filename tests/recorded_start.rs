//! What a real K3s logged and did at its start, for every recorded configuration.
//!
//! The records lie in `tests/recorded`; its README explains them.

// Helpers of tests are tests too; clippy exempts only the functions that carry `#[test]`.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k3warden::host::Root;
use k3warden::k3s::component::{self, CgroupVersion, Component, Components, Facts, Node, Start};
use k3warden::k3s::{Files, Invocation, K3sVersion, Role, merge};
use serde_json::Value;

struct Case {
    name: String,
    version: K3sVersion,
    record: Value,
}

fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recorded")
        .join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let records: Vec<Value> = serde_json::from_str(&text).unwrap();
    let version = file.split('-').nth(1).unwrap().trim_end_matches(".json");
    records
        .into_iter()
        .map(|record| Case {
            name: format!("{file}: {}", record["name"].as_str().unwrap()),
            version: version.parse().unwrap(),
            record,
        })
        .collect()
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

impl Case {
    fn files(&self) -> BTreeMap<PathBuf, String> {
        let files = self.record["files"].as_object().into_iter().flatten();
        files
            .map(|(path, content)| (PathBuf::from(path), content.as_str().unwrap().to_owned()))
            .collect()
    }

    fn lay_out(&self, directory: &Path) -> Root {
        std::fs::create_dir_all(directory.join("etc")).unwrap();
        for (path, content) in self.files() {
            let target = directory.join(path.strip_prefix("/").unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, content).unwrap();
        }
        Root::open(directory).unwrap()
    }
}

fn matches(expected: &[String], found: &[String]) -> bool {
    // A record is cut at blanks, so a value with a blank is two words there.
    let found: Vec<&str> = found.iter().flat_map(|word| word.split(' ')).collect();
    expected.len() == found.len()
        && expected.iter().zip(&found).all(|(expected, found)| {
            expected == found
                || found.split_once('=').is_some_and(|(flag, value)| {
                    (value == component::AUTO || value == k3warden::k3s::SECRET)
                        && expected.split_once('=').map(|(flag, _)| flag) == Some(flag)
                })
        })
}

/// What the record's machine was: cgroup v1, and the kernel's values right but for those set wrong before the start.
fn facts(case: &Case) -> Facts {
    let mut kernel: BTreeMap<String, Option<i64>> = [
        ("vm.overcommit_memory", 1),
        ("vm.panic_on_oom", 0),
        ("kernel.panic", 10),
        ("kernel.panic_on_oops", 1),
        ("kernel.keys.root_maxkeys", 1_000_000),
        ("kernel.keys.root_maxbytes", 25_000_000),
    ]
    .map(|(name, value)| (name.to_owned(), Some(value)))
    .into();
    let wrong: &[(&str, i64)] = match case.record["name"].as_str().unwrap() {
        "kernel-values-wrong" | "kernel-values-modified" => &[
            ("vm.overcommit_memory", 0),
            ("kernel.panic", 0),
            ("kernel.keys.root_maxkeys", 200),
        ],
        "kubelet-dropin-protects" => &[("vm.overcommit_memory", 0)],
        _ => &[],
    };
    for (name, value) in wrong {
        kernel.insert((*name).to_owned(), Some(*value));
    }
    Facts {
        cgroup: Some(CgroupVersion::V1),
        kernel,
    }
}

fn start(case: &Case) -> Start {
    let tree = tempfile::tempdir().unwrap();
    let root = case.lay_out(tree.path());
    let files = Files::new(&root);
    let argv = strings(&case.record["argv"]);
    let invocation = Invocation::new(Role::Server, argv, &BTreeMap::new());
    let configuration = merge(&files, &invocation, case.version).unwrap();
    let node = Node {
        version: case.version,
        role: configuration.role,
        data_dir: configuration.data_dir.state_or_default(),
    };
    component::start(&configuration.merge, &node, &facts(case), &files)
}

fn compare_lines(case: &Case, components: &Components) {
    for (name, expected) in case.record["running"].as_object().unwrap() {
        let component = Component::named(name).unwrap_or_else(|| panic!("{name}"));
        let (expected, found) = (strings(expected), components.words(component));
        assert!(
            matches(&expected, &found),
            "{}: {name}\nexpected {expected:#?}\nfound {found:#?}",
            case.name
        );
    }
}

fn check_lines(file: &str) {
    for case in cases(file) {
        compare_lines(&case, &start(&case).components);
    }
}

#[test]
fn the_lines_of_1_36_3_are_those_that_k3s_logged() {
    check_lines("start-1.36.3.json");
}

#[test]
fn the_lines_of_random_configurations_of_1_36_3_are_those_that_k3s_logged() {
    check_lines("start-1.36.3-random.json");
}

#[test]
fn the_lines_of_random_configurations_of_1_31_4_are_those_that_k3s_logged() {
    check_lines("start-1.31.4-random.json");
}

#[test]
fn the_lines_of_random_configurations_of_1_24_4_are_those_that_k3s_logged() {
    check_lines("start-1.24.4-random.json");
}

/// Configurations that end K3s although their record shows no error: random records stop before a late end of the
/// kubelet is seen.
const ENDS_WITHOUT_A_RECORDED_ERROR: [&str; 3] = [
    // The bare `seccomp-default` swallows `fail-cgroupv1=false`, and that machine has cgroup v1.
    "start-1.36.3-random.json: random 7",
    // The kubelet's ciphers lack the one that HTTP/2 needs: `Failed to listen and serve` and os.Exit(1).
    "start-1.36.3-random.json: random 17",
    "start-1.36.3-random.json: random 34",
];

#[test]
fn k3s_would_end_where_1_36_3_ended_and_nowhere_else() {
    for file in ["start-1.36.3.json", "start-1.36.3-random.json"] {
        for case in cases(file) {
            let ended = case.record["ended"] == true || !case.record["error"].is_null();
            let differs = ENDS_WITHOUT_A_RECORDED_ERROR.contains(&case.name.as_str());
            let endings = start(&case).endings;
            assert_eq!(
                !endings.is_empty(),
                ended || differs,
                "{}: {}\n{endings:#?}",
                case.name,
                case.record["error"]
            );
        }
    }
}

/// What is not judged, and why.
const ENDS_UNJUDGED: [(&str, &str); 4] = [
    (
        "opt cluster-cidr: FD00:9::/56 | service-cidr: FD00:8::/112",
        "the address is the node's own",
    ),
    (
        "opt cluster-cidr: 'fd00:9::/56,10.9.0.0/16' | service-cidr: 'fd00:8::/112,10.8.0.0/16'",
        "the address is the node's own",
    ),
    (
        "opt service-cidr: fd00:8::/64",
        "the address is the node's own",
    ),
    (
        "k alpha",
        "which of two that share their gates panics is a race",
    ),
];

#[test]
fn values_one_by_one_end_k3s_where_1_36_3_ended_and_nowhere_else() {
    for case in cases("ends-1.36.3.json") {
        let name = case.record["name"].as_str().unwrap();
        let unjudged = ENDS_UNJUDGED.iter().any(|(known, _)| *known == name);
        let error = &case.record["error"];
        let endings = start(&case).endings;
        assert_eq!(
            !endings.is_empty(),
            !error.is_null() && !unjudged,
            "{name}: {error}\n{endings:#?}"
        );
    }
}

#[test]
fn the_old_releases_end_where_their_apiserver_was_seen_to_end() {
    for case in cases("start-1.24.4-random.json") {
        let error = case.record["error"].as_str().unwrap_or_default();
        if error.contains("apiserver exited") {
            assert!(!start(&case).endings.is_empty(), "{}: {error}", case.name);
        }
    }
}

#[test]
fn the_reason_is_the_one_that_k3s_gave() {
    for (name, words) in [
        ("admission-off", "overlapped"),
        ("bare-cipher", "panicked"),
        ("cm-bad", "controller-manager exited: unknown flag: --nope"),
        (
            "cm-signing-mix",
            "cannot specify --cluster-signing-{cert,key}-file",
        ),
        ("psp", "plugin \"PodSecurityPolicy\" is unknown"),
        (
            "bad-value",
            "invalid argument \"abc\" for \"--audit-log-maxage\"",
        ),
        (
            "psa-bad-level",
            "must be one of privileged, baseline, restricted",
        ),
        ("audit-bad-level", "Unsupported value: \"Everything\""),
        (
            "kubelet-bad-value",
            "invalid argument \"abc\" for \"--pod-max-pids\"",
        ),
        ("kubelet-removed-flag", "unknown flag: --container-runtime"),
        (
            "kernel-values-wrong",
            "kernel.keys.root_maxkeys, expected value: 1000000, actual value: 200",
        ),
    ] {
        let case = cases("start-1.36.3.json")
            .into_iter()
            .find(|case| case.record["name"] == name)
            .unwrap();
        let endings = start(&case).endings;
        let reason = endings.first().map_or("", |ending| &ending.reason);
        assert!(reason.contains(words), "{name}: {endings:#?}");
        assert!(
            endings[0].from.is_some() || name == "kernel-values-wrong",
            "{name}"
        );
    }
}

/// A setting in a record's `/configz`, which leaves out what is empty or false.
fn in_force(record: &Value, path: &str) -> String {
    let value = path.split('.').fold(record, |value, part| &value[part]);
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(_) => strings(value).join(","),
        other => other.to_string(),
    }
}

#[test]
fn the_kubelet_settings_are_those_in_force() {
    let mut compared = 0;
    for case in cases("start-1.36.3.json") {
        let record = &case.record["kubelet_in_force"];
        if !record.is_object() {
            continue;
        }
        let settings = start(&case).kubelet.unwrap();
        for (path, setting) in settings.iter() {
            let expected = in_force(record, path);
            let found = match setting.value.as_str() {
                // The seccomp flag is not shown by /configz, which knows the file alone.
                _ if path == "seccompDefault"
                    && !setting.place.to_string().contains("kubelet.conf.d") =>
                {
                    continue;
                }
                "false" | "0" if expected.is_empty() => "",
                value => value,
            };
            assert_eq!(found, expected, "{}: {path}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}
