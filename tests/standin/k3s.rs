//! A stand-in for K3s on the test bed: no Kubernetes, but the outside of one.
//!
//! It reads its configuration by K3s's rules (with the library's own merge, which `tests/standin.rs` and the other tests
//! hold to what real K3s answered), refuses what the real one refuses and at the same point of its life, logs the same
//! `Running ...` lines, notifies systemd, and ends with the same exit status. What only a cluster does, it does not do.
//!
//! Files in `/etc/k3s-standin` change its behaviour:
//!
//! | file | content | behaviour |
//! | --- | --- | --- |
//! | `version` | `v1.31.4+k3s1` | the release that it plays; else 1.36.3 |
//! | `ready-after` | seconds | ready that late |
//! | `not-ready` | | not ready while this is there |
//! | `scheduler-after` | seconds | the node is Ready that long after READY |
//! | `dies-after-ready` | seconds | a component ends it that long after READY |
//! | `dies-always` | | the apiserver ends it before READY |
//! | `hangs-in-stop` | | SIGTERM is ignored |
//! | `no-server` | seconds | an agent waits that long for its server, then gives up |
//! | `finds` | `kernel.panic=3` | somebody sets that kernel value right before it reads those, in another procfs |
//! | `refuses` | words, one a line | an argument that contains one ends its component, though no rule says so |

// Helpers of tests are tests too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::thread::sleep;
use std::time::Duration;

use k3warden::host::{Host, LiveSysctls, Root};
use k3warden::k3s::component::{AUTO, Component};
use k3warden::k3s::{Effective, Files, Invocation, K3sVersion, Role};
use k3warden::node::facts;

/// From here on a component's error ends K3s with status 0.
const ENDS_WITH_ZERO: u16 = 33;
/// From here on K3s gives the kubelet its defaults in a file of its own, written at each start.
const KUBELET_DROP_INS: u16 = 32;
/// From here on the kubelet waits for containerd by itself, and kube-proxy is first.
const PROXY_FIRST: u16 = 34;

fn main() {
    let root = std::env::var("K3S_STANDIN_ROOT").unwrap_or_else(|_| "/".to_owned());
    let standin = StandIn {
        haste: std::env::var_os("K3S_STANDIN_HASTE").is_some(),
        root: PathBuf::from(root),
    };
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words
        .split_first()
        .map(|(first, rest)| (first.as_str(), rest))
    {
        Some(("--version" | "-v", _)) => {
            println!(
                "k3s version {}\ngo version go1.25.0",
                standin.version_text()
            );
        }
        Some(("server", rest)) => standin.run(Role::Server, rest),
        Some(("agent", rest)) => standin.run(Role::Agent, rest),
        _ => {
            eprintln!("this stand-in plays `server`, `agent` and `--version`");
            exit(1);
        }
    }
}

struct StandIn {
    /// No waiting, and an end where the real one would live on: for tests of what it makes of its configuration.
    haste: bool,
    root: PathBuf,
}

impl StandIn {
    fn behaviour(&self, name: &str) -> Option<String> {
        let path = self.root.join("etc/k3s-standin").join(name);
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim().to_owned())
    }

    fn seconds(&self, name: &str, otherwise: u64) -> Duration {
        let given = self.behaviour(name).and_then(|text| text.parse().ok());
        Duration::from_secs(given.unwrap_or(otherwise))
    }

    fn version_text(&self) -> String {
        let given = self.behaviour("version");
        given.unwrap_or_else(|| "v1.36.3+k3s1 (stand-in)".to_owned())
    }

    fn version(&self) -> K3sVersion {
        let text = self.version_text();
        text.split(' ').next().unwrap().parse().unwrap()
    }

    fn wait(&self, time: Duration) {
        if !self.haste {
            sleep(time);
        }
    }

    fn run(&self, role: Role, arguments: &[String]) {
        if self.behaviour("hangs-in-stop").is_some() {
            let mut set = nix::sys::signal::SigSet::empty();
            set.add(nix::sys::signal::Signal::SIGTERM);
            set.thread_block().unwrap();
        }
        log("info", &format!("Starting k3s {}", self.version_text()));
        let effective = self.read(role, arguments);
        for warning in &effective.configuration.merge.warnings {
            log("warning", warning);
        }
        let configuration = &effective.configuration;
        let fatal = configuration
            .wrapper_ends
            .as_ref()
            .or(configuration.merge.ends());
        if let Some(ending) = fatal {
            log("fatal", &format!("Error: {}", ending.reason));
            exit(1);
        }
        match role {
            Role::Server => self.serve(&effective),
            Role::Agent => self.join(&effective),
        }
        if self.haste {
            return;
        }
        loop {
            sleep(Duration::from_secs(3600));
        }
    }

    fn read(&self, role: Role, arguments: &[String]) -> Effective {
        let root = Root::open(&self.root).unwrap();
        let live = LiveSysctls::of(&root);
        let host = Host { root, live };
        if let Some(value) = self.behaviour("finds") {
            let set = Command::new("unshare")
                .args(["-p", "-f", "--mount-proc", "sysctl", "-q", "-w", &value])
                .status();
            assert!(set.is_ok_and(|status| status.success()), "{value}");
        }
        let variables: BTreeMap<String, String> = std::env::vars()
            .filter(|(name, _)| name.starts_with("K3S_") && !name.starts_with("K3S_STANDIN"))
            .collect();
        let invocation = Invocation::new(role, arguments, &variables);
        let files = Files::new(&host.root);
        Effective::of(&files, &invocation, self.version(), &facts(&host)).unwrap()
    }

    fn serve(&self, effective: &Effective) {
        self.make_state(effective);
        self.start(effective, Component::Apiserver);
        self.end_if(
            self.behaviour("dies-always").is_some(),
            "apiserver exited: told to",
        );
        self.wait(self.seconds("ready-after", 1));
        while self.behaviour("not-ready").is_some() {
            self.wait(Duration::from_millis(100));
        }
        self.make_key(effective);
        self.ready();
        for component in [
            Component::Scheduler,
            Component::ControllerManager,
            Component::CloudControllerManager,
        ] {
            self.announce(effective, component);
        }
        self.announce_of_node(effective);
        log("info", "Started kubelet");
        self.wait(Duration::from_secs(1));
        for component in [
            Component::ControllerManager,
            Component::CloudControllerManager,
            Component::Kubelet,
            Component::KubeProxy,
        ] {
            self.end_with(effective, component);
        }
        self.die_after_ready();
        self.wait(self.seconds("scheduler-after", 1));
        if !effective
            .start
            .components
            .line(Component::Scheduler)
            .is_empty()
        {
            // klog's form, as the real scheduler writes it.
            eprintln!(
                "I1123 02:35:30.265527      25 server.go:176] \"Starting Kubernetes Scheduler\" version=\"stand-in\""
            );
            self.end_with(effective, Component::Scheduler);
        }
    }

    fn join(&self, effective: &Effective) {
        self.announce_of_node(effective);
        if self.behaviour("no-server").is_some() {
            self.wait(self.seconds("no-server", 900));
            self.end("failed to wait for apiserver ready: timed out");
        }
        self.end_with(effective, Component::Kubelet);
        self.end_with(effective, Component::KubeProxy);
        log("info", "Started kubelet");
        self.wait(self.seconds("ready-after", 1));
        self.ready();
        self.die_after_ready();
    }

    fn ready(&self) {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        log("info", "k3s is up and running");
    }

    fn die_after_ready(&self) {
        let dies = self.behaviour("dies-after-ready").is_some();
        if dies {
            self.wait(self.seconds("dies-after-ready", 5));
        }
        self.end_if(dies, "kubelet exited: told to");
    }

    fn start(&self, effective: &Effective, component: Component) {
        self.announce(effective, component);
        self.end_with(effective, component);
    }

    fn announce(&self, effective: &Effective, component: Component) {
        let line = effective.start.components.line(component);
        if line.is_empty() {
            return;
        }
        let mut text = effective.start.components.words(component).join(" ");
        if !self.haste {
            text = text.replace(AUTO, "node");
        }
        log("info", &format!("Running {component} {text}"));
    }

    /// The components of every node, in the order of the release.
    fn announce_of_node(&self, effective: &Effective) {
        let mut components = [Component::Kubelet, Component::KubeProxy];
        if self.version().minor >= PROXY_FIRST {
            components.reverse();
        }
        for component in components {
            self.announce(effective, component);
        }
    }

    /// Ends as the component would make it end.
    fn end_with(&self, effective: &Effective, component: Component) {
        let prefix = match component {
            Component::Apiserver => "apiserver",
            Component::Scheduler => "scheduler",
            Component::ControllerManager => "controller-manager",
            other => other.name(),
        };
        let mut endings = effective.start.endings.iter();
        let of_k3s = component == Component::Apiserver;
        let own = |reason: &str| {
            let named = reason.split_once(" exited: ").map(|(name, _)| name);
            named == Some(prefix) || (of_k3s && named.is_none())
        };
        if let Some(ending) = endings.find(|ending| own(&ending.reason)) {
            self.end(&ending.reason);
        }
        let refused = self.behaviour("refuses").unwrap_or_default();
        let words = effective.start.components.words(component);
        for word in refused.lines().filter(|word| !word.is_empty()) {
            let found = words.iter().any(|argument| argument.contains(word));
            self.end_if(
                found,
                &format!("{prefix} exited: this stand-in refuses {word}"),
            );
        }
    }

    fn end_if(&self, condition: bool, reason: &str) {
        if condition {
            self.end(reason);
        }
    }

    fn end(&self, reason: &str) {
        // The kubelet's kernel check and panics of K3s itself end it at once, whatever the release.
        let at_once = reason.contains("kernel flag") || reason.contains("panicked");
        if at_once {
            log("fatal", reason);
            exit(1);
        }
        if self.version().minor >= ENDS_WITH_ZERO {
            log(
                "error",
                &format!("Shutdown request received: {}", quoted(reason)),
            );
            exit(0);
        }
        log("fatal", reason);
        exit(1);
    }

    fn data_dir(&self, effective: &Effective) -> PathBuf {
        let state = effective.configuration.data_dir.state_or_default();
        self.root.join(state.strip_prefix("/").unwrap_or(&state))
    }

    /// What tells others that a cluster has begun.
    fn make_state(&self, effective: &Effective) {
        if !self.haste {
            let _ = std::fs::create_dir_all(self.data_dir(effective).join("server/db"));
            // K3s's own modes (tests/recorded/tree-1.36.3.txt).
            let mut private = std::fs::DirBuilder::new();
            let cred = self.data_dir(effective).join("server/cred");
            let _ = private.recursive(true).mode(0o700).create(cred);
            if effective.version.minor >= KUBELET_DROP_INS {
                let drop_ins = self.data_dir(effective).join("agent/etc/kubelet.conf.d");
                let _ = private.create(&drop_ins);
                let text =
                    "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
                let file = drop_ins.join("00-k3s-defaults.conf");
                let mut options = std::fs::OpenOptions::new();
                let made = options
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(file);
                let _ = made.and_then(|mut file| file.write_all(text.as_bytes()));
            }
        }
    }

    fn make_key(&self, effective: &Effective) {
        let option = effective
            .configuration
            .merge
            .options
            .get("secrets-encryption");
        let value = option.and_then(|option| option.values.last());
        let key = self
            .data_dir(effective)
            .join("server/cred/encryption-config.json");
        let wanted = value.is_some_and(|value| value.value == "true");
        if wanted && !self.haste && !Path::new(&key).exists() {
            let mut options = std::fs::OpenOptions::new();
            let made = options.write(true).create_new(true).mode(0o600).open(key);
            let _ = made.and_then(|mut file| file.write_all(KEY.as_bytes()));
        }
    }
}

/// What K3s writes once (pkg/daemons/control/deps/deps.go genEncryptionConfigAndState), with a key that is none.
const KEY: &str = concat!(
    r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"#,
    r#""providers":[{"aescbc":{"keys":[{"name":"aescbckey","secret":"c3RhbmQtaW4="}]}},{"identity":{}}]}]}"#,
    "\n"
);

/// As Go's `%q` prints it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// As logrus prints it.
fn log(level: &str, message: &str) {
    eprintln!(
        "time=\"2026-11-23T10:00:00Z\" level={level} msg={}",
        quoted(message)
    );
}
