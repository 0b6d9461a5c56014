//! The same questions put to a real K3s, where the variable `K3S_BIN` names its binary.
//!
//! It runs as a server alone (`--disable-agent`), in namespaces of its own (`tests/real_k3s.sh`): a kubelet would set the
//! kernel values of the machine that tests it. It needs root, and says in its output what was asked and what was not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that fails says so by a panic"
)]

mod k3s_log;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use k3s_log::{announced, is_end, line_of, messages, same};

/// A start on a busy machine takes a minute; nothing here waits for this long unless it failed.
const LIMIT: Duration = Duration::from_secs(300);
/// The flags of the controllers are judged some seconds after READY.
const SETTLES: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let Some(binary) = std::env::var_os("K3S_BIN").map(PathBuf::from) else {
        println!("real K3s: K3S_BIN is not given, so no real K3s was asked");
        return ExitCode::SUCCESS;
    };
    let real = RealK3s::at(binary);
    println!("real K3s: {} at {}", real.version, real.binary.display());
    let mut failed = 0;
    let mut say = |name: &str, outcome: Result<String, String>| match outcome {
        Ok(said) => println!("real K3s: {name}: ok, {said}"),
        Err(why) => {
            failed += 1;
            println!("real K3s: {name}: FAILED, {why}");
        }
    };
    say(
        "a fresh server that k3warden configured",
        fresh_server(&real),
    );
    for refused in REFUSED {
        say(refused.name, refuses(&real, refused));
    }
    for record in records(&real.version) {
        say(
            record["name"].as_str().unwrap(),
            as_recorded(&real, &record),
        );
    }
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What k3warden wrote for a new server makes K3s ready, with exactly the arguments that `effective` said.
fn fresh_server(real: &RealK3s) -> Result<String, String> {
    let tree = Tree::with_unit(&["--disable-agent"]);
    tree.write("/etc/k3warden/config.toml", "new_cluster = true\n");
    let applied = tree.ask(real, &["apply"]);
    let drop_ins = tree.directory.path().join("etc/rancher/k3s/config.yaml.d");
    let written = fs::read_dir(&drop_ins).map(Iterator::count).unwrap_or(0);
    if written == 0 {
        return Err(format!("apply wrote no drop-in: {applied}"));
    }
    let effective = tree.effective(real);
    let run = real.start(&tree, &["server", "--disable-agent"], &BTreeMap::new());
    if !run.ready || run.ended() {
        return Err(format!("not ready, {:?}: {:#?}", run.status, run.ends()));
    }
    compare(&effective["arguments"], &run.messages, |_| false)
        .map(|count| format!("READY, {count} components with the arguments of `effective`"))
}

/// A configuration that preflight refuses, and words that its reason and K3s's own have in common.
struct Refused {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    reason: &'static str,
}

const CONFIG: &str = "/etc/rancher/k3s/config.yaml";

/// Without a kubelet the scheduler waits for a node for ever, and its flags are never read, but where there is no cloud controller.
const REFUSED: &[Refused] = &[
    Refused {
        name: "an unknown flag",
        files: &[(CONFIG, "kube-apiserver-arg: [no-such-flag=1]\n")],
        reason: "apiserver exited: unknown flag: --no-such-flag",
    },
    Refused {
        name: "an underscore in a flag",
        files: &[(CONFIG, "kube-apiserver-arg: [anonymous_auth=true]\n")],
        reason: "apiserver exited: unknown flag: --anonymous_auth",
    },
    Refused {
        name: "a plug-in that is on and off",
        files: &[(
            CONFIG,
            "kube-apiserver-arg: [disable-admission-plugins=NodeRestriction]\n",
        )],
        reason: "in enable-admission-plugins and disable-admission-plugins overlapped",
    },
    Refused {
        name: "an audit policy that is missing",
        files: &[(
            CONFIG,
            "kube-apiserver-arg: [audit-policy-file=/etc/none.yaml]\n",
        )],
        reason: "loading audit policy file",
    },
    Refused {
        name: "an audit policy without rules",
        files: &[
            (
                CONFIG,
                "kube-apiserver-arg: [audit-policy-file=/etc/audit.yaml]\n",
            ),
            (
                "/etc/audit.yaml",
                "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n",
            ),
        ],
        reason: "loading audit policy file",
    },
    Refused {
        name: "EventRateLimit without its section",
        files: &[(
            CONFIG,
            "kube-apiserver-arg: [enable-admission-plugins=EventRateLimit]\n",
        )],
        reason: "limits",
    },
    Refused {
        name: "a flag of the controller manager that is none",
        files: &[(CONFIG, "kube-controller-manager-arg: [no-such-flag=1]\n")],
        reason: "controller-manager exited: unknown flag: --no-such-flag",
    },
    Refused {
        name: "a scheduler's file without a kubeconfig",
        files: &[
            (
                CONFIG,
                "disable-cloud-controller: true\nkube-scheduler-arg: [config=/etc/edge/scheduler.yaml]\n",
            ),
            (
                "/etc/edge/scheduler.yaml",
                "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n",
            ),
        ],
        reason: "scheduler exited: invalid configuration: no configuration has been provided",
    },
    Refused {
        name: "a scheduler's file with a misspelt key",
        files: &[
            (
                CONFIG,
                "disable-cloud-controller: true\nkube-scheduler-arg: [config=/etc/edge/scheduler.yaml]\n",
            ),
            (
                "/etc/edge/scheduler.yaml",
                "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nenableprofiling: false\n",
            ),
        ],
        reason: "scheduler exited: strict decoding error: unknown field",
    },
    Refused {
        name: "an API that is none",
        files: &[(CONFIG, "kube-apiserver-arg: [runtime-config=foo=true]\n")],
        reason: "apiserver exited: runtime-config invalid key foo",
    },
    Refused {
        name: "an issuer of tokens without TLS",
        files: &[(
            CONFIG,
            "kube-apiserver-arg: [\"oidc-issuer-url=http://issuer.example\", oidc-client-id=a]\n",
        )],
        reason: "URL scheme must be https",
    },
    Refused {
        name: "audit events of no size",
        files: &[(
            CONFIG,
            "kube-apiserver-arg: [audit-log-path=/var/log/audit.log, audit-log-truncate-max-event-size=-1]\n",
        )],
        reason: "apiserver exited: invalid audit truncate log max event size -1, must be a positive number",
    },
    Refused {
        name: "an empty bool",
        files: &[(CONFIG, "protect-kernel-defaults:\n")],
        reason: "invalid boolean value \"\" for -protect-kernel-defaults",
    },
    Refused {
        name: "no YAML",
        files: &[(CONFIG, "a: [\n")],
        reason: "",
    },
];

fn refuses(real: &RealK3s, refused: &Refused) -> Result<String, String> {
    let tree = Tree::with_unit(&["--disable-agent"]);
    for (path, content) in refused.files {
        tree.write(path, content);
    }
    let effective = tree.effective(real);
    let ours = effective["ends"]["reason"].as_str().unwrap_or_default();
    if ours.is_empty() || !ours.contains(refused.reason) {
        return Err(format!("our reason is {:?}", effective["ends"]));
    }
    let run = real.start(&tree, &["server", "--disable-agent"], &BTreeMap::new());
    let unquoted = run.log.replace("\\\\\\\"", "\"").replace("\\\"", "\"");
    if !run.ended() || !unquoted.contains(refused.reason) {
        return Err(format!("K3s {:?}: {:#?}", run.status, run.ends()));
    }
    Ok(format!("both end: {ours}"))
}

/// A recorded start, made again: the same lines as then, which are the lines of `effective`.
fn as_recorded(real: &RealK3s, record: &Value) -> Result<String, String> {
    let words = strings(&record["argv"]);
    let tree = Tree::with_unit(&words);
    for (path, content) in record["files"].as_object().into_iter().flatten() {
        tree.write(path, content.as_str().unwrap());
    }
    let variables = record["env"].as_object().into_iter().flatten();
    let variables: BTreeMap<&str, &str> = variables
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let mut command = vec![record["role"].as_str().unwrap()];
    command.extend(words);
    let run = real.start(&tree, &command, &variables);
    let ended = record["ended"] == true;
    if run.ended() != ended {
        return Err(format!("ended {}: {:#?}", run.ended(), run.ends()));
    }
    let error = bare(record["error"].as_str().unwrap_or_default());
    let error: String = error.chars().take(80).collect();
    if ended && !bare(&run.log).contains(&error) {
        return Err(format!("ended for another reason: {:#?}", run.ends()));
    }
    compare(&record["running"], &run.messages, |_| ended)
        .map(|count| format!("{count} components as recorded"))
}

/// The words of K3s, freed from how the log quotes them.
fn bare(text: &str) -> String {
    let text = text
        .trim_start_matches("error: ")
        .trim_start_matches("fatal: ");
    text.replace(['\\', '"'], "")
}

/// Compares the lines of every component; `may_lack` says which need not be there.
fn compare(
    expected: &Value,
    messages: &[String],
    may_lack: impl Fn(&str) -> bool,
) -> Result<usize, String> {
    let mut compared = 0;
    for (component, arguments) in expected.as_object().unwrap() {
        match line_of(messages, component) {
            Some(line) if same(&strings(arguments), line) => compared += 1,
            Some(line) => return Err(format!("{component}\n  {line}\n  {arguments}")),
            None if may_lack(component) => {}
            None => return Err(format!("no line of {component}: {:?}", announced(messages))),
        }
    }
    Ok(compared)
}

fn strings(value: &Value) -> Vec<&str> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap()).collect()
}

/// Recorded starts of this release, those without a kubelet.
fn records(version: &str) -> Vec<Value> {
    let name = format!("tests/recorded/start-{version}.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let Ok(text) = fs::read_to_string(&path) else {
        println!("real K3s: there are no records of {version}");
        return Vec::new();
    };
    let all: Vec<Value> = serde_json::from_str(&text).unwrap();
    all.into_iter()
        .filter(|record| strings(&record["argv"]).contains(&"--disable-agent"))
        .collect()
}

/// What a root directory holds for K3s and for us.
struct Tree {
    directory: tempfile::TempDir,
}

impl Tree {
    fn with_unit(words: &[&str]) -> Self {
        let tree = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let words: String = words
            .iter()
            .map(|word| format!("\t'{word}' \\\n"))
            .collect();
        let unit = format!(
            "[Service]\nType=notify\nExecStart=/usr/local/bin/k3s \\\n    server \\\n{words}\n"
        );
        tree.write("/etc/systemd/system/k3s.service", &unit);
        tree
    }

    fn write(&self, path: &str, content: &str) {
        let target = self.directory.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, content).unwrap();
    }

    fn ask(&self, real: &RealK3s, words: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_k3warden"))
            .arg("--root")
            .arg(self.directory.path())
            .args(["--k3s-version", &real.version])
            .args(words)
            .output()
            .unwrap();
        let (out, err) = (output.stdout, output.stderr);
        format!(
            "{}{}",
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&err)
        )
    }

    fn effective(&self, real: &RealK3s) -> Value {
        serde_json::from_str(&self.ask(real, &["effective", "--format", "json"])).unwrap()
    }
}

struct RealK3s {
    binary: PathBuf,
    version: String,
}

/// What one start came to.
struct Run {
    ready: bool,
    /// `None` where we ended it.
    status: Option<i32>,
    log: String,
    messages: Vec<String>,
}

impl Run {
    fn ended(&self) -> bool {
        self.status.is_some()
    }

    fn ends(&self) -> Vec<&String> {
        self.messages
            .iter()
            .filter(|message| is_end(message))
            .collect()
    }
}

impl RealK3s {
    fn at(binary: PathBuf) -> Self {
        let output = Command::new(&binary).arg("--version").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // `k3s version v1.36.3+k3s1 (66a14f0e)`
        let version = text.split_once(" version v").unwrap().1;
        let version = version.split(['+', ' ', '\n']).next().unwrap().to_owned();
        Self { binary, version }
    }

    /// Starts it and waits until it has settled or ended.
    fn start(&self, tree: &Tree, words: &[&str], variables: &BTreeMap<&str, &str>) -> Run {
        let outside = tempfile::tempdir().unwrap();
        let socket_path = outside.path().join("notify");
        let socket = UnixDatagram::bind(&socket_path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let log_path = outside.path().join("log");
        let log = fs::File::create(&log_path).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_k3s.sh");
        let mut child = Command::new("unshare")
            .args([
                "-n",
                "-m",
                "-p",
                "-f",
                "-u",
                "--kill-child",
                "--mount-proc",
                "sh",
            ])
            .args([
                script.as_path(),
                tree.directory.path(),
                self.binary.as_path(),
            ])
            .args(words)
            .envs(variables)
            .env("NOTIFY_SOCKET", &socket_path)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = Instant::now();
        let (mut ready_at, mut status) = (None, None);
        let mut note = [0_u8; 4096];
        while status.is_none() {
            while let Ok(length) = socket.recv(&mut note) {
                let text = String::from_utf8_lossy(&note[..length]);
                if text.contains("READY=1") {
                    ready_at.get_or_insert_with(Instant::now);
                }
            }
            let settled = ready_at.is_some_and(|at: Instant| at.elapsed() > SETTLES);
            if settled || started.elapsed() > LIMIT {
                break;
            }
            status = child
                .try_wait()
                .unwrap()
                .map(|status| status.code().unwrap_or(-1));
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = child.kill();
        let _ = child.wait();
        let log = String::from_utf8_lossy(&fs::read(&log_path).unwrap()).into_owned();
        Run {
            ready: ready_at.is_some(),
            status,
            messages: messages(&log),
            log,
        }
    }
}
