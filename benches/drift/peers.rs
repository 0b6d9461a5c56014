//! incron and monit, where they can be had.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::node;

/// Copies the peers that are installed, or unpacked below `BENCH_PEERS`, to where the arena sees them.
pub fn collect(programs: &Path) {
    let below = std::env::var_os("BENCH_PEERS").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    for name in ["usr/sbin/incrond", "usr/bin/monit"] {
        let program = below.join(name);
        if let Some(file) = program.file_name().filter(|_| program.exists()) {
            fs::copy(&program, programs.join(file)).unwrap();
        }
    }
}

/// A peer that holds the bits of the files of a directory.
pub struct Peer {
    pub name: &'static str,
    pub files: Vec<PathBuf>,
    child: Child,
}

/// incron with one rule that gives back the bits. Its own chmod wakes it again, for ever: that is how it is used.
pub fn incron() -> Option<Peer> {
    Path::new("/bench/incrond").exists().then_some(())?;
    let directory = Path::new("/peers/incron");
    let files = node::files(directory, 100);
    for place in ["/etc/incron.d", "/var/spool/incron", "/var/run"] {
        fs::create_dir_all(place).unwrap();
    }
    let rule = format!("{} IN_ATTRIB /bin/chmod 0600 $@/$#\n", directory.display());
    fs::write("/etc/incron.d/bench", rule).unwrap();
    fs::write("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    let child = spawn("/bench/incrond", &["-n"]);
    Some(Peer {
        name: "incron",
        files,
        child,
    })
}

/// monit, which polls each second.
pub fn monit() -> Option<Peer> {
    Path::new("/bench/monit").exists().then_some(())?;
    let files = node::files(Path::new("/peers/monit"), 20);
    let mut rules = "set daemon 1\nset pidfile /run/monit.pid\nset idfile /run/monit.id\nset statefile /run/monit.state\n".to_owned();
    for (number, path) in files.iter().enumerate() {
        let path = path.display();
        rules.push_str(&format!(
            "check file f{number} with path {path}\n  if failed permission 0600 then exec \"/bin/chmod 0600 {path}\" repeat every 1 cycles\n"
        ));
    }
    fs::write("/etc/monitrc", rules).unwrap();
    node::set_mode(Path::new("/etc/monitrc"), 0o600);
    let child = spawn("/bench/monit", &["-I", "-c", "/etc/monitrc"]);
    Some(Peer {
        name: "monit",
        files,
        child,
    })
}

fn spawn(program: &str, arguments: &[&str]) -> Child {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    child
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
