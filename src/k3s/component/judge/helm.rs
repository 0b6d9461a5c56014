//! The arguments of K3s's Helm controller (K3s pkg/cli/server/server.go; helm-controller `pkg/app`, `pkg/config`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::k3s::Ending;
use crate::k3s::component::extra;
use crate::k3s::component::options::Options;
use crate::k3s::component::{Argument, Node};
use crate::k3s::go_value::{boolean, integer};

/// Its flags that hold text.
const TEXTS: [&str; 9] = [
    "controller-name",
    "default-job-image",
    "job-cluster-role",
    "job-resources",
    "job-tolerations",
    "kubeconfig",
    "master-url",
    "namespace",
    "node-name",
];

/// Its flags are read in K3s's order up to the first that is wrong, which is passed over; a number that is none is nought.
/// Then it wants a thread, and JSON where JSON belongs.
pub(super) fn endings(options: Options<'_>, node: &Node) -> Option<Ending> {
    if options.on("disable-helm-controller") {
        return None;
    }
    let items = options.items("helm-controller-arg");
    let line = extra::merge(BTreeMap::new(), items, node.version);
    let wrong = line
        .iter()
        .position(|argument| !is_read(argument))
        .unwrap_or(line.len());
    // The one that is wrong has left its mark.
    let read = line.get(..=wrong).unwrap_or(&line);
    let last = |flag: &str| read.iter().rev().find(|argument| argument.flag == flag);
    let refused = |flag: &str, what: &str, fits: fn(&Value) -> bool| {
        let argument = last(flag)?;
        let text = argument.value.trim();
        let value = serde_json::from_str::<Value>(text);
        let is_json = text.is_empty() || value.is_ok_and(|value| value.is_null() || fits(&value));
        (!is_json).then(|| (format!("invalid {what} JSON"), argument))
    };
    let threads = || {
        let argument = last("threads")?;
        let count = integer(&argument.value).unwrap_or(0);
        let reason =
            format!("cannot start with thread count of {count}, please pass a proper thread count");
        (count <= 0).then_some((reason, argument))
    };
    let (reason, argument) = refused("job-resources", "job-resources", Value::is_object)
        .or_else(|| refused("job-tolerations", "--job-tolerations", Value::is_array))
        .or_else(threads)?;
    let reason = format!("failed to parse helm-controller-arg: {reason}");
    Some(Ending::of_k3s(reason, Some(&argument.place)))
}

fn is_read(argument: &Argument) -> bool {
    match argument.flag.as_str() {
        "debug" => boolean(&argument.value).is_some(),
        "debug-level" | "pprof-port" | "threads" => integer(&argument.value).is_some(),
        text => TEXTS.contains(&text),
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::ending;

    #[test]
    fn the_helm_controller_wants_a_thread_and_json() {
        let threads = "thread count of";
        for (items, words) in [
            (&["threads=x"][..], threads),
            (&["threads=0"], threads),
            (&["threads=-1"], threads),
            (&["default-job-image=a", "threads=0"], threads),
            (&["job-resources=x"], "invalid job-resources JSON"),
            (&["job-resources=[]"], "invalid job-resources JSON"),
            (&["job-tolerations={}"], "invalid --job-tolerations JSON"),
            (&["threads=3", "job-tolerations=[]", "job-resources="], ""),
            (&["no-such-flag=1", "threads=0"], ""),
        ] {
            let reason = ending("helm-controller-arg", items).unwrap_or_default();
            let as_said = reason.contains(words) && reason.is_empty() == words.is_empty();
            assert!(as_said, "{items:?}: {reason}");
        }
    }
}
