//! kube-scheduler (`cmd/kube-scheduler/app/options`).

use super::{
    Line, apiserver_clients, common, component_file, emulated, files, manager_files, metrics,
    ports, tls,
};
use crate::k3s::component::options::Options;
use crate::k3s::component::{Component, Components};

/// Judges everything that the scheduler checks before it runs.
pub(super) fn judge(line: &mut Line<'_>, components: &Components, options: Options<'_>) {
    ports::of_another(
        line,
        components,
        &[Component::Apiserver, Component::ControllerManager],
    );
    ports::of_k3s(line, options);
    // Up to 1.22 it serves there (kubernetes PR 96345).
    if line.minor() >= 23 {
        common::no_insecure_port(line, &["port"]);
    }
    common::range(line, "secure-port", 0, 65535);
    tls::serving(line);
    metrics::metric_labels(line);
    apiserver_clients::leader_election(line);
    metrics::hidden_metrics(line);
    emulated::judge(line);
    apiserver_clients::delegation(line);
    files::must_exist(
        line,
        &["kubeconfig", "tls-cert-file", "tls-private-key-file"],
    );
    match line.given(component_file::FLAG) {
        Some(argument) => component_file::scheduler(line, argument),
        // Its file can say how it gets there.
        None => {
            apiserver_clients::no_cluster(line);
            apiserver_clients::election_times(line);
        }
    }
    if line.minor() == 36 {
        files::must_exist(line, &[manager_files::LABELS]);
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::ending;

    #[test]
    fn the_scheduler_cannot_have_the_port_of_the_controller_manager() {
        let of = |item: &str| ending("kube-scheduler-arg", &[item]).unwrap_or_default();
        let taken = of("secure-port=10257");
        assert!(
            taken.contains("listen tcp 127.0.0.1:10257: bind: address already in use"),
            "{taken}"
        );
        assert_eq!(of("secure-port=10299"), "");
        assert_eq!(of("secure-port=0"), "");
    }
}
