use super::*;
use crate::k3s::Role;

fn words(texts: &[&str]) -> Vec<Word> {
    let place = Place::ExecStart {
        unit: "k3s.service".into(),
    };
    texts
        .iter()
        .map(|text| Word {
            text: (*text).to_owned(),
            place: place.clone(),
        })
        .collect()
}

fn run(version: &str, texts: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
    let version = version.parse().unwrap();
    let options = Options::of(Role::Server, version);
    parse(&words(texts), &options, version)
        .map(|parsed| {
            parsed
                .settings
                .into_iter()
                .map(|setting| (setting.option, setting.value))
                .collect()
        })
        .map_err(|ending| ending.reason)
}

#[test]
fn one_dash_two_dashes_equals_and_separate_words_are_the_same() {
    for form in [
        ["--data-dir=/x"].as_slice(),
        &["-data-dir=/x"],
        &["--data-dir", "/x"],
        &["-d", "/x"],
    ] {
        assert_eq!(
            run("1.36.3", form),
            Ok(vec![("data-dir", "/x".into())]),
            "{form:?}"
        );
    }
}

#[test]
fn a_stray_word_ends_all_parsing_from_1_33_on() {
    assert_eq!(run("1.33.4", &["stray", "--data-dir=/x"]), Ok(vec![]));
}

#[test]
fn up_to_1_32_options_are_moved_before_a_stray_word() {
    assert_eq!(
        run("1.32.2", &["stray", "--data-dir=/x"]),
        Ok(vec![("data-dir", "/x".into())])
    );
}

#[test]
fn a_bool_takes_its_value_only_with_equals() {
    for version in ["1.21.1", "1.32.2", "1.36.3"] {
        assert_eq!(
            run(
                version,
                &["--protect-kernel-defaults", "false", "--data-dir=/x"]
            )
            .unwrap()[0],
            ("protect-kernel-defaults", "true".into()),
        );
    }
}

#[test]
fn two_forms_of_one_flag_are_refused() {
    assert_eq!(
        run("1.36.3", &["--token=a", "-t", "b"]),
        Err("Cannot use two forms of the same flag: t token".into())
    );
}

#[test]
fn from_1_23_to_1_32_disable_loses_one_empty_item() {
    for (version, drops) in [
        ("1.22.4", false),
        ("1.23.5", true),
        ("1.32.2", true),
        ("1.33.4", false),
    ] {
        let version = version.parse().unwrap();
        assert_eq!(drops_an_empty_item("disable", version), drops);
        assert!(!drops_an_empty_item("tls-san", version));
    }
}

#[test]
fn what_go_refuses_ends_k3s() {
    for (form, reason) in [
        ("--nope=1", "flag provided but not defined: -nope"),
        ("----data-dir=/x", "bad flag syntax: ----data-dir=/x"),
        (
            "--protect-kernel-defaults=yes",
            "invalid boolean value \"yes\" for -protect-kernel-defaults: parse error",
        ),
        (
            "--https-listen-port=x",
            "invalid value \"x\" for flag -https-listen-port: parse error",
        ),
        ("--data-dir", "flag needs an argument: -data-dir"),
    ] {
        assert_eq!(run("1.36.3", &[form]), Err(reason.into()));
    }
}

#[test]
fn help_ends_k3s() {
    for form in ["--help", "-h", "help"] {
        assert!(run("1.36.3", &[form]).is_err(), "{form}");
    }
    for version in ["1.21.1", "1.36.3"] {
        assert!(
            run(version, &["--help", "--help=false"]).is_ok(),
            "{version}"
        );
        assert!(
            run(version, &["--help=false", "--help"]).is_err(),
            "{version}"
        );
    }
}

#[test]
fn words_are_shown_without_secrets() {
    assert_eq!(
        shown(["--token=a", "-t", "b", "--data-dir", "/x"]),
        ["--token={secret}", "-t", "{secret}", "--data-dir", "/x"]
    );
    let slipped = [
        "--token= abc",
        "--token abc=",
        "--token abc",
        "--token=",
        "abc",
        "--debug",
        "abc",
    ];
    assert!(
        !shown(slipped).concat().contains("abc"),
        "{:?}",
        shown(slipped)
    );
    assert_eq!(
        shown(["server", "--debug", "false"]),
        ["server", "--debug", "false"]
    );
    for slipped in [["--token=abc"].as_slice(), &["--token abc"], &["abc"]] {
        assert!(!format!("{:?}", words(slipped)).contains("abc"));
        let said = run("1.36.3", slipped).err().unwrap_or_default();
        assert!(!said.contains("abc"), "{said}");
    }
}
