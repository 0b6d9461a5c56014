use proptest::prelude::*;

use super::*;
use crate::host::Root;
use crate::k3s::SetOption;

fn option(texts: Vec<String>) -> SetOption {
    let values = texts
        .into_iter()
        .map(|value| Sourced {
            value,
            place: Place::ExecStart {
                unit: "k3s.service".to_owned(),
            },
        })
        .collect();
    SetOption {
        list: true,
        values,
        overrode: Vec::new(),
        outranked_by: None,
    }
}

pub(super) fn with(options: Vec<(&str, Vec<&str>)>, version: &str, role: Role) -> Start {
    with_files(options, &[], version, role)
}

pub(super) fn with_files(
    options: Vec<(&str, Vec<&str>)>,
    contents: &[(&str, &str)],
    version: &str,
    role: Role,
) -> Start {
    let tree = tempfile::tempdir().unwrap();
    for (path, content) in contents {
        let path = tree.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let root = Root::open(tree.path()).unwrap();
    let mut merge = Merge::default();
    if role == Role::Agent {
        for (name, value) in [
            ("server", "https://server:6443"),
            ("token", "not-a-real-token"),
        ] {
            merge
                .options
                .insert(name.to_owned(), option(vec![value.to_owned()]));
        }
    }
    for (name, values) in options {
        let values = values.into_iter().map(str::to_owned).collect();
        merge.options.insert(name.to_owned(), option(values));
    }
    let node = Node {
        version: version.parse().unwrap(),
        role,
        data_dir: "/var/lib/rancher/k3s".into(),
    };
    start(&merge, &node, &Facts::default(), &Files::new(&root))
}

/// Why a server with these options ends, empty where it does not.
pub(super) fn reason(version: &str, options: &[(&str, &str)]) -> String {
    let options = options.iter().map(|(name, value)| (*name, vec![*value]));
    let start = with(options.collect(), version, Role::Server);
    let first = start.endings.into_iter().next();
    first.map(|ending| ending.reason).unwrap_or_default()
}

/// The first ending of a 1.36.3 with these items of one option.
pub(super) fn ending(option: &str, items: &[&str]) -> Option<String> {
    let start = with(vec![(option, items.to_vec())], "1.36.3", Role::Server);
    start.endings.into_iter().next().map(|ending| ending.reason)
}

pub(super) fn value(start: &Start, component: Component, flag: &str) -> Option<String> {
    let mut values = start.components.values(component, flag);
    values.next().map(|argument| argument.value.clone())
}

#[test]
fn k3s_starts_with_its_own_defaults_in_every_release_of_the_tables() {
    for minor in 20..=37 {
        for role in [Role::Server, Role::Agent] {
            let start = with(vec![], &format!("1.{minor}.5"), role);
            assert!(
                start.endings.is_empty(),
                "1.{minor} {role:?}: {:#?}",
                start.endings
            );
            for component in Component::ALL {
                let flags = flags::Flags::of(component, minor);
                for argument in start.components.line(component) {
                    let refused = flags.refuses(argument);
                    assert!(refused.is_none(), "1.{minor} {component}: {refused:?}");
                }
            }
            let control_plane = !start.components.line(Component::Apiserver).is_empty();
            assert_eq!(control_plane, role == Role::Server);
            assert!(start.kubelet.is_some());
        }
    }
}

#[test]
fn an_argument_that_k3s_makes_of_an_option_names_the_option_s_place() {
    let start = with(
        vec![("cluster-cidr", vec!["10.9.3.0/16"])],
        "1.36.3",
        Role::Server,
    );
    let argument = start
        .components
        .values(Component::KubeProxy, "cluster-cidr")
        .next()
        .unwrap();
    assert_eq!(argument.value, "10.9.0.0/16");
    assert_eq!(argument.place.to_string(), "k3s.service ExecStart");
}

/// A real 1.36.3 with `node-external-ip: x` was neither ready nor at an end after a minute and a half.
#[test]
fn an_address_that_is_none_keeps_k3s_waiting_and_does_not_end_it() {
    let start = with(
        vec![("node-external-ip", vec!["x,203.0.113.5"])],
        "1.36.3",
        Role::Server,
    );
    assert_eq!(start.endings, []);
    assert_eq!(
        start.warnings,
        [
            "k3s.service ExecStart: K3s would wait for ever and not get ready: invalid node-external-ip \"x\"; write an IP address, or take it out"
        ]
    );
}

#[test]
fn the_port_after_the_largest_number_wraps_as_in_go() {
    let largest = i64::MAX.to_string();
    let start = with(
        vec![("https-listen-port", vec![&largest])],
        "1.36.3",
        Role::Server,
    );
    let port = value(&start, Component::Apiserver, "secure-port");
    assert_eq!(port, Some(i64::MIN.to_string()));
}

#[test]
fn a_default_that_the_operator_replaced_is_named() {
    let start = with(
        vec![("kube-apiserver-arg", vec!["anonymous-auth=true"])],
        "1.36.3",
        Role::Server,
    );
    let argument = start
        .components
        .values(Component::Apiserver, "anonymous-auth")
        .next()
        .unwrap();
    assert_eq!(argument.overrode[0].value, "false");
}

#[test]
fn an_external_etcd_is_a_secret_and_a_managed_one_is_not() {
    let external = with(
        vec![("datastore-endpoint", vec!["https://u:p@db:2379"])],
        "1.36.3",
        Role::Server,
    );
    let servers = |start: &Start| value(start, Component::Apiserver, "etcd-servers");
    assert_eq!(servers(&external), Some(SECRET.to_owned()));
    let managed = with(vec![("cluster-init", vec!["true"])], "1.36.3", Role::Server);
    assert_eq!(servers(&managed), Some("https://127.0.0.1:2379".to_owned()));
    let elects = value(&managed, Component::Scheduler, "leader-elect");
    assert_eq!(elects, None);
}

#[test]
fn flags_that_went_away_end_k3s_from_the_release_on_that_lost_them() {
    for (item, last) in [
        ("insecure-port=0", 23),
        ("enable-admission-plugins=PodSecurityPolicy", 24),
    ] {
        let ends = |minor: u16| {
            let options = vec![("kube-apiserver-arg", vec![item])];
            !with(options, &format!("1.{minor}.9"), Role::Server)
                .endings
                .is_empty()
        };
        assert!(!ends(last), "{item} at 1.{last}");
        assert!(ends(last + 1), "{item} at 1.{}", last + 1);
    }
}

/// The directory is closed to everybody but root on a node as K3s makes it.
#[test]
fn what_the_kubelet_reads_where_nobody_can_look_is_unknown_and_no_default() {
    let tree = tempfile::tempdir().unwrap();
    let place = tree.path().join("var/lib/rancher/k3s/agent/etc");
    std::fs::create_dir_all(&place).unwrap();
    std::os::unix::fs::symlink("kubelet.conf.d", place.join("kubelet.conf.d")).unwrap();
    let root = Root::open(tree.path()).unwrap();
    let node = Node {
        version: K3sVersion::new(36, 3),
        role: Role::Server,
        data_dir: "/var/lib/rancher/k3s".into(),
    };
    let files = Files::new(&root);
    let start = start(&Merge::default(), &node, &Facts::default(), &files);
    let flag = "streaming-connection-idle-timeout";
    let found = start.in_force(Component::Kubelet, flag, node.version);
    assert!(matches!(found, InForce::Unseen(_)), "{found:?}");
    let found = start.in_force(Component::Apiserver, "anonymous-auth", node.version);
    assert!(matches!(found, InForce::One { .. }), "{found:?}");
}

#[test]
fn a_release_newer_than_the_tables_has_no_unknown_flags() {
    let options = vec![("kube-apiserver-arg", vec!["brand-new-flag=1"])];
    assert!(with(options, "1.99.0", Role::Server).endings.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_list_of_items_makes_it_panic(
        items in proptest::collection::vec("(--)?[a-z-]{0,12}[+-]?(=.{0,12})?", 0..6),
        minor in 20_u16..38,
    ) {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        let mut merge = Merge::default();
        for component in Component::ALL {
            merge.options.insert(component.option().to_owned(), option(items.clone()));
        }
        for name in ["cluster-cidr", "node-ip", "node-label", "tls-san", "disable", "data-dir"] {
            merge.options.insert(name.to_owned(), option(items.clone()));
        }
        let node = Node { version: K3sVersion::new(minor, 5), role: Role::Server, data_dir: "/d".into() };
        let found = start(&merge, &node, &Facts::default(), &Files::new(&root));
        prop_assert!(found.components.lines.len() > 1);
    }
}

/// K3s takes `config` and `config-dir` out of the list, and leaves other ways to write them in it.
#[test]
fn a_kubelet_reads_the_files_that_its_command_line_names_in_the_end() {
    let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    let own = "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-own.conf";
    let file =
        format!("{head}eventRecordQPS: 7\nauthentication: {{anonymous: {{enabled: true}}}}\n");
    let drop_in = format!("{head}eventRecordQPS: 8\n");
    let contents = [
        ("/etc/edge/kubelet.yaml", file.as_str()),
        ("/etc/edge/kubelet.d/50-a.conf", file.as_str()),
        (own, drop_in.as_str()),
    ];
    let of = |items: &[&str]| {
        let options = vec![("kubelet-arg", items.to_vec())];
        let start = with_files(options, &contents, "1.36.3", Role::Server);
        assert_eq!(start.endings, [], "{items:?}");
        let kubelet = start.kubelet.unwrap();
        let of = |path: &str| kubelet.get(path).unwrap().value.clone();
        (of("eventRecordQPS"), of("authentication.anonymous.enabled"))
    };
    let both = |qps: &str, anonymous: &str| (qps.to_owned(), anonymous.to_owned());
    assert_eq!(of(&[]), both("8", "false"));
    let relative = with(vec![("data-dir", vec!["data"])], "1.36.3", Role::Server);
    let kubelet = relative.kubelet.unwrap();
    let anonymous = kubelet.get("authentication.anonymous.enabled").unwrap();
    assert_eq!(anonymous.value, "false");
    // The base, below K3s's own file and all drop-ins.
    assert_eq!(of(&["config+=/etc/edge/kubelet.yaml"]), both("8", "false"));
    assert_eq!(
        of(&["----config=/etc/edge/kubelet.yaml"]),
        both("8", "false")
    );
    // In the place of K3s's own directory.
    assert_eq!(of(&["config_dir=/etc/edge/kubelet.d"]), both("7", "true"));
    assert_eq!(of(&["config-dir+=/etc/edge/kubelet.d"]), both("7", "true"));
    assert_eq!(of(&["config-dir=/etc/edge/kubelet.d"]), both("8", "true"));
    let missing = with(
        vec![("kubelet-arg", vec!["config+=/none"])],
        "1.36.3",
        Role::Server,
    );
    assert!(!missing.endings.is_empty());
}
