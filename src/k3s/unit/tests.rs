//! Whole units in a tree.

mod environment_files;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::host::Root;

struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, content) in files {
            fs::write(tree.path(path), content).unwrap();
        }
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn load(&self, name: &str) -> Loaded {
        let root = Root::open(self.0.path()).unwrap();
        load_unit(&Files::new(&root), name).unwrap()
    }

    fn unit(&self, name: &str) -> Unit {
        match self.load(name) {
            Loaded::Unit(unit) => *unit,
            other => panic!("{other:?}"),
        }
    }
}

fn words(unit: &Unit) -> Vec<&str> {
    unit.exec_start
        .iter()
        .map(|word| word.text.as_str())
        .collect()
}

const INSTALLED: &str = "[Unit]\nDescription=Lightweight Kubernetes\n\n[Install]\nWantedBy=multi-user.target\n\n\
[Service]\nType=notify\nEnvironmentFile=-/etc/default/%N\nEnvironmentFile=-/etc/sysconfig/%N\n\
EnvironmentFile=-/etc/systemd/system/k3s.service.env\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\
\t'--kubelet-arg=a=b c' \\\n\t'--write-kubeconfig-mode' \\\n\t'600' \\\n\n";

#[test]
fn a_unit_of_install_sh_is_read_word_by_word() {
    let tree = Tree::new(&[
        ("/etc/systemd/system/k3s.service", INSTALLED),
        ("/etc/systemd/system/k3s.service.env", "K3S_TOKEN='a b'\n"),
        ("/etc/default/k3s", "K3S_TOKEN=weaker\nK3S_URL=x\n"),
    ]);
    let unit = tree.unit("k3s.service");
    assert_eq!(
        words(&unit),
        [
            "server",
            "--kubelet-arg=a=b c",
            "--write-kubeconfig-mode",
            "600"
        ]
    );
    assert_eq!(unit.binary.text, "/usr/local/bin/k3s");
    assert_eq!(unit.role(), Some(Role::Server));
    assert_eq!(
        unit.exec_start[1].place.to_string(),
        "k3s.service ExecStart (/etc/systemd/system/k3s.service:14)"
    );
    let token = unit.environment.get("K3S_TOKEN").unwrap();
    assert_eq!(
        (token.value.as_str(), token.source.as_str()),
        ("a b", "/etc/systemd/system/k3s.service.env")
    );
    assert_eq!(unit.environment.get("K3S_URL").unwrap().value, "x");
}

#[test]
fn a_drop_in_resets_and_replaces_the_command() {
    let tree = Tree::new(&[
        ("/etc/systemd/system/k3s.service", INSTALLED),
        (
            "/etc/systemd/system/k3s.service.d/10-x.conf",
            "[Service]\nExecStart=\nExecStart=/opt/bin/k3s agent --server ${K3S_URL} $MORE\nEnvironment=K3S_URL=https://s MORE=\"-t 'a b'\"\n",
        ),
    ]);
    let unit = tree.unit("k3s.service");
    assert_eq!(
        words(&unit),
        ["agent", "--server", "https://s", "-t", "a b"]
    );
    assert_eq!(unit.role(), Some(Role::Agent));
    assert_eq!(
        unit.drop_ins,
        [Path::new("/etc/systemd/system/k3s.service.d/10-x.conf")]
    );
}

/// `DefaultEnvironment=` of the manager gives every unit variables, and is weaker than all that the unit says.
#[test]
fn what_the_manager_gives_every_unit_is_seen_and_outranked_by_the_unit() {
    const UNIT: &str = "/etc/systemd/system/k3s.service";
    const DROP_IN: &str = "/etc/systemd/system.conf.d/10-x.conf";
    let of = |unit: &str, files: &[(&str, &str)]| {
        let text = format!("[Service]\nExecStart=/k3s server --x=${{K3S_X}}\n{unit}");
        let all = [&[(UNIT, text.as_str())], files].concat();
        let tree = Tree::new(&all);
        let unit = tree.unit("k3s.service");
        let given = unit.environment.get("K3S_X").cloned();
        let said = given.map(|variable| format!("{} of {}", variable.value, variable.source));
        let word = words(&unit).last().map(|word| (*word).to_owned()).unwrap();
        let inputs = unit.inputs.len();
        (said.unwrap_or_default(), word, inputs)
    };
    let main = |path, line| (path, line);
    let from_main = "[Manager]\nDefaultEnvironment=K3S_X=main \"K3S_Y=a b\"\n";
    let etc = main("/etc/systemd/system.conf", from_main);
    assert_eq!(
        of("", &[etc]),
        (
            "main of /etc/systemd/system.conf".into(),
            "--x=main".into(),
            2
        )
    );
    let weaker = main(
        "/usr/lib/systemd/system.conf",
        "[Manager]\nDefaultEnvironment=K3S_X=usr\n",
    );
    assert_eq!(of("", &[etc, weaker]).0, "main of /etc/systemd/system.conf");
    assert_eq!(of("", &[weaker]).0, "usr of /usr/lib/systemd/system.conf");
    let drop_in = (DROP_IN, "[Manager]\nDefaultEnvironment=K3S_X=drop-in\n");
    assert_eq!(of("", &[etc, drop_in]).0, format!("drop-in of {DROP_IN}"));
    let reset = (DROP_IN, "[Manager]\nDefaultEnvironment=\n");
    assert_eq!(of("", &[etc, reset]).0, "");
    let other_section = (DROP_IN, "[Service]\nDefaultEnvironment=K3S_X=no\n");
    assert_eq!(of("", &[other_section]), (String::new(), "--x=".into(), 1));
    assert_eq!(
        of("Environment=K3S_X=own\n", &[etc, drop_in]).0,
        format!("own of {UNIT}")
    );
    let file = ("/etc/k3s.env", "K3S_X=file\n");
    assert_eq!(
        of(
            "Environment=K3S_X=own\nEnvironmentFile=/etc/k3s.env\n",
            &[etc, file]
        )
        .0,
        "file of /etc/k3s.env"
    );
    assert_eq!(of("UnsetEnvironment=K3S_X\n", &[etc]).0, "");
}

#[test]
fn two_commands_are_refused_unless_oneshot() {
    let two = "[Service]\nExecStart=/k3s server\nExecStart=/k3s agent\n";
    let tree = Tree::new(&[("/etc/systemd/system/k3s.service", two)]);
    assert!(matches!(tree.load("k3s.service"), Loaded::Unusable { .. }));
}

#[test]
fn etc_outranks_usr_lib_and_a_mask_ends_the_search() {
    let agent = "[Service]\nExecStart=/k3s agent\n";
    let tree = Tree::new(&[
        ("/usr/lib/systemd/system/k3s.service", INSTALLED),
        ("/etc/systemd/system/k3s.service", agent),
        ("/usr/lib/systemd/system/k3s-agent.service", agent),
    ]);
    assert_eq!(words(&tree.unit("k3s.service")), ["agent"]);
    symlink(
        "/dev/null",
        tree.path("/etc/systemd/system/k3s-agent.service"),
    )
    .unwrap();
    assert_eq!(
        tree.load("k3s-agent.service"),
        Loaded::Masked("/etc/systemd/system/k3s-agent.service".into())
    );
    assert_eq!(tree.load("k3s-x.service"), Loaded::Missing);
}

#[test]
fn drop_ins_apply_by_name_and_the_strongest_of_a_name_counts() {
    let set = |value: &str| format!("[Service]\nEnvironment=A={value}\n");
    let tree = Tree::new(&[
        (
            "/etc/systemd/system/k3s-a.service",
            "[Service]\nExecStart=/k3s server $A\n",
        ),
        ("/etc/systemd/system/k3s-.service.d/20.conf", &set("prefix")),
        (
            "/usr/lib/systemd/system/k3s-a.service.d/20.conf",
            &set("weaker"),
        ),
        ("/etc/systemd/system/service.d/10.conf", &set("all")),
        (
            "/etc/systemd/system/k3s-a.service.d/.30.conf",
            &set("hidden"),
        ),
    ]);
    assert_eq!(words(&tree.unit("k3s-a.service")), ["server", "prefix"]);
}

#[test]
fn only_units_that_start_k3s_are_found() {
    let tree = Tree::new(&[
        ("/etc/systemd/system/k3s.service", INSTALLED),
        (
            "/etc/systemd/system/k3s-edge.service",
            "[Service]\nExecStart=/k3s agent\n",
        ),
        (
            "/etc/systemd/system/k3s-backup.service",
            "[Service]\nExecStart=/bin/backup now\n",
        ),
    ]);
    symlink(
        "k3s.service",
        tree.path("/etc/systemd/system/k3s-alias.service"),
    )
    .unwrap();
    let root = Root::open(tree.0.path()).unwrap();
    let units = find_k3s_units(&Files::new(&root)).unwrap().units;
    let names: Vec<_> = units.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(names, ["k3s-edge.service", "k3s.service"]);
}

#[test]
fn unset_environment_takes_names_and_exact_values() {
    let tree = Tree::new(&[(
        "/etc/systemd/system/k3s.service",
        "[Service]\nEnvironment=A=1 B=2 C=3\nUnsetEnvironment=A B=x C=3\nExecStart=@/k3s me server ${A}-${B}-${C}\n",
    )]);
    assert_eq!(words(&tree.unit("k3s.service")), ["server", "-2-"]);
}

#[test]
fn what_makes_k3s_see_other_files_than_stand_here_is_said() {
    for (setting, is_said) in [
        ("RootDirectory=/srv", true),
        (
            "BindPaths=/srv/config.yaml:/etc/rancher/k3s/config.yaml",
            true,
        ),
        ("WorkingDirectory=/srv", true),
        ("RootDirectory=", false),
        ("RootDirectory=/", false),
        ("ReadWritePaths=/srv", false),
    ] {
        let unit = format!("[Service]\nExecStart=/k3s server\n{setting}\n");
        let unit = Tree::new(&[("/etc/systemd/system/k3s.service", &unit)]).unit("k3s.service");
        let mut remarks = unit.remarks.iter();
        let said = remarks.any(|remark| remark.text.contains("is not followed"));
        assert_eq!(said, is_said, "{setting}: {:?}", unit.remarks);
    }
}

#[test]
fn a_command_of_many_short_words_is_longer_than_the_kernel_takes() {
    let unit = |words: usize| {
        let variable = "a ".repeat(words);
        format!("[Service]\nEnvironment='A={variable}'\nExecStart=/k3s server $A $A $A $A\n")
    };
    let load = |words: usize| {
        let tree = Tree::new(&[("/etc/systemd/system/k3s.service", &unit(words))]);
        matches!(tree.load("k3s.service"), Loaded::Unit(_))
    };
    assert!(load(100_000));
    assert!(!load(200_000));
}

#[test]
fn a_link_out_of_the_load_path_is_a_unit_of_its_own_name_and_one_within_an_alias() {
    let tree = Tree::new(&[]);
    let unit = "[Service]\nExecStart=/usr/local/bin/k3s server\n";
    fs::write(tree.path("/opt/k3s/server.service"), unit).unwrap();
    fs::write(tree.path("/usr/lib/systemd/system/own.service"), unit).unwrap();
    let link = tree.path("/etc/systemd/system/k3s.service");
    symlink("/opt/k3s/server.service", &link).unwrap();
    assert_eq!(words(&tree.unit("k3s.service")), ["server"]);
    for target in [
        "/usr/lib/systemd/system/own.service",
        "../../../usr/lib/systemd/system/own.service",
    ] {
        fs::remove_file(&link).unwrap();
        symlink(target, &link).unwrap();
        assert!(
            matches!(tree.load("k3s.service"), Loaded::Alias(_)),
            "{target}"
        );
    }
}
