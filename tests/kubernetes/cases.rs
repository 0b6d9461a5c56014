//! Reads the table of what an operator may give the apiserver, and lays it over a node.

use serde::Deserialize;

use crate::node::{CONFIG, Node};

const TABLE: &str = include_str!("cases.toml");
const AUDIT: &str = "/etc/audit.yaml";
const ADMISSION: &str = "/etc/admission.yaml";

#[derive(Deserialize)]
struct Table {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    #[serde(default)]
    arguments: Vec<String>,
    audit: Option<String>,
    admission: Option<String>,
    /// What both say; `None` where both take it.
    pub reason: Option<String>,
}

pub fn all() -> Vec<Case> {
    toml::from_str::<Table>(TABLE).unwrap().case
}

impl Case {
    /// The node of an operator who wrote so.
    pub fn node(&self, version: &'static str) -> Node {
        let node = Node::server(version);
        let mut arguments = self.arguments.clone();
        for (flag, path, content) in [
            ("audit-policy-file", AUDIT, &self.audit),
            ("admission-control-config-file", ADMISSION, &self.admission),
        ] {
            if let Some(content) = content {
                node.write(path, content);
                arguments.push(format!("{flag}={path}"));
            }
        }
        // A list of JSON is one of YAML.
        let arguments = serde_json::to_string(&arguments).unwrap();
        node.write(CONFIG, &format!("kube-apiserver-arg: {arguments}\n"));
        node
    }
}
