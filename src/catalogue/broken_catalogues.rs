//! What an operator's catalogue file is refused for, as it is said.

use std::path::PathBuf;

use super::{Catalogue, CatalogueError};

const HEAD: &str = "[[control]]\nid = \"my-x\"\ntitle = \"t\"\nwhy = \"w\"\nrole = \"any\"\n";

fn load(texts: &[&str]) -> Result<Catalogue, CatalogueError> {
    let files: Vec<(PathBuf, String)> = texts
        .iter()
        .zip(["/c/a.toml", "/c/b.toml"])
        .map(|(text, path)| (PathBuf::from(path), (*text).to_owned()))
        .collect();
    Catalogue::with_operator_files(&files)
}

/// The first line of what is said, and the hint at its end.
fn said(text: &str) -> (String, String) {
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
