use super::*;

#[test]
fn the_drop_in_directory_follows_a_renamed_file() {
    assert_eq!(
        drop_in_directory(Path::new("/etc/other.yaml")),
        Path::new("/etc/other.yaml.d")
    );
}

#[test]
fn names_of_drop_ins_end_in_yaml_or_yml_in_any_case() {
    for name in ["a.yaml", "A.YML", ".hidden.yaml"] {
        assert!(is_yaml(OsStr::new(name)), "{name}");
    }
    for name in ["a.yaml.bak", "a.yaml~", "a.tmp", "yaml"] {
        assert!(!is_yaml(OsStr::new(name)), "{name}");
    }
}

#[test]
fn an_address_is_no_path() {
    let path = located("https://x/y.yaml", &Place::Default).path;
    assert_eq!(remote_address(&path), Some("https://x/y.yaml"));
    assert_eq!(remote_address(Path::new("/etc/https.yaml")), None);
}

#[test]
fn a_configuration_below_a_file_ends_k3s() {
    let tree = tempfile::tempdir().unwrap();
    let root = crate::host::Root::open(tree.path()).unwrap();
    let files = Files::new(&root).with("/etc/x.yaml", "node-name: a\n");
    let version = K3sVersion::new(36, 3);
    for (path, ends) in [
        ("/etc/x.yaml/", true),
        ("/etc/x.yaml/y.yaml", true),
        ("/etc/x.yaml", false),
        ("/etc/none/y.yaml", false),
    ] {
        let location = located(path, &Place::Default);
        let reading = read(&files, &location, version, &mut Vec::new()).unwrap();
        let is_end =
            matches!(&reading, Reading::Ends(ending) if ending.reason.ends_with("not a directory"));
        assert_eq!(is_end, ends, "{path}: {reading:?}");
    }
}

#[test]
fn a_percent_sign_in_a_name_ends_k3s() {
    assert!(url_problem(Path::new("/etc/50%.yaml")).is_some());
    assert!(url_problem(Path::new("/etc/50%25.yaml")).is_none());
    assert!(url_problem(Path::new("/etc/a b#c.yaml")).is_none());
}
