//! A real kube-apiserver on loopback, with an etcd behind it.

use std::cell::Cell;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::node::Node;

/// Ready after some seconds; nothing here waits for this long unless it failed.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(200);

/// The programs, and the one etcd that all apiservers of a run use, each below a prefix of its own.
pub struct Kubernetes {
    programs: PathBuf,
    _etcd: Process,
    etcd_address: String,
    prefixes: Cell<usize>,
    _data: tempfile::TempDir,
}

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An apiserver that was started.
pub struct Apiserver<'a> {
    kubernetes: &'a Kubernetes,
    process: Process,
    node: &'a Node,
    port: u16,
    log: PathBuf,
}

impl Kubernetes {
    pub fn at(programs: &Path) -> Self {
        let data = tempfile::tempdir().unwrap();
        let etcd_address = format!("http://127.0.0.1:{}", free_port());
        let etcd = Command::new(programs.join("etcd"))
            .arg("--data-dir")
            .arg(data.path())
            .args([
                "--listen-client-urls",
                &etcd_address,
                "--advertise-client-urls",
                &etcd_address,
            ])
            .arg(format!(
                "--listen-peer-urls=http://127.0.0.1:{}",
                free_port()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            programs: programs.to_owned(),
            _etcd: Process(etcd),
            etcd_address,
            prefixes: Cell::new(0),
            _data: data,
        }
    }

    /// As it says itself: `Kubernetes v1.20.2`.
    pub fn version(&self) -> String {
        let said = Command::new(self.programs.join("kube-apiserver"))
            .arg("--version")
            .output()
            .unwrap();
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Starts it with the arguments of a node and an empty cluster.
    pub fn start<'a>(&'a self, node: &'a Node, arguments: &[String]) -> Apiserver<'a> {
        let port = free_port();
        let prefix = self.prefixes.replace(self.prefixes.get() + 1);
        let log = node.tree.at("/run/apiserver.log");
        fs::create_dir_all(node.tree.at("/run")).unwrap();
        let output = File::create(&log).unwrap();
        let child = Command::new(self.programs.join("kube-apiserver"))
            .args(arguments)
            .arg(format!("--etcd-servers={}", self.etcd_address))
            .arg(format!("--etcd-prefix=/cluster-{prefix}"))
            .arg(format!("--secure-port={port}"))
            // Without one it looks for a default route, which the machine of a test may lack.
            .arg("--advertise-address=192.0.2.1")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Apiserver {
            kubernetes: self,
            process: Process(child),
            node,
            port,
            log,
        }
    }
}

impl Apiserver<'_> {
    /// Waits until it serves, or why it does not.
    pub fn comes_to(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < LIMIT {
            if self.has_ended() {
                return Err(self.reason());
            }
            if self.kubectl(&["get", "--raw", "/readyz"]).stdout == b"ok" {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        Err(format!("neither ended nor ready: {}", self.last_lines()))
    }

    /// Asks it as the administrator.
    pub fn kubectl(&self, words: &[&str]) -> Output {
        Command::new(self.kubernetes.programs.join("kubectl"))
            .arg(format!("--server=https://127.0.0.1:{}", self.port))
            .arg("--insecure-skip-tls-verify")
            .arg("--client-certificate")
            .arg(self.node.credential("admin", "crt"))
            .arg("--client-key")
            .arg(self.node.credential("admin", "key"))
            .args(words)
            // No configuration or cache of whoever runs the test.
            .env("HOME", self.node.tree.at("/run"))
            .env("KUBECONFIG", "/dev/null")
            .output()
            .unwrap()
    }

    fn has_ended(&mut self) -> bool {
        self.process.0.try_wait().unwrap().is_some()
    }

    fn text(&self) -> String {
        let root = self.node.tree.path().display().to_string();
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).replace(&root, "")
    }

    /// Its last word, with paths as the node has them: cobra's line, or klog's fatal one (`F1126 16:28:33.7 1 file.go:1] ...`)
    /// before the stacks of all goroutines.
    fn reason(&self) -> String {
        let text = self.text();
        let last = text.lines().rev().find_map(|line| {
            line.strip_prefix("Error: ").or_else(|| {
                line.strip_prefix('F')?
                    .split_once("] ")
                    .map(|(_, said)| said)
            })
        });
        last.map_or_else(|| self.last_lines(), str::to_owned)
    }

    fn last_lines(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
