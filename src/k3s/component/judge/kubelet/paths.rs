//! Files that the kubelet reads at its start.

use super::{KubeletSettings, Line, Setting, end};
use crate::k3s::component::judge::files;

const CLIENT_CA: &str = "authentication.x509.clientCAFile";

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    if let Some((setting, path)) = missing(line, settings, CLIENT_CA) {
        let reason = format!("failed to run Kubelet: open {path}: no such file or directory");
        end(line, &reason, setting);
    }
    kubeconfig(line);
    credential_provider(line);
    // A certificate from the cluster takes the place of the files.
    if settings.on("serverTLSBootstrap") == Some(true) {
        return;
    }
    if let Some((setting, path)) = missing(line, settings, "tlsCertFile") {
        let reason = format!(
            "failed to run Kubelet: failed to create kubelet: failed to initialize file based certificate manager: unable \
             to set up dynamic certificate manager for kubelet server cert files: open {path}: no such file or directory"
        );
        end(line, &reason, setting);
    }
}

/// Its way to the apiserver, which it asks whom to let in (`cmd/kubelet/app/{server,auth}.go`). One that is made from a
/// bootstrap-kubeconfig need not be there.
fn kubeconfig(line: &mut Line<'_>) {
    let Some(argument) = line.last("kubeconfig") else {
        return;
    };
    if line.given("bootstrap-kubeconfig").is_some() {
        return;
    }
    let path = line.node.named_file(&argument.value);
    let is_missing =
        !files::made_by_k3s(line, &argument.value) && matches!(line.files.kind(&path), Ok(None));
    let reason = match argument.value.is_empty() {
        true => "no client provided, cannot use webhook authentication".to_owned(),
        false if is_missing => format!(
            "invalid kubeconfig: stat {}: no such file or directory",
            path.display()
        ),
        false => return,
    };
    line.end(&format!("failed to run Kubelet: {reason}"), Some(argument));
}

/// Behind a gate until 1.26 (`pkg/kubelet/kuberuntime/kuberuntime_manager.go`).
fn credential_provider(line: &mut Line<'_>) {
    let Some(argument) = line.given("image-credential-provider-config") else {
        return;
    };
    let path = line.node.named_file(&argument.value);
    if line.minor() >= 26 && matches!(line.files.kind(&path), Ok(None)) {
        let reason = format!(
            "Failed to register CRI auth plugins: open {}: no such file or directory",
            path.display()
        );
        line.end(&reason, Some(argument));
    }
}

fn missing<'s>(
    line: &Line<'_>,
    settings: &'s KubeletSettings,
    path: &str,
) -> Option<(&'s Setting, String)> {
    let setting = settings
        .get(path)
        .filter(|setting| !setting.value.is_empty())?;
    let named = line.node.named_file(&setting.value);
    let is_missing =
        !files::made_by_k3s(line, &setting.value) && matches!(line.files.kind(&named), Ok(None));
    is_missing.then(|| (setting, named.display().to_string()))
}
