//! What a cluster that is only being made does not come through.

use super::Process;
use crate::k3s::Ending;
use crate::k3s::component::Component;
use crate::k3s::component::situation::has_own_etcd;

/// A plug-in that denies everything denies the priority classes that the apiserver makes at the first start, and ends it
/// (kubernetes `pkg/registry/scheduling/rest` AddSystemPriorityClasses). A cluster that has them goes on.
pub(super) fn denied(process: Process<'_>) -> Option<Ending> {
    let Process {
        options,
        node,
        files,
        ..
    } = process;
    let elsewhere =
        options.text("datastore-endpoint").is_some() || has_own_etcd(options, node, files);
    let database = node.data_dir.join("server/db");
    if elsewhere || !matches!(files.kind(&database), Ok(None)) {
        return None;
    }
    let line = process.line(Component::Apiserver);
    let words = line.words("enable-admission-plugins").into_iter();
    let (_, argument) = words.rev().find(|(name, _)| *name == "AlwaysDeny")?;
    let reason = "PostStartHook \"scheduling/bootstrap-system-priority-classes\" failed: unable to add default system priority classes";
    Some(line.ending(reason, Some(argument)))
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
