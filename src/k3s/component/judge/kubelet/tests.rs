mod drop_ins;
mod flags;
mod managed;

use std::fs;

use crate::host::Root;
use crate::k3s::component::{Facts, Node, start};
use crate::k3s::{Files, Merge, Place, Role, SetOption, Sourced};

const DROP_IN: &str = "var/lib/rancher/k3s/agent/etc/kubelet.conf.d/90-x.conf";
const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

/// The first ending of a 1.36.3 whose kubelet is given these arguments and drop-ins.
fn ending(arguments: &[&str], drop_ins: &[(&str, &str)]) -> Option<String> {
    ending_of("1.36.3", arguments, drop_ins)
}

/// The same of another release.
fn ending_of(version: &str, arguments: &[&str], drop_ins: &[(&str, &str)]) -> Option<String> {
    let tree = tempfile::tempdir().unwrap();
    for (name, text) in drop_ins {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{HEAD}{text}\n")).unwrap();
    }
    let values = arguments.iter().map(|argument| Sourced {
        value: (*argument).to_owned(),
        place: Place::ExecStart {
            unit: "k3s.service".to_owned(),
        },
    });
    let mut merge = Merge::default();
    merge.options.insert(
        "kubelet-arg".to_owned(),
        SetOption {
            list: true,
            values: values.collect(),
            overrode: Vec::new(),
            outranked_by: None,
        },
    );
    let node = Node {
        version: version.parse().unwrap(),
        role: Role::Server,
        data_dir: "/var/lib/rancher/k3s".into(),
    };
    let root = Root::open(tree.path()).unwrap();
    let start = start(&merge, &node, &Facts::default(), &Files::new(&root));
    start.endings.into_iter().next().map(|ending| ending.reason)
}

const INVALID: &str =
    "kubelet exited: failed to validate kubelet configuration, error: invalid configuration: ";
const RUN: &str = "kubelet exited: failed to run Kubelet: ";
