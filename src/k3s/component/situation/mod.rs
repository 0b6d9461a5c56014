//! What K3s's own arguments depend on: the options, the version, and a few files.

mod addresses;
mod beside;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use super::extra;
use super::options::Options;
use super::{AUTO, Node};
use crate::k3s::{self, Files, Place, Role};
pub(super) use beside::has_own_etcd;
use names::DECIDED_BY;
#[cfg(test)]
pub(super) use names::{CONDITIONS, VALUES};

/// Values and conditions for the table of defaults.
#[derive(Debug, Clone, Default)]
pub(super) struct Situation {
    values: BTreeMap<&'static str, String>,
    conditions: BTreeSet<&'static str>,
    places: BTreeMap<&'static str, Place>,
}

impl Situation {
    /// Looks at the merged options and, for the data store and the credential provider, at files.
    pub(super) fn of(options: Options<'_>, node: &Node, files: &Files<'_>) -> Self {
        let mut situation = Self::default();
        situation.paths(options, node);
        situation.addresses(options, node);
        situation.networks(options, node);
        situation.datastore(options, node, files);
        situation.switches(options, node);
        situation.runtime(options, node);
        situation.credential_provider(options, files);
        for (name, deciding) in DECIDED_BY {
            if let Some(place) = deciding.iter().find_map(|option| options.place(option)) {
                situation.places.insert(name, place.clone());
            }
        }
        situation
    }

    /// The option that decided a value or a condition; `None` where K3s's own default did.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        self.places.get(name).cloned()
    }

    /// Whether a condition holds.
    pub(super) fn holds(&self, condition: &str) -> bool {
        self.conditions.contains(condition)
    }

    /// Puts values into `{name}`.
    pub(super) fn fill(&self, template: &str) -> String {
        let mut text = String::with_capacity(template.len());
        let mut parts = template.split('{');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            text.push_str(self.value(name));
            text.push_str(rest);
        }
        text
    }

    /// A value by name.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    fn put(&mut self, name: &'static str, value: impl Into<String>) {
        self.values.insert(name, value.into());
    }

    fn when(&mut self, name: &'static str, holds: bool) {
        if holds {
            self.conditions.insert(name);
        }
    }

    /// A value that is also a condition: given or not.
    fn given(&mut self, name: &'static str, value: Option<&str>) {
        self.when(name, value.is_some());
        self.put(name, value.unwrap_or_default());
    }

    fn paths(&mut self, options: Options<'_>, node: &Node) {
        let data = node.data_dir.display();
        self.put("server", format!("{data}/server"));
        self.put("agent", format!("{data}/agent"));
        self.put("auto", AUTO);
        self.put(
            "cluster-domain",
            options
                .set_to("cluster-domain")
                .unwrap_or(if node.role == Role::Server {
                    "cluster.local"
                } else {
                    AUTO
                }),
        );
        self.put("resolv-conf", options.text("resolv-conf").unwrap_or(AUTO));
        self.pause_image(options, node);
        for (name, option) in [("vmodule", "vmodule"), ("log", "log")] {
            self.given(name, options.text(option));
        }
        self.given("v", options.text("v").filter(|level| *level != "0"));
    }

    /// The image of the pods' sandboxes. The system's registry goes before its name, unless that names it already (K3s
    /// pkg/agent/config/config.go); an agent gets the registry from its server.
    fn pause_image(&mut self, options: Options<'_>, node: &Node) {
        let own = || {
            let known = k3s::Options::of(node.role, node.version).find("pause-image")?;
            known.default
        };
        let image = options.set_to("pause-image").or_else(own);
        let image = image.unwrap_or_default();
        let registry = options.text("system-default-registry");
        let shown = match registry {
            Some(registry) if !image.starts_with(registry) => format!("{registry}/{image}"),
            _ => image.to_owned(),
        };
        self.given("pause-image", (!image.is_empty()).then_some(shown.as_str()));
    }

    fn switches(&mut self, options: Options<'_>, node: &Node) {
        let apiserver = options.items("kube-apiserver-arg");
        for name in ["authentication-config", "authorization-config"] {
            self.when(
                name,
                !extra::find(name, apiserver, node.version).text().is_empty(),
            );
        }
        for name in [
            "alsologtostderr",
            "flannel-external-ip",
            "multi-cluster-cidr",
            "protect-kernel-defaults",
            "secrets-encryption",
        ] {
            self.when(name, options.on(name));
        }
        let reset = options.on("cluster-reset");
        self.when(
            "cloud-controller",
            !options.on("disable-cloud-controller") && !reset,
        );
        // `no-deploy` is the same list under its first name, as long as K3s knows it.
        let servicelb = ["disable", "no-deploy"]
            .into_iter()
            .flat_map(|name| options.words(name))
            .any(|(word, _)| word == "servicelb");
        self.when("servicelb", !servicelb && !reset);
        let flannel = options.text("flannel-backend") != Some("none") && !options.on("no-flannel");
        self.when("flannel", flannel);
        let egress = options.text("egress-selector-mode").unwrap_or("agent");
        self.when("egress-selector", egress != "disabled");
        let list = |name: &str| -> Vec<&str> {
            let items = options.items(name).iter();
            items.map(|sourced| sourced.value.as_str()).collect()
        };
        self.put("node-labels", list("node-label").join(","));
        let taints = list("node-taint");
        self.when("node-taints", !taints.is_empty());
        self.put("node-taints", taints.join(","));
    }
}

#[cfg(test)]
mod tests;
