//! Random but repeatable layouts of sysctl.d.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use super::dice::Dice;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What a parameter holds before anything is set.
pub const UNTOUCHED: &str = "untouched";

/// A parameter that every layout sets, which shows that the oracle ran.
pub const CANARY: &str = "kernel/canary";

/// The parameters of the plain `/proc/sys`.
pub const KEYS: [&str; 12] = [
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/ipv4/conf/enp3s0.200/rp_filter",
    "net/ipv4/conf/enp3s0.200/forwarding",
    "net/ipv4/conf/eth0/forwarding",
];

const PATTERNS: [&str; 21] = [
    "net.ipv4.conf.*.rp_filter",
    "net/ipv4/conf/*/rp_filter",
    "net.ipv4.conf.enp3s0/*.rp_filter",
    "net.ipv4.conf.e*.*",
    "net/ipv4/conf/[!a-d]*/*",
    "net/ipv4/conf/e[[:alpha:]]?[0-9]*/forwarding",
    "vm.*",
    "vm/*_o[no]*",
    "kernel.panic*",
    "kernel/panic?on_oops",
    "kernel.keys.root_max[a-k]*",
    "kernel.keys.root_max[^b]*",
    "kernel/{keys/root_*,pan*s}",
    "{vm,kernel}.panic_on_oo[!x]",
    "*.*.*",
    "*/*",
    "kernel/pan[ic",
    "kernel/{panic*",
    "vm/panic\\_on_o*",
    "/vm//./pan*",
    "net/ipv4/conf/[]e]*/rp_filter",
];

const DIRECTORIES: [&str; 5] = [
    "etc/sysctl.d",
    "run/sysctl.d",
    "usr/local/lib/sysctl.d",
    "usr/lib/sysctl.d",
    "lib/sysctl.d",
];

const NAMES: [&str; 16] = [
    "10-a.conf",
    "50-default.conf",
    "90-kubelet.conf",
    "90-kubelet.conf.bak",
    "95-x.conf~",
    "99-sysctl.conf",
    "99-x.conf",
    "9.conf",
    "A.conf",
    "README",
    "a.conf",
    ".hidden.conf",
    "zz-site.conf",
    "{.conf",
    "\u{e9}.conf",
    ".conf",
];

const VALUES: [&str; 14] = [
    "0",
    "1",
    "2",
    "10",
    "1000000",
    "25000000",
    "4 4 1 7",
    "4\t4\t1\t7",
    "a=b",
    "# no comment",
    "x ; y",
    "",
    "-1",
    "1 \\",
];

const ENDS: [&str; 7] = ["\n", "\n", "\n", "\r\n", "\r", "\n\r", "\n\n"];

/// Writes the layout of a seed into a new directory; with `split_lib`, `/lib` may be a directory apart from `/usr/lib`.
pub fn write_layout(case: &Path, seed: u64, split_lib: bool) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    for key in KEYS.iter().chain([&CANARY]) {
        put(
            &case.join("proc/sys").join(key),
            format!("{UNTOUCHED}\n").as_bytes(),
        );
    }
    let canary = "kernel.canary = ran\n";
    put(
        &case.join("usr/lib/sysctl.d/00-canary.conf"),
        canary.as_bytes(),
    );
    if !split_lib || dice.one_in(2) {
        symlink("usr/lib", case.join("lib")).unwrap();
    }
    fs::create_dir_all(case.join("etc")).unwrap();
    if dice.one_in(8) {
        fs::create_dir_all(case.join("data/sysctl.d")).unwrap();
        symlink("../data/sysctl.d", case.join("etc/sysctl.d")).unwrap();
    }
    put(&case.join("etc/sysctl.conf"), &content(&mut dice));
    if seed == 0 {
        return;
    }
    for _ in 0..2 + dice.below(9) {
        let path = case.join(dice.pick(&DIRECTORIES)).join(dice.pick(&NAMES));
        if path.symlink_metadata().is_err() {
            file(&mut dice, &path);
        }
    }
}

fn file(dice: &mut Dice, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match dice.below(16) {
        0 => symlink("/dev/null", path).unwrap(),
        1 => symlink("../../dev/null", path).unwrap(),
        2 => symlink("/nowhere/at/all", path).unwrap(),
        3 => symlink("/etc/sysctl.conf", path).unwrap(),
        4 => symlink("../sysctl.conf", path).unwrap(),
        5 => put(path, b""),
        6 => fs::create_dir(path).unwrap(),
        7 => symlink(path.file_name().unwrap(), path).unwrap(),
        _ => put(path, &content(dice)),
    }
}

fn put(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Never through a link, which could lead out of the case.
    let mut file = fs::File::create_new(path).unwrap();
    file.write_all(content).unwrap();
}

fn content(dice: &mut Dice) -> Vec<u8> {
    let mut content = Vec::new();
    let mut before: Vec<Vec<u8>> = Vec::new();
    for _ in 0..dice.below(10) {
        // A line that is said again keeps or loses its place, depending on what stands between.
        let mut said = Vec::new();
        if !before.is_empty() && dice.one_in(4) {
            said.clone_from(&before[dice.below(before.len())]);
        } else {
            line(dice, &mut said);
        }
        content.extend_from_slice(&said);
        content.extend_from_slice(dice.pick(&ENDS).as_bytes());
        before.push(said);
    }
    if dice.one_in(3) {
        line(dice, &mut content);
    }
    content
}

fn line(dice: &mut Dice, into: &mut Vec<u8>) {
    let blank = |dice: &mut Dice| dice.pick(&["", " ", " ", "\t", "  "]).to_owned();
    let value = dice.pick(&VALUES);
    let key = key(dice);
    let (a, b, c) = (blank(dice), blank(dice), blank(dice));
    let text = match dice.below(40) {
        0 => format!("{a}# {key} = {value}"),
        1 => format!("{a};{key} = {value}"),
        2 => format!("{key} {value}"),
        3 => key,
        4 => format!("= {value}"),
        5..=8 => format!("{a}-{b}{key}"),
        9..=11 => format!("{a}-{b}{key}{c}={value}"),
        12 => format!("--{key} = {value}"),
        13 => format!("{key} = {value}\0{key} = after"),
        14 if dice.one_in(6) => format!("#{}", "x".repeat((1 << 20) - 1)),
        15 if dice.one_in(6) => format!("#{}", "x".repeat((1 << 20) - 2)),
        16 => {
            into.extend_from_slice(format!("{key} = \u{e9}").as_bytes());
            return into.push(0xff);
        }
        _ => format!("{a}{key}{b}={c}{value}{a}"),
    };
    into.extend_from_slice(text.as_bytes());
}

/// A key in one of its spellings, or a pattern.
fn key(dice: &mut Dice) -> String {
    if dice.one_in(4) {
        return dice.pick(&PATTERNS).to_owned();
    }
    let key = dice.pick(&KEYS);
    let exchange = |c: char| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let dotted: String = key.chars().map(exchange).collect();
    match dice.below(12) {
        0 => format!("/{key}"),
        1 => key.replace('/', "//"),
        2 => format!(".{}", dotted.replacen('.', "..", 1)),
        3 => format!("{key}/"),
        4 => format!("./{key}"),
        5 => key.replacen('/', "/./", 1),
        6 => format!("/proc/sys/{key}"),
        7 | 8 => key.to_owned(),
        _ => dotted,
    }
}
