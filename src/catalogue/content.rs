//! The contents of files that we write, chosen by name.
//!
//! A content is a template: `{parameter:NAME}` stands for a value of the control's parameters,
//! `{parameter:NAME+option:OPTION}` for a list with the value of a K3s option added.

macro_rules! contents {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("content/", $name, ".yaml")))),*]
    };
}

const CONTENTS: &[(&str, &str)] = contents![
    "audit",
    "eventratelimit",
    "netpol-default",
    "netpol-dns",
    "netpol-kube-public",
    "netpol-kube-system",
    "netpol-metrics-server",
    "netpol-namespace",
    "netpol-servicelb",
    "netpol-servicelb-default",
    "netpol-servicelb-kube-public",
    "netpol-servicelb-namespace",
    "netpol-traefik",
    "netpol-traefik-v1",
    "psa",
    "psp",
    "psp-cis-operator",
    "psp-cis-operator-role",
    "psp-kube-system",
    "serviceaccount-default",
    "serviceaccount-kube-node-lease",
    "serviceaccount-kube-public",
    "serviceaccount-kube-system",
];

/// The template of that name.
#[must_use]
pub fn content(name: &str) -> Option<&'static str> {
    CONTENTS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

pub(super) fn names() -> Vec<&'static str> {
    CONTENTS.iter().map(|(name, _)| *name).collect()
}

pub(super) fn digest_input() -> Vec<u8> {
    CONTENTS.iter().flat_map(|(_, text)| text.bytes()).collect()
}
