//! Whatever stands in a file, nothing panics and nothing takes long.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use proptest::prelude::*;

use super::yaml::{decode, to_text};
use super::*;
use crate::host::Root;

/// What is quadratic takes minutes.
const LIMIT: Duration = Duration::from_secs(10);

/// How long this test has run on a processor: on a busy machine it waits longer than it works.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}

/// Text that comes near to what a reader looks for.
fn near_yaml() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "kubelet-arg",
        ":",
        ": ",
        "- ",
        "\n",
        "  ",
        "\t",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&x ",
        "*x",
        "!!int ",
        "!",
        "|",
        ">",
        "\"",
        "'",
        "\\",
        "#",
        "? ",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "<<",
        "0600",
        "~",
        "é",
        "\u{2028}",
        "+",
    ]);
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

fn near_unit() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "[Service]\n",
        "ExecStart=",
        "Environment=",
        "EnvironmentFile=",
        "/k3s ",
        "server ",
        "\\",
        "\n",
        "'",
        "\"",
        "$A",
        "${A}",
        "$$",
        "%n",
        "%",
        ";",
        " ; ",
        "#",
        "A=b ",
        "\\x41",
        "\\u",
        "@",
        ":",
        "=",
        "\r",
        "é",
        "/*.env",
    ]);
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_document_makes_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in near_yaml()) {
        let _ = decode(&bytes);
        for entry in decode(text.as_bytes()).unwrap_or_default() {
            let _ = to_text(&entry.value.value);
        }
    }

    #[test]
    fn no_unit_file_makes_the_reader_panic(unit in near_unit(), environment in near_unit()) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let files = Files::new(&root)
            .with("/etc/systemd/system/k3s.service", unit)
            .with("/etc/systemd/system/k3s.service.d/a.conf", "[Service]\nEnvironmentFile=-/e\n")
            .with("/e", environment);
        let _ = load_unit(&files, "k3s.service");
    }

    #[test]
    fn no_command_line_makes_the_parser_panic(words in prop::collection::vec("[-=a-z]{0,6}|--token|-t|--", 0..8)) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        for minor in [20, 21, 24, 32, 36] {
            let invocation = Invocation::new(Role::Server, words.clone(), &BTreeMap::new());
            let _ = merge(&Files::new(&root), &invocation, K3sVersion::new(minor, 0));
        }
    }
}

#[test]
fn large_documents_take_no_more_than_seconds() {
    let mut aliases = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (next, last) in "bcdefghijk".chars().zip("abcdefghij".chars()) {
        let list = vec![format!("*{last}"); 10].join(", ");
        aliases.push_str(&format!("{next}: &{next} [{list}]\n"));
    }
    let documents = [
        "[".repeat(1 << 20),
        "- ".repeat(1 << 19),
        "? ".repeat(1 << 19),
        "a:\n".repeat(1 << 16),
        "&a *a ".repeat(1 << 15),
        (0..30_000).map(|key| format!("k{key}: v\n")).collect(),
        "k+: [a]\n".repeat(1 << 15),
        format!("a: \"{}", "\\\n".repeat(1 << 19)),
        "{}: ".repeat(1 << 16),
        aliases,
    ];
    for document in documents {
        let start = processor_time();
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        for version in ["1.21.0", "1.36.3"] {
            let files = Files::new(&root).with(DEFAULT_CONFIG_FILE, document.as_bytes());
            let invocation = Invocation::new(Role::Server, [""; 0], &BTreeMap::new());
            let _ = merge(&files, &invocation, version.parse().unwrap());
        }
        let head: String = document.chars().take(10).collect();
        assert!(processor_time() - start < LIMIT, "{head}");
    }
}

#[test]
fn a_long_value_is_looked_through_once_for_what_to_hide() {
    let start = processor_time();
    let value = "@".repeat(1 << 20);
    assert_eq!(shown_value("node-label", &value), value);
    assert!(processor_time() - start < LIMIT);
}

#[test]
fn long_lists_of_components_take_no_more_than_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    let list = |flag: &str| format!("- {flag}={}\n", "A,".repeat(1 << 15));
    let lists = ["enable-admission-plugins", "disable-admission-plugins"].map(list);
    let text = format!("kube-apiserver-arg:\n{}", lists.concat());
    let files = Files::new(&root).with(DEFAULT_CONFIG_FILE, text);
    let invocation = Invocation::new(Role::Server, [""; 0], &BTreeMap::new());
    let start = processor_time();
    let facts = component::Facts::default();
    let effective = Effective::of(&files, &invocation, K3sVersion::new(36, 3), &facts).unwrap();
    let reason = &effective.ends().unwrap().reason;
    assert!(reason.starts_with("apiserver exited: "), "{reason:.200}");
    assert!(processor_time() - start < LIMIT);
}

/// A file as large as one may be.
fn full(head: &str, part: &str, tail: &str) -> String {
    let room = (1 << 20) - head.len() - tail.len();
    format!("{head}{}{tail}", part.repeat(room / part.len()))
}

#[test]
fn large_units_take_no_more_than_seconds() {
    const COMMAND: &str = "[Service]\nExecStart=/k3s server ";
    let unit = "[Service]\nExecStart=/k3s server\n";
    let long_section = format!("{unit}[{}]\n", "x".repeat(1 << 19));
    let wildcard = format!("{unit}EnvironmentFile=/d/*");
    let units = [
        full(COMMAND, "a \\\n", "\n"),
        full(COMMAND, "; a ", "\n"),
        full(COMMAND, "${", "\n"),
        full(COMMAND, "${:", "}\n"),
        full(COMMAND, "%H ", "\n"),
        full(&long_section, "=\n", ""),
        full(unit, "EnvironmentFile=/e/e\n", ""),
        full(unit, "EnvironmentFile=/e/*\n", ""),
        full(&wildcard, "[", "\n"),
    ];
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("d")).unwrap();
    std::fs::write(directory.path().join("d").join("[".repeat(255)), "").unwrap();
    let root = Root::open(directory.path()).unwrap();
    for unit in units {
        let start = processor_time();
        let files = Files::new(&root)
            .with("/etc/systemd/system/k3s.service", unit.as_bytes())
            .with("/etc/hostname", full("", "h", ""))
            .with("/e/e", full("", "A=b\n", ""));
        load_unit(&files, "k3s.service").unwrap();
        let part: String = unit.chars().skip(30).take(30).collect();
        assert!(processor_time() - start < LIMIT, "{part}");
    }
}

#[test]
fn a_deep_document_is_refused_by_us_and_said_so() {
    let error = decode("[".repeat(500).as_bytes()).unwrap_err();
    assert!(matches!(error, yaml::YamlError::TooDeep { .. }));
}

#[test]
fn more_values_than_anybody_writes_are_refused_by_us_and_said_so() {
    let text = |count: usize| format!("node-label:\n{}", "- a\n".repeat(count));
    assert!(decode(text(10_000).as_bytes()).is_ok());
    let error = decode(text(20_000).as_bytes()).unwrap_err();
    assert!(matches!(error, yaml::YamlError::TooMany { .. }));
}

#[test]
fn aliases_of_a_long_text_are_followed_only_so_far() {
    let aliases = "*a,".repeat(200);
    let text = |length: usize| format!("x: &a {}\ny: [{aliases}]\n", "y".repeat(length));
    assert!(decode(text(1000).as_bytes()).is_ok());
    let error = decode(text(100_000).as_bytes()).unwrap_err();
    assert!(matches!(error, yaml::YamlError::TooLarge { .. }));
}

#[test]
fn a_long_prefix_of_tags_is_written_out_only_so_often() {
    let text = |length: usize| {
        let prefix = "x".repeat(length);
        format!("%TAG !e! {prefix}\n---\na:\n{}", "- !e!b c\n".repeat(2000))
    };
    assert!(decode(text(1000).as_bytes()).is_ok());
    let error = decode(text(20_000).as_bytes()).unwrap_err();
    assert!(matches!(error, yaml::YamlError::TooLarge { .. }));
}

#[test]
fn a_long_key_before_a_long_list_is_too_large() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    let outcome = |length: usize| {
        let text = format!("? {}\n: [{}]\n", "k".repeat(length), "a,".repeat(2000));
        let files = Files::new(&root).with(DEFAULT_CONFIG_FILE, text);
        let invocation = Invocation::new(Role::Agent, [""; 0], &BTreeMap::new());
        merge(&files, &invocation, K3sVersion::new(36, 3))
    };
    assert!(outcome(100).is_ok());
    let too_large = outcome(20_000).unwrap_err().to_string();
    assert!(too_large.contains("more than"), "{too_large}");
}

#[test]
fn a_chain_of_aliases_is_followed_only_so_far() {
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..2000 {
        text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    let error = decode(text.as_bytes()).unwrap_err();
    assert!(matches!(error, yaml::YamlError::TooDeep { .. }), "{error}");
}
