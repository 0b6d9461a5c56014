//! Amounts of the kubelet, of flags and files alike: what is reserved, and how large a container's log may grow (kubernetes
//! `cmd/kubelet/app/server.go` parseResourceList, `pkg/kubelet/logs/container_log_manager.go`, `pkg/util/flag/flags.go`).

use super::eviction::pairs;
use super::{Given, KubeletSettings, Line, end, end_at};
use crate::k3s::quantity::{NoQuantity, Quantity};

const RESOURCES: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pid"];

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    for names in [
        ("kube-reserved", "kubeReserved"),
        ("system-reserved", "systemReserved"),
    ] {
        reserved(line, settings, names);
    }
    log_size(line, settings);
    memory(line);
}

fn reserved(line: &mut Line<'_>, settings: &KubeletSettings, names: (&str, &str)) {
    let given = pairs(line, settings, names, '=');
    let wrong = given.iter().find_map(|(resource, setting)| {
        let value = &setting.value;
        let why = match Quantity::parse(value) {
            _ if !RESOURCES.contains(&resource.as_str()) => {
                format!("cannot reserve {resource:?} resource")
            }
            Ok(quantity) if quantity.is_negative() => {
                format!("resource quantity for {resource:?} cannot be negative: {value}")
            }
            Ok(_) => return None,
            Err(why) => format!(
                "failed to parse quantity {value:?} for {resource:?} resource: {}",
                why.words()
            ),
        };
        Some((why, setting))
    });
    if let Some((why, setting)) = wrong {
        let reason = format!(
            "failed to run Kubelet: --{} value failed to parse: {why}",
            names.0
        );
        end(line, &reason, setting);
    }
}

fn log_size(line: &mut Line<'_>, settings: &KubeletSettings) {
    let names = ("container-log-max-size", "containerLogMaxSize");
    let Some(given) = Given::of(line, settings, names.0, names.1) else {
        return;
    };
    let why = match Quantity::parse(given.text()) {
        // The kubelet fills in for a file that says nothing.
        Err(NoQuantity::Format) if given.text().is_empty() && line.last(names.0).is_none() => {
            return;
        }
        Ok(quantity) if quantity.is_integer() => return,
        Ok(_) => "invalid max log size",
        Err(why) => why.words(),
    };
    let reason = format!(
        "failed to run Kubelet: failed to create kubelet: failed to initialize container log manager: failed to parse container \
         log max size {:?}: {why}",
        given.text()
    );
    end_at(line, &reason, given.place);
}

/// `0:memory=1Gi,hugepages-2M=1Gi;1:memory=1Gi`.
fn memory(line: &mut Line<'_>) {
    let flag = "reserved-memory";
    let given = line.flags.effective(line.arguments, flag);
    let wrong = given
        .into_iter()
        .find_map(|argument| Some((no_memory(&argument.value)?, argument)));
    if let Some((why, argument)) = wrong {
        let reason = format!(
            "failed to parse kubelet flag: invalid argument {:?} for \"--{flag}\" flag: {why}",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
}

fn no_memory(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    text.split(';').find_map(|reservation| {
        let mut halves = reservation.split(':');
        let (Some(node), Some(limits), None) = (halves.next(), halves.next(), halves.next()) else {
            return Some(format!(
                "the reserved memory has incorrect format, expected numaNodeID:type=quantity[,type=quantity...], got {reservation}"
            ));
        };
        if node.parse::<i64>().is_err() {
            return Some(format!(
                "failed to convert the NUMA node ID, expected integer, got {node}"
            ));
        }
        limits.split(',').find_map(no_limit)
    })
}

fn no_limit(limit: &str) -> Option<String> {
    let mut halves = limit.split('=');
    let (Some(kind), Some(quantity), None) = (halves.next(), halves.next(), halves.next()) else {
        return Some(format!(
            "the reserved limit has incorrect value, expected type=quantity, got {limit}"
        ));
    };
    if kind != "memory" && !kind.starts_with("hugepages-") {
        return Some(format!(
            "memory type conversion error, unknown type: {kind:?}"
        ));
    }
    Quantity::parse(quantity)
        .is_err()
        .then(|| format!("failed to parse the quantity: {quantity}"))
}
