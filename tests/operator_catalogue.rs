//! Controls of the operator's own, beside the built-in ones.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod tree;

use tree::{DROP_IN, Tree};

const SERVER: &str = "\
755 root:root d /etc/rancher/k3s
755 root:root d /var/lib/rancher/k3s
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
755 root:root d /etc/k3warden
755 root:root d /etc/k3warden/catalogue.d
644 root:root f /etc/k3warden/catalogue.d/site.toml
| [[control]]
| id = \"my-x\"
| title = \"t\"
| why = \"w\"
| role = \"any\"
";

/// Of two lines for one flag only the last would count.
#[test]
fn of_two_values_that_do_not_exclude_each_other_the_one_that_satisfies_both_is_written() {
    let tree = Tree::of(&format!(
        "{SERVER}| [[control.argument]]\n| component = \"kube-apiserver\"\n| flag = \"audit-log-maxage\"\n\
         | require = {{ at_least = 100 }}\n| set = \"100\"\n"
    ));
    let apply = tree.k3warden(&["apply"]);
    let said = format!("{apply:?}");
    assert!(!said.contains("outranks"), "{said}");
    let drop_in = tree.text(DROP_IN);
    assert!(
        drop_in.contains("- 'audit-log-maxage=100' # my-x\n"),
        "{drop_in}"
    );
    assert!(!drop_in.contains("audit-log-maxage=30"), "{drop_in}");
    for control in ["my-x", "audit-log-retention"] {
        let check = tree.k3warden(&["check", control]);
        assert_eq!(check.code, Some(0), "{check:?}");
    }
}

/// The catalogue cannot know where the data directory is.
#[test]
fn no_file_is_written_below_the_keys_of_a_data_directory_that_was_moved() {
    let tree = Tree::of(&format!(
        "{SERVER}| [[control.file]]\n| path = \"/srv/k3s/server/tls/server-ca.crt\"\n| mode = \"0600\"\n\
         | content = \"audit\"\n"
    ));
    tree.add(
        "755 root:root d /srv\n700 root:root d /srv/k3s\n700 root:root d /srv/k3s/server\n\
         700 root:root d /srv/k3s/server/tls\n600 root:root f /srv/k3s/server/tls/server-ca.crt\n| a certificate\n\
         600 root:root f /etc/rancher/k3s/config.yaml\n| data-dir: /srv/k3s\n",
    );
    let check = tree.k3warden(&["check", "my-x"]);
    assert!(
        check
            .stdout
            .contains("only K3s or the operator writes there"),
        "{check:?}"
    );
    tree.k3warden(&["apply", "my-x"]);
    assert_eq!(
        tree.text("/srv/k3s/server/tls/server-ca.crt"),
        "a certificate\n"
    );
}
