//! What a cluster that is only being made does not come through.

use super::Process;
use crate::k3s::component::Component;
use crate::k3s::component::situation::has_own_etcd;
use crate::k3s::go_value::boolean;
use crate::k3s::{Ending, Place};

/// A plug-in that denies everything denies the priority classes that the apiserver makes at the first start, and ends it
/// (kubernetes `pkg/registry/scheduling/rest` AddSystemPriorityClasses). A cluster that has them goes on.
pub(super) fn denied(process: Process<'_>) -> Option<Ending> {
    if !is_first(process) {
        return None;
    }
    let line = process.line(Component::Apiserver);
    let words = line.words("enable-admission-plugins").into_iter();
    let (_, argument) = words.rev().find(|(name, _)| *name == "AlwaysDeny")?;
    let reason = "PostStartHook \"scheduling/bootstrap-system-priority-classes\" failed: unable to add default system priority classes";
    Some(line.ending(reason, Some(argument)))
}

/// K3s gives the controllers of clouds no rights of their own. Who has given them some, in the cluster or by a manifest, has a K3s
/// that starts. Read in nothing: asked of a real 1.24.4, 1.31.4 and 1.36.3.
pub(super) fn without_rights(process: Process<'_>) -> Option<Ending> {
    let line = process.line(Component::CloudControllerManager);
    let argument = line.last("use-service-account-credentials")?;
    let manifests = process.node.data_dir.join("server/manifests");
    let may_have_rights = !is_first(process)
        || !matches!(process.files.kind(&manifests), Ok(None))
        || [Component::Apiserver, Component::CloudControllerManager]
            .into_iter()
            .any(|component| gives_other_rights(process, component));
    let is_on = boolean(&argument.value) == Some(true) && (24..=36).contains(&line.minor());
    if !is_on || may_have_rights {
        return None;
    }
    let reason = match line.minor() {
        24..31 => {
            "serviceaccounts \"node-controller\" is forbidden: User \"k3s-cloud-controller-manager\" cannot get resource \"serviceaccounts\""
        }
        _ => {
            "failed to get token for kube-system/service-lb-controller: timed out waiting for the condition"
        }
    };
    Some(line.ending(reason, Some(argument)))
}

/// Whether the operator has a word about who may do what, or what runs.
fn gives_other_rights(process: Process<'_>, component: Component) -> bool {
    let mut arguments = process.components.line(component).iter();
    arguments.any(|argument| {
        let flag = argument.flag.as_str();
        let is_about_it = flag.starts_with("authentication-")
            || flag.starts_with("authorization-")
            || ["controllers", "kubeconfig", "master"].contains(&flag);
        is_about_it && argument.place != Place::Default
    })
}

/// Whether K3s is to make a cluster of its own that is not there yet.
fn is_first(process: Process<'_>) -> bool {
    let Process {
        options,
        node,
        files,
        ..
    } = process;
    let elsewhere =
        options.text("datastore-endpoint").is_some() || has_own_etcd(options, node, files);
    let database = node.data_dir.join("server/db");
    !elsewhere && matches!(files.kind(&database), Ok(None))
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::with_files;

    #[test]
    fn a_new_cluster_that_denies_everything_has_no_priority_classes() {
        let item = "enable-admission-plugins=NodeRestriction,AlwaysDeny";
        let ends = |files: &[(&str, &str)], more: &[(&'static str, &'static str)]| {
            let mut options = vec![("kube-apiserver-arg", vec![item])];
            options.extend(more.iter().map(|(name, value)| (*name, vec![*value])));
            let start = with_files(options, files, "1.36.3", Role::Server);
            !start.endings.is_empty()
        };
        assert!(ends(&[], &[]));
        let database = ("/var/lib/rancher/k3s/server/db/state.db", "");
        assert!(!ends(&[database], &[]), "it has its classes");
        let elsewhere = ("datastore-endpoint", "mysql://a");
        assert!(!ends(&[], &[elsewhere]), "who knows what is there");
    }
}
