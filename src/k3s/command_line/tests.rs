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
    let parsed = parse(&words(texts), &options, version).map_err(|ending| ending.reason)?;
    if let Some(slip) = parsed.slips.into_iter().next() {
        return Err(slip.ending.reason);
    }
    let settings = parsed.settings.into_iter();
    Ok(settings
        .map(|setting| (setting.option, setting.value))
        .collect())
}

/// What the settings are, and what K3s ends over in its order.
fn run_past_slips(texts: &[&str]) -> (Vec<(&'static str, String)>, Vec<String>) {
    let version = "1.36.3".parse().unwrap();
    let options = Options::of(Role::Server, version);
    let parsed = parse(&words(texts), &options, version).unwrap();
    let settings = parsed.settings.into_iter();
    let slips = parsed.slips.into_iter();
    (
        settings
            .map(|setting| (setting.option, setting.value))
            .collect(),
        slips.map(|slip| slip.ending.reason).collect(),
    )
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
fn what_is_wrong_with_one_word_leaves_the_others_known() {
    let (settings, slips) = run_past_slips(&[
        "--debug=maybe",
        "-d",
        "/x",
        "--nope=1",
        "--https-listen-port",
        "y",
        "--data-dir=/z",
        "--write-kubeconfig-mode=600",
    ]);
    let value = |(option, value): (&'static str, &str)| (option, value.to_owned());
    assert_eq!(
        settings,
        [
            ("data-dir", "/x"),
            ("data-dir", "/z"),
            ("write-kubeconfig-mode", "600")
        ]
        .map(value)
    );
    assert_eq!(
        slips,
        [
            "invalid boolean value \"maybe\" for -debug: parse error",
            "flag provided but not defined: -nope",
            "invalid value \"y\" for flag -https-listen-port: parse error",
            "Cannot use two forms of the same flag: d data-dir",
        ]
    );
}

#[test]
fn what_is_wrong_with_where_words_begin_and_end_leaves_nothing_known() {
    for form in [
        &["--nope", "1", "--data-dir=/x"][..],
        &["----data-dir=/x"],
        &["--data-dir"],
    ] {
        let options = Options::of(Role::Server, "1.36.3".parse().unwrap());
        let parsed = parse(&words(form), &options, "1.36.3".parse().unwrap());
        assert!(parsed.is_err(), "{form:?}");
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
