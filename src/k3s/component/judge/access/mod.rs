//! Who may call the apiserver: authentication and authorization flags and files.
//!
//! kubernetes `pkg/kubeapiserver/options/{authentication,authorization}.go`.

mod authentication;
mod authentication_file;
mod authorization;
mod authorization_file;
mod decided;
mod issuer;

use std::path::Path;

use super::Line;
use crate::k3s::component::Argument;
use crate::k3s::component::in_force::InForce;
use crate::k3s::component::releases::Since;

pub(super) use decided::decided;

/// Judges both.
pub(super) fn judge(line: &mut Line<'_>) {
    authentication::judge(line);
    authorization::judge(line);
}

/// From these releases on at the earliest K3s asks with the rights of its own controller whether the apiserver is ready before it starts
/// anything else (K3s 529e748ac, whose backports were not looked for); before, with all rights.
const WAITS_SINCE: &str = "1.29.15+1.30.11+1.31.7+1.32.3";
/// From here on a real one was asked (1.24.4, 1.31.4).
const SEEN_SINCE_MINOR: u16 = 24;

/// The mode with which nobody who comes without a certificate of the node or the system may read `/readyz`: the apiserver serves and
/// is never ready, and K3s waits a quarter of an hour before it starts anything else (K3s pkg/util/api.go, pkg/executor/embed).
pub(super) fn never_ready<'a>(line: &Line<'a>) -> Option<&'a Argument> {
    closes(line).filter(|_| !is_asked_with_all_rights(line))
}

/// The same mode where the others are started all the same.
pub(super) fn forbids_the_others<'a>(line: &Line<'a>) -> Option<&'a Argument> {
    closes(line).filter(|_| is_asked_with_all_rights(line))
}

fn is_asked_with_all_rights(line: &Line<'_>) -> bool {
    let waits = Since::parse(WAITS_SINCE).is_some_and(|since| since.reached(line.node.version));
    !waits && line.minor() >= SEEN_SINCE_MINOR
}

/// What gives the modes if none of them lets anybody else in.
fn closes<'a>(line: &Line<'a>) -> Option<&'a Argument> {
    let by_file = decided(line).remove(&(line.component, "authorization-mode"));
    // K3s gives modes of its own beside a file of the operator's.
    let decides = match by_file {
        Some(_) => "authorization-config",
        None => "authorization-mode",
    };
    let argument = line.given(decides)?;
    let modes = match by_file {
        Some(InForce::List { elements }) => elements.into_iter().map(|(mode, _)| mode).collect(),
        Some(_) => return None,
        None => {
            let words = line.words("authorization-mode").into_iter();
            words.map(|(mode, _)| mode.to_owned()).collect::<Vec<_>>()
        }
    };
    // What a webhook or a policy file allows is not known here.
    let closed = |mode: &String| matches!(mode.as_str(), "Node" | "AlwaysDeny");
    (!modes.is_empty() && modes.iter().all(closed)).then_some(argument)
}

/// Whether the apiserver takes the certificates that K3s and its components come with, as far as is known here; behind one that
/// does not it is never ready either.
pub(super) fn admits_k3s(line: &Line<'_>) -> bool {
    let authority = line.node.data_dir.join("server/tls/client-ca.crt");
    let Some(given) = line.given("client-ca-file") else {
        return line.last("client-ca-file").is_none();
    };
    let path = line.node.named_file(&given.value);
    let content = |path: &Path| line.files.read(path).ok().flatten();
    let holds = |bundle: Vec<u8>, own: Vec<u8>| {
        let own = own.trim_ascii();
        !own.is_empty() && bundle.windows(own.len()).any(|part| part == own)
    };
    path == authority
        || content(&path)
            .zip(content(&authority))
            .is_some_and(|(bundle, own)| holds(bundle, own))
}

fn gate_on(line: &Line<'_>, name: &str) -> bool {
    let wanted = format!("{name}=true");
    line.words("feature-gates")
        .iter()
        .any(|(pair, _)| pair.rsplit(':').next() == Some(wanted.as_str()))
}

/// Versions of the two files: v1 since the minor given, v1beta1 since 1.30, v1alpha1 since 1.29.
fn versions(line: &Line<'_>, stable_since: u16) -> Vec<&'static str> {
    let mut versions = vec!["apiserver.config.k8s.io/v1alpha1"];
    if line.minor() >= 30 {
        versions.push("apiserver.config.k8s.io/v1beta1");
    }
    if line.minor() >= stable_since {
        versions.push("apiserver.config.k8s.io/v1");
    }
    versions
}
