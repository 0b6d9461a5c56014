use super::location::located;
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

/// Whatever is seen in between: no reading says that K3s would end, or go on without any configuration.
#[test]
fn a_file_that_is_renamed_meanwhile_is_there_or_nobody_can_say() {
    let tree = tempfile::tempdir().unwrap();
    let drop_ins = tree.path().join("etc/config.yaml.d");
    std::fs::create_dir_all(&drop_ins).unwrap();
    let (one, other) = (drop_ins.join("a.yaml"), drop_ins.join("b.yaml"));
    std::fs::write(&one, "node-name: a\n").unwrap();
    std::fs::write(drop_ins.join("c.yaml"), "debug: true\n").unwrap();
    let root = crate::host::Root::open(tree.path()).unwrap();
    let ends = std::time::Instant::now() + std::time::Duration::from_millis(500);
    let writer = std::thread::spawn(move || {
        while std::time::Instant::now() < ends {
            std::fs::rename(&one, &other).unwrap();
            std::fs::rename(&other, &one).unwrap();
        }
    });
    let location = located("/etc/config.yaml", &Place::Default);
    while !writer.is_finished() {
        let mut inputs = Vec::new();
        let files = Files::new(&root);
        match read(&files, &location, K3sVersion::new(36, 3), &mut inputs) {
            // The main file is an input too, there or not.
            Ok(Reading::Files(read)) => assert_eq!(inputs.len(), read.len() + 1),
            Err(ConfigurationError::Changing(_)) => {}
            seen => panic!("{seen:?}"),
        }
    }
    writer.join().unwrap();
}

#[test]
fn a_link_that_leads_nowhere_leaves_k3s_without_configuration() {
    let tree = tempfile::tempdir().unwrap();
    let drop_ins = tree.path().join("etc/config.yaml.d");
    std::fs::create_dir_all(&drop_ins).unwrap();
    let link = drop_ins.join("a.yaml");
    std::os::unix::fs::symlink("none.yaml", &link).unwrap();
    let root = crate::host::Root::open(tree.path()).unwrap();
    let location = located("/etc/config.yaml", &Place::Default);
    let version = K3sVersion::new(36, 3);
    let reading = read(&Files::new(&root), &location, version, &mut Vec::new()).unwrap();
    let because_of = Some(PathBuf::from("/etc/config.yaml.d/a.yaml"));
    assert_eq!(reading, Reading::Nothing { because_of });
}
