//! `k3warden effective` gives the recorded answers: each case is put into a root as install.sh would write it, and the
//! program is asked as a tool would ask it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recorded")
        .join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// A root with the case's files, its command line in the unit and its variables in the unit's environment file.
fn root_of(case: &Value) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let path = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    for (path, content) in case["files"].as_object().unwrap() {
        write(path, content.as_str().unwrap());
    }
    let role = case["role"].as_str().unwrap();
    let unit = if role == "agent" { "k3s-agent" } else { "k3s" };
    let mut exec_start = format!("ExecStart=/usr/local/bin/k3s \\\n    {role} \\\n");
    for word in case["argv"].as_array().unwrap() {
        // install.sh's quote_indent; systemd reads a doubled percent and dollar sign as one.
        let quoted = word
            .as_str()
            .unwrap()
            .replace('\\', "\\\\")
            .replace('\'', "\\'");
        writeln!(
            exec_start,
            "\t'{}' \\",
            quoted.replace('%', "%%").replace('$', "$$")
        )
        .unwrap();
    }
    let directory = "/etc/systemd/system";
    write(
        &format!("{directory}/{unit}.service"),
        &format!(
            "[Unit]\nDescription=K3s\n\n[Service]\nType=notify\n\
             EnvironmentFile=-{directory}/{unit}.service.env\n{exec_start}\n"
        ),
    );
    let mut environment = String::new();
    for (name, value) in case["env"].as_object().unwrap() {
        writeln!(environment, "{name}='{}'", value.as_str().unwrap()).unwrap();
    }
    write(&format!("{directory}/{unit}.service.env"), &environment);
    root
}

fn ask(root: &Path, version: &str) -> (Value, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_k3warden"))
        .args(["--root", root.to_str().unwrap(), "--k3s-version", version])
        .args(["effective", "--format", "json"])
        .output()
        .unwrap();
    let answer = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (answer, output.status.code().unwrap())
}

/// The kubelet's ciphers lack the one that HTTP/2 needs: it ends the process by os.Exit(1), which K3s does not log.
const ENDS_WITHOUT_A_RECORDED_ERROR: [&str; 2] = [
    "start-1.36.3-random.json \"random 17\"",
    "start-1.36.3-random.json \"random 34\"",
];

/// `{auto}` and `{secret}` are equal to any recorded value.
fn same(answered: &str, recorded: &str) -> bool {
    let mut rest = recorded;
    let mut pieces = answered
        .split("{auto}")
        .flat_map(|piece| piece.split("{secret}"))
        .peekable();
    let Some(first) = pieces.next() else {
        return false;
    };
    let Some(after) = rest.strip_prefix(first) else {
        return false;
    };
    rest = after;
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some((_, after)) = rest.split_once(piece) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values
            .iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect(),
        other => vec![other.as_str().unwrap().to_owned()],
    }
}

/// K3s logs its words joined by blanks, so a recorded word with a blank in it came apart.
fn all_same(answered: &[String], recorded: &[String]) -> bool {
    same(&answered.join(" "), &recorded.join(" "))
}

#[test]
fn the_options_of_every_recorded_merge() {
    let mut wrong = Vec::new();
    let mut asked = 0;
    for case in cases("merge-rules.json")
        .into_iter()
        .chain(cases("merge-random.json"))
    {
        let root = root_of(&case);
        for group in case["k3s"].as_array().unwrap() {
            // One version of each group: the others answer alike, and the library test asks them all.
            let version = group["versions"]
                .as_array()
                .unwrap()
                .last()
                .unwrap()
                .as_str()
                .unwrap();
            let (answer, status) = ask(root.path(), version);
            asked += 1;
            let name = format!("{} at {version}", case["name"]);
            let fatal = group["fatal"].is_string();
            if fatal {
                if answer["ends"].is_null() || status != 1 {
                    wrong.push(format!("{name}: K3s ended with {}", group["fatal"]));
                }
                continue;
            }
            let options: BTreeMap<String, Value> =
                serde_json::from_value(answer["options"].clone()).unwrap();
            let mut set: BTreeMap<String, Value> =
                serde_json::from_value(group["set"].clone()).unwrap();
            // Two names of one list go by the longer.
            set.remove("kube-controller-arg");
            set.remove("kube-cloud-controller-arg");
            for (option, value) in &set {
                let Some(answered) = options.get(option) else {
                    wrong.push(format!(
                        "{name}: {option} is {value}, and not in the answer"
                    ));
                    continue;
                };
                if answered["default"] != false
                    || !all_same(&texts(&answered["value"]), &texts(value))
                {
                    wrong.push(format!("{name}: {option} is {value}, answered {answered}"));
                }
            }
            for (option, answered) in &options {
                if answered["default"] == false && !set.contains_key(option) {
                    wrong.push(format!("{name}: {option} is not set, answered {answered}"));
                }
            }
            let said = texts(&answer["warnings"]);
            // In K3s's own words, each an entry of its own; left out where it warned of nothing.
            for warning in group.get("warnings").map(texts).unwrap_or_default() {
                if !said.contains(&warning) {
                    wrong.push(format!("{name}: {warning:?} is not among {said:?}"));
                }
            }
        }
    }
    assert!(asked > 200, "only {asked} questions were asked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_arguments_of_every_recorded_start() {
    let mut wrong = Vec::new();
    for (file, version, ends_are_evidence) in [
        ("start-1.36.3.json", "v1.36.3+k3s1", true),
        ("start-1.36.3-random.json", "1.36.3", true),
        ("start-1.31.4-random.json", "1.31.4", false),
        ("start-1.24.4-random.json", "1.24.4", false),
    ] {
        for case in cases(file) {
            let root = root_of(&case);
            let (answer, _) = ask(root.path(), version);
            let name = format!("{file} {}", case["name"]);
            for (component, recorded) in case["running"].as_object().unwrap() {
                let answered = answer["arguments"]
                    .get(component)
                    .map(texts)
                    .unwrap_or_default();
                let recorded = texts(recorded);
                if !all_same(&answered, &recorded) {
                    wrong.push(format!(
                        "{name}: {component}\n  {answered:?}\n  {recorded:?}"
                    ));
                }
            }
            let ended = case["ended"] == true || case["error"].is_string();
            // Some ends are decided by the running kernel, which a root that does not run cannot tell.
            let of_the_kernel = case["error"]
                .as_str()
                .is_some_and(|error| error.contains("kernel flag"));
            let differs = ENDS_WITHOUT_A_RECORDED_ERROR.contains(&name.as_str());
            if ends_are_evidence && !of_the_kernel && !differs && ended == answer["ends"].is_null()
            {
                wrong.push(format!(
                    "{name}: K3s said {}, we {}",
                    case["error"], answer["ends"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_secret_that_an_operator_wrote_is_shown_nowhere() {
    let case = serde_json::json!({
        "role": "server",
        "files": {
            "/etc/rancher/k3s/config.yaml": "token: hunter2\nserver: https://u:hunter2@host:6443\n",
            "/etc/rancher/k3s/config.yaml.d/50.yaml": "kube-apiserver-arg+:\n- etcd-servers=https://u:hunter2@db\n\
                - oidc-client-secret=hunter2\nkubelet-arg:\n- bare\n- bootstrap-token=hunter2\n",
            "/etc/rancher/k3s/config.yaml.d/60.yaml": "token: hunter2-too\n",
        },
        "argv": [
            "--kube-apiserver-arg=etcd-servers=https://u:hunter2@db-two",
            "--kube-controller-manager-arg", "storage-driver-password=hunter2",
            "--datastore-endpoint=postgres://u:hunter2@db/k3s", "--agent-token", "hunter2",
        ],
        "env": { "K3S_VPN_AUTH": "name=tailscale,joinKey=hunter2" },
    });
    let root = root_of(&case);
    for version in ["1.23.5", "1.31.4", "1.36.3"] {
        for command in ["effective", "check", "diff"] {
            for format in ["json", "table"] {
                let output = Command::new(env!("CARGO_BIN_EXE_k3warden"))
                    .args(["--root", root.path().to_str().unwrap()])
                    .args(["--k3s-version", version, command, "--format", format])
                    .output()
                    .unwrap();
                let (out, err) = (&output.stdout, &output.stderr);
                let text = [String::from_utf8_lossy(out), String::from_utf8_lossy(err)].concat();
                let shown = text.lines().find(|line| line.contains("hunter2"));
                assert_eq!(shown, None, "{command} {format} {version}");
            }
        }
    }
    let (answer, _) = ask(root.path(), "1.36.3");
    let apiserver = texts(&answer["arguments"]["kube-apiserver"]);
    assert!(
        apiserver.contains(&"--etcd-servers={secret}".to_owned()),
        "{apiserver:?}"
    );
}
