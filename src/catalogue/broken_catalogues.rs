//! What an operator's catalogue file is refused for, as it is said.

use std::path::PathBuf;

use super::{Catalogue, CatalogueError};

pub(super) const HEAD: &str =
    "[[control]]\nid = \"my-x\"\ntitle = \"t\"\nwhy = \"w\"\nrole = \"any\"\n";

pub(super) fn load(texts: &[&str]) -> Result<Catalogue, CatalogueError> {
    let files: Vec<(PathBuf, String)> = texts
        .iter()
        .zip(["/c/a.toml", "/c/b.toml"])
        .map(|(text, path)| (PathBuf::from(path), (*text).to_owned()))
        .collect();
    Catalogue::with_operator_files(&files)
}

/// The first line of what is said, and the hint at its end.
pub(super) fn said(text: &str) -> (String, String) {
    let said = load(&[text]).unwrap_err().to_string();
    let first = said.lines().next().unwrap_or_default().to_owned();
    let (_, hint) = said.rsplit_once("^ ").unwrap_or_default();
    (first, hint.to_owned())
}

#[test]
fn what_is_wrong_has_its_line_column_and_mend_as_in_the_policy() {
    let cases = [
        (
            "[[control.sysctl]]\nkey = \"vm.x\"\nvlaue = \"1\"\n",
            "/c/a.toml:8:1: unknown field `vlaue`",
            "",
        ),
        (
            "[[control.directory]]\npath = \"srv\"\nmode = \"0700\"\n",
            "/c/a.toml:7:9: path `srv` must be absolute",
            "begin it with `/`",
        ),
        (
            "[[control.manifest]]\nname = \"x.yaml\"\ncontent = \"netpol-dsn\"\n",
            "/c/a.toml:8:12: there is no content `netpol-dsn`",
            "did you mean `netpol-dns`?",
        ),
        (
            "[[control.manifest]]\nname = \"x.yaml\"\ncontent = \"hello\"\n",
            "/c/a.toml:8:12: there is no content `hello`",
            "known are audit, ",
        ),
        (
            "[[control.sysctl]]\nkey = \"../x\"\nvalue = \"1\"\n",
            "/c/a.toml:7:8: ",
            "",
        ),
        (
            "",
            "/c/a.toml:2:7: it has no setting",
            "k3warden-catalogue(5)",
        ),
        ("oops\n", "/c/a.toml:6:", ""),
    ];
    for (text, start, mend) in cases {
        let (first, hint) = said(&format!("{HEAD}{text}"));
        assert!(first.starts_with(start), "{first}\nnot {start}");
        assert!(hint.starts_with(mend), "{hint}\nnot {mend}");
    }
}

#[test]
fn a_name_that_is_taken_is_refused_with_the_place_of_the_first() {
    let (first, hint) = said(&HEAD.replace("my-x", "kernel-panic"));
    let said = "/c/a.toml:2:7: there is a control `kernel-panic` already, a built-in one";
    assert_eq!(
        (first.as_str(), hint.as_str()),
        (said, "give yours another id")
    );
    let text = format!("{HEAD}[[control.sysctl]]\nkey = \"vm.x\"\nvalue = \"1\"\n");
    let again = load(&[&text, &text]).unwrap_err().to_string();
    assert!(
        again.starts_with("/c/b.toml:2:7: there is a control `my-x` already, at /c/a.toml:2\n"),
        "{again}"
    );
}

/// Each pass would make one of the two true by undoing the other.
#[test]
fn controls_that_want_one_thing_differently_are_refused_and_both_named() {
    let cases = [
        (
            "[[control.sysctl]]\nkey = \"kernel/panic\"\nvalue = \"1\"\n",
            "/c/a.toml:8:10: control `my-x` contradicts `kernel-panic`, a built-in one: \"kernel parameter kernel/panic = 1\" here, \"kernel parameter kernel.panic = 10\" there",
        ),
        (
            "[[control.option]]\nname = \"protect-kernel-defaults\"\nrequire = { equals = \"false\" }\nset = \"false\"\n",
            "/c/a.toml:8:23: control `my-x` contradicts `protect-kernel-defaults`, a built-in one",
        ),
        (
            "[[control.argument]]\ncomponent = \"kube-apiserver\"\nflag = \"profiling\"\nrequire = { equals = \"true\" }\nset = \"true\"\n",
            "/c/a.toml:9:23: control `my-x` contradicts ",
        ),
    ];
    for (text, start) in cases {
        let (first, _) = said(&format!("{HEAD}{text}"));
        assert!(first.starts_with(start), "{first}\nnot {start}");
    }
}

#[test]
fn controls_that_no_node_has_together_or_that_one_value_satisfies_stand() {
    let argument =
        "[[control.argument]]\ncomponent = \"kube-apiserver\"\nflag = \"goaway-chance\"\n";
    let same = |more: &str| format!("{HEAD}{argument}{more}");
    let other = |range: &str, more: &str| {
        same(more).replace("my-x", "my-y").replace(
            "role = \"any\"\n",
            &format!("role = \"any\"\nk3s = \"{range}\"\n"),
        )
    };
    let one = same("require = { at_least = 10 }\nset = \"10\"\n");
    load(&[
        &one,
        &other(">=1.20", "require = { at_least = 30 }\nset = \"30\"\n"),
    ])
    .unwrap();

    let one = other("<1.25", "require = { equals = \"1\" }\nset = \"1\"\n").replace("my-y", "my-x");
    let two = "require = { equals = \"2\" }\nset = \"2\"\n";
    load(&[&one, &other(">=1.25", two)]).unwrap();
    let met = load(&[&one, &other(">=1.24", two)])
        .unwrap_err()
        .to_string();
    assert!(
        met.starts_with("/c/b.toml:10:23: control `my-y` contradicts `my-x`, at /c/a.toml:7: "),
        "{met}"
    );
}
