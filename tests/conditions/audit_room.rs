//! Audit logs: they are written where the disk has room for all of them and their directory can be there.

use k3warden::host::Space;
use k3warden::k3s::K3sVersion;
use k3warden::node::Surroundings;

use crate::server::Server;
use crate::{CONFIG, excepted};

const MIB: u64 = 1 << 20;

/// A disk of 8 GiB: the kubelet evicts below 409 MiB.
fn disk(free_mib: u64) -> Space {
    Space {
        total_bytes: 8192 * MIB,
        available_bytes: free_mib * MIB,
    }
}

#[test]
fn audit_logs_that_the_disk_has_no_room_for_are_refused_with_values_that_fit() {
    let mut server = Server::new();
    server.space = Some(disk(800));
    let refused = server.refusals();
    server.assert_leaves_out("audit-log-");
    server.assert_writes("audit-policy-file");
    for word in [
        "1100 MiB",
        "800 MiB",
        "409 MiB",
        "audit-log-maxbackup=10",
        "audit-log-maxsize=35",
        "exception for audit-log-size",
    ] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    // The advice is taken.
    server.write(
        CONFIG,
        "kube-apiserver-arg: [audit-log-maxbackup=10, audit-log-maxsize=35]\n",
    );
    server.policy(&excepted("audit-log-size"));
    assert_eq!(server.refusals(), "");
    server.assert_writes("audit-log-path");
}

#[test]
fn audit_logs_that_fit_are_written() {
    let mut server = Server::new();
    server.space = Some(disk(1600));
    server.apply();
    server.assert_writes("audit-log-path");
}

#[test]
fn the_operators_eviction_threshold_counts() {
    let mut server = Server::new();
    server.space = Some(disk(1600));
    server.write(
        CONFIG,
        "kubelet-arg: ['eviction-hard=nodefs.available<1Gi']\n",
    );
    let refused = server.refusals();
    assert!(refused.contains("1024 MiB"), "{refused}");
    server.version = K3sVersion::new(31, 14);
    assert!(server.refusals().contains("1024 MiB"));
}

#[test]
fn a_kubelet_drop_in_sets_the_threshold_from_1_32_on() {
    let mut server = Server::new();
    server.space = Some(disk(1600));
    server.write(
        "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-site.conf",
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nevictionHard:\n  nodefs.available: 25%\n",
    );
    let refused = server.refusals();
    assert!(refused.contains("2048 MiB"), "{refused}{}", server.lines());
}

#[test]
fn what_the_logs_take_already_is_theirs() {
    let mut server = Server::new();
    server.space = Some(disk(1600));
    server.apply();
    // K3s has written its logs since, and the disk is as full as we said it would be.
    let log = server.tree.at("/var/lib/rancher/k3s/server/logs/audit.log");
    std::fs::File::create(&log)
        .unwrap()
        .set_len(1000 * MIB)
        .unwrap();
    server.space = Some(disk(600));
    assert_eq!(server.refusals(), "");
    // Somebody else fills it: logs that exist do not end for that.
    server.space = Some(disk(100));
    assert_eq!(server.refusals(), "");
    server.assert_writes("audit-log-path");
}

#[test]
fn logs_that_the_operator_lets_grow_without_end_are_bounded_whatever_the_disk() {
    let mut server = Server::new();
    server.space = Some(disk(500));
    server.write(
        CONFIG,
        "kube-apiserver-arg: [audit-log-path=/var/log/audit.log]\n",
    );
    server.apply();
    server.assert_writes("audit-log-maxbackup=10");
}

#[test]
fn an_image_does_not_know_its_disk_and_is_written() {
    let mut server = Server::new();
    server.surroundings = Surroundings::Image;
    server.policy("new_cluster = true\n");
    server.apply();
    server.assert_writes("audit-log-path");
}

#[test]
fn before_kube_apiserver_made_it_no_audit_log_is_named_in_a_directory_that_is_missing() {
    let mut server = Server::new();
    server.version = K3sVersion::new(24, 3);
    server.policy("[control.audit-log-directory]\nstate = \"off\"\n");
    let refused = server.refusals();
    server.assert_leaves_out("audit-log-path");
    assert!(
        refused.contains("/var/lib/rancher/k3s/server/logs"),
        "{refused}"
    );
}

/// Words of the unit's command are no way around it.
#[test]
fn a_command_of_ours_has_room_for_its_logs_too() {
    let mut server = Server::new();
    server.space = Some(disk(800));
    server.unit(
        "server --kube-apiserver-arg=audit-log-path=/var/log/audit.log --kube-apiserver-arg=audit-log-maxbackup=1 \
         --kube-apiserver-arg=audit-log-maxsize=10",
    );
    server.policy("unit_override = true\n");
    let refused = server.refusals();
    assert!(refused.contains("1100 MiB"), "{refused}");
    let ours = "/etc/systemd/system/k3s.service.d/zz-k3warden.conf";
    assert!(
        !server.has(ours) || !server.read(ours).contains("maxbackup=10"),
        "{refused}"
    );
    server.space = Some(disk(1600));
    server.apply();
    assert!(server.read(ours).contains("maxbackup=10"));
}
