//! Settings of an operator's catalogue that could never hold or would do harm, and what is said of each.

use super::broken_catalogues::{HEAD, load, said};

/// Settings that are refused, each with the place that is pointed at and the remedy.
fn refuses(cases: &[(&str, &str, &str)]) {
    for (text, start, mend) in cases {
        let (first, hint) = said(&format!("{HEAD}{text}"));
        assert!(first.starts_with(start), "{first}\nnot {start}");
        assert!(hint.contains(mend), "{hint}\nnot {mend}");
    }
}

#[test]
fn a_manifest_is_one_file_that_k3s_deploys_and_none_of_its_own() {
    let manifest = |name: &str| {
        said(&format!(
            "{HEAD}[[control.manifest]]\nname = \"{name}\"\ncontent = \"netpol-dns\"\n"
        ))
    };
    for (name, what, mend) in [
        ("../../x.yaml", "is a path", "give the name alone"),
        ("a/b.yaml", "is a path", "give the name alone"),
        (
            "coredns.yaml",
            "is K3s's own: it writes `coredns` at each start",
            "`site-`",
        ),
        (
            "Under_Score.yaml",
            "is none that K3s deploys",
            "lower-case letters",
        ),
        (".x.yaml", "is none that K3s deploys", "lower-case letters"),
        (
            "x",
            "has another ending than a manifest",
            "`.yaml`, `.yml` and `.json`",
        ),
        (
            "x.txt",
            "has another ending than a manifest",
            "`.yaml`, `.yml` and `.json`",
        ),
        (
            "netpol.v1.yaml",
            "has another ending than a manifest",
            "one dot only",
        ),
    ] {
        let (first, hint) = manifest(name);
        assert_eq!(
            first,
            format!("/c/a.toml:7:9: manifest name `{name}` {what}")
        );
        assert!(hint.contains(mend), "{hint}");
    }
}

/// K3s takes two files for one whose names are alike up to the first dot.
#[test]
fn two_manifests_of_one_addon_contradict_each_other() {
    let manifest =
        |name: &str| format!("[[control.manifest]]\nname = \"{name}\"\ncontent = \"netpol-dns\"\n");
    let both = format!(
        "{HEAD}{}{}",
        manifest("site-dns.yaml"),
        manifest("site-dns.yml")
    );
    let (first, _) = said(&both);
    assert!(
        first.starts_with("/c/a.toml:11:12: control `my-x` contradicts itself: "),
        "{first}"
    );
    assert!(first.ends_with(" on line 6"), "{first}");
}

/// It would never be written, or nobody could say what it waits for.
#[test]
fn a_manifest_needs_others_of_its_control_that_need_none() {
    let manifest = |name: &str, needs: &str| {
        format!(
            "[[control.manifest]]\nname = \"{name}\"\ncontent = \"netpol-dns\"\nneeds = [{needs}]\n"
        )
    };
    let dns = manifest("site-dns.yaml", "");
    let both = |needs: &str| format!("{}{dns}", manifest("site.yaml", needs));
    let each = "[control.parameter]\nn = { kind = \"namespaces\", default = [], about = \"a\" }\n";
    refuses(&[
        (
            &both("\"site-dsn.yaml\""),
            "/c/a.toml:9:11: `site.yaml` needs `site-dsn.yaml`, which is no manifest of its control",
            "did you mean `site-dns.yaml`?",
        ),
        (
            &both("\"site-dns.yaml\", \"else\""),
            "/c/a.toml:9:28: `site.yaml` needs `else`, which is no manifest of its control",
            "its others are site-dns.yaml",
        ),
        (
            &manifest("site.yaml", "\"site.yaml\""),
            "/c/a.toml:7:9: `site.yaml` needs `site.yaml`, which is itself",
            "name others",
        ),
        (
            &format!(
                "{}{}{dns}",
                manifest("a.yaml", "\"b.yaml\""),
                manifest("b.yaml", "\"site-dns.yaml\"")
            ),
            "/c/a.toml:9:11: `a.yaml` needs `b.yaml`, which needs others itself",
            "name all that are needed",
        ),
        (
            &format!(
                "{each}{}{}",
                manifest("a.yaml", "\"b-{each:n}.yaml\""),
                manifest("b-{each:n}.yaml", "")
            ),
            "/c/a.toml:11:11: `a.yaml` needs `b-{each:n}.yaml`, which is one file for each name of a list",
            "the same `{each:...}`",
        ),
    ]);
    let taken = [
        both("\"site-dns.yaml\""),
        format!(
            "{each}{}{dns}",
            manifest("a-{each:n}.yaml", "\"site-dns.yaml\"")
        ),
        format!(
            "{each}{}{}",
            manifest("a-{each:n}.yaml", "\"b-{each:n}.yaml\""),
            manifest("b-{each:n}.yaml", "")
        ),
    ];
    for text in taken {
        load(&[&format!("{HEAD}{text}")]).unwrap();
    }
}

#[test]
fn no_file_is_written_where_k3s_writes_or_reads_its_configuration() {
    for (path, why) in [
        (
            "{data_dir}/server/tls/server-ca.crt",
            "only K3s writes there",
        ),
        ("{data_dir}/server/cred/x", "only K3s writes there"),
        (
            "{data_dir}/server/manifests/x.yaml",
            "only K3s writes there",
        ),
        ("{config_file}", "K3s reads its configuration there"),
        (
            "{config_file}.d/zzz.yaml",
            "K3s reads its configuration there",
        ),
    ] {
        let (first, _) = said(&format!(
            "{HEAD}[[control.file]]\npath = \"{path}\"\nmode = \"0600\"\ncontent = \"audit\"\n"
        ));
        assert_eq!(
            first,
            format!("/c/a.toml:7:9: no file may be written at `{path}`: {why}")
        );
    }
}

const ARGUMENT: &str = "[[control.argument]]\ncomponent = \"kube-apiserver\"\n";

/// It would be divergent for ever.
#[test]
fn what_is_set_satisfies_what_is_required() {
    let argument =
        |flag: &str, more: &str| said(&format!("{HEAD}{ARGUMENT}flag = \"{flag}\"\n{more}"));
    let (first, _) = argument(
        "goaway-chance",
        "require = { at_least = 50 }\nset = \"40\"\n",
    );
    assert_eq!(
        first,
        "/c/a.toml:10:8: `set` \"40\" does not satisfy `require`: at least 50"
    );
    for (require, set) in [
        ("equals = \"a\"", "b"),
        ("includes = [\"a\", \"b\"]", "a"),
        ("subset_of = [\"a\"]", "a,b"),
        ("excludes = [\"a\"]", "a,b"),
        ("absent = true", "a"),
        ("at_most = 5", "many"),
        ("nonzero_duration = true", "0s"),
        ("present = true", ""),
    ] {
        let (first, _) = argument(
            "goaway-chance",
            &format!("require = {{ {require} }}\nset = \"{set}\"\n"),
        );
        assert!(first.contains("does not satisfy `require`: "), "{first}");
    }
    let (first, _) = argument(
        "goaway-chance",
        "require = { at_least = 50 }\nset = \"{parameter:chance}\"\n[control.parameter]\nchance = { kind = \"integer\", default = 40, about = \"a\" }\n",
    );
    assert!(
        first.ends_with("`set` \"40\" does not satisfy `require`: at least 50"),
        "{first}"
    );
}

/// A parameter's default counts as what is written.
#[test]
fn two_values_of_one_argument_contradict_unless_one_of_them_satisfies_both() {
    let retention = |more: &str| format!("{HEAD}{ARGUMENT}flag = \"audit-log-maxage\"\n{more}");
    let (first, _) = said(&retention("require = { at_most = 7 }\nset = \"7\"\n"));
    assert!(
        first.starts_with(
            "/c/a.toml:10:8: control `my-x` contradicts `audit-log-retention`, a built-in one"
        ),
        "{first}"
    );
    load(&[&retention("require = { at_least = 60 }\nset = \"100\"\n")]).unwrap();
    load(&[&retention("require = { at_most = 90 }\nset = \"30\"\n")]).unwrap();

    let plugins = |require: &str, set: &str| {
        format!(
            "{HEAD}{ARGUMENT}flag = \"enable-admission-plugins\"\nrequire = {{ {require} }}\nset = \"{set}\"\n"
        )
    };
    load(&[&plugins(
        "includes = [\"PodNodeSelector\"]",
        "PodNodeSelector",
    )])
    .unwrap();
    let without = plugins("excludes = [\"NodeRestriction\"]", "PodNodeSelector");
    let (first, _) = said(&without);
    assert!(first.contains(": control `my-x` contradicts "), "{first}");
}

#[test]
fn a_text_that_cannot_be_written_or_that_nobody_fills_in_is_refused() {
    refuses(&[
        (
            "[[control.permissions]]\npath = \"{dat_dir}/x\"\nmode = \"0600\"\n",
            "/c/a.toml:7:9: a path has no placeholder `{dat_dir}`",
            "did you mean `data_dir`?",
        ),
        (
            "[[control.sysctl]]\nkey = \"vm.x\"\nvalue = \"1\\nkernel.panic=0\"\n",
            "/c/a.toml:8:10: `value` \"1\u{fffd}kernel.panic=0\" is one line, without control characters",
            "",
        ),
        (
            "[[control.sysctl]]\nkey = \"vm.x\"\nvalue = \"{days}\"\n",
            "/c/a.toml:8:10: `value` \"{days}\" is taken as it stands",
            "write the value that the kernel shall have",
        ),
        (
            "[[control.file]]\npath = \"{data_dir}/server/mine.yaml\"\nmode = \"0600\"\ncontent = \"psa\"\n",
            "/c/a.toml:9:12: content `psa` asks for parameter `namespaces` of its control",
            "kind = \"namespaces\"",
        ),
        (
            "[[control.manifest]]\nname = \"x.yaml\"\ncontent = \"netpol-namespace\"\n",
            "/c/a.toml:8:12: content `netpol-namespace` is for one namespace a file",
            "`{each:namespaces}`",
        ),
        (
            "[[control.manifest]]\nname = \"x-{each:spaces}.yaml\"\ncontent = \"netpol-dns\"\n",
            "/c/a.toml:7:11: `{each:spaces}` goes through a parameter of kind `namespaces`",
            "[control.parameter]",
        ),
        (
            "[[control.option]]\nname = \"debug\"\nrequire = { present = true }\nset = \"{parameter:x}\"\n",
            "/c/a.toml:9:8: the control has no parameter `x`",
            "[control.parameter]",
        ),
        (
            "[[control.option]]\nname = \"log\"\nrequire = { present = true }\nset = \"{k3s_default}\"\n",
            "/c/a.toml:9:8: `set` has no placeholder `{k3s_default}`",
            "known are ",
        ),
        (
            "[[control.argument]]\ncomponent = \"kubelet\"\nflag = \"v\"\nrequire = { present = true }\nset = \"1{k3s_default}\"\n",
            "/c/a.toml:10:9: `set` has no placeholder `{k3s_default}`",
            "known are ",
        ),
        (
            "[[control.option]]\nname = \"log\"\nrequire = { equals = \"{data_dir}/x\" }\nset = \"{data_dir}/x\"\n",
            "/c/a.toml:8:23: `require` \"{data_dir}/x\" is compared as it stands",
            "present = true",
        ),
    ]);
}

#[test]
fn an_edition_an_option_or_a_flag_that_there_is_not_is_refused() {
    refuses(&[
        (
            "cis = { \"9.9\" = \"1.1.1\" }\n[[control.sysctl]]\nkey = \"vm.x\"\nvalue = \"1\"\n",
            "/c/a.toml:6:10: there is no edition `9.9` of the benchmark",
            "known are 1.23, 1.24, ",
        ),
        (
            "[[control.permissions]]\npath = \"/x\"\nmode = \"0600\"\nmode_by_edition = { \"1.99\" = \"0640\" }\n",
            "/c/a.toml:9:22: there is no edition `1.99` of the benchmark",
            "known are ",
        ),
        (
            "[[control.permissions]]\npath = \"/x\"\nmode = \"0600\"\nmode_option = \"write-kubeconfg-mode\"\n",
            "/c/a.toml:9:16: no K3s up to 1.37 has an option `write-kubeconfg-mode`",
            "did you mean `write-kubeconfig-mode`?",
        ),
        (
            "[[control.permissions]]\npath = \"/x\"\nmode = \"0600\"\nfollow_option = \"write-kubeconfg\"\n",
            "/c/a.toml:9:18: no K3s up to 1.37 has an option `write-kubeconfg`",
            "did you mean `write-kubeconfig`?",
        ),
        (
            "[[control.option]]\nname = \"protect-kernel-default\"\nrequire = { present = true }\n",
            "/c/a.toml:7:9: no K3s up to 1.37 has an option `protect-kernel-default`",
            "did you mean `protect-kernel-defaults`?",
        ),
        (
            "[[control.argument]]\ncomponent = \"kubelet\"\nflag = \"event-qp\"\nrequire = { present = true }\n",
            "/c/a.toml:8:9: no kubelet up to 1.37 has a flag `event-qp`",
            "did you mean `event-qps`?",
        ),
        (
            "[[control.argument]]\ncomponent = \"kubelet\"\nflag = \"brand-new\"\nrequire = { present = true }\n",
            "/c/a.toml:8:9: no kubelet up to 1.37 has a flag `brand-new`",
            "k3s = \">=1.38\"",
        ),
    ]);
    let of_tomorrow = format!(
        "{HEAD}k3s = \">=1.38\"\n{ARGUMENT}flag = \"brand-new\"\nrequire = {{ present = true }}\n"
    );
    load(&[&of_tomorrow]).unwrap();
}
