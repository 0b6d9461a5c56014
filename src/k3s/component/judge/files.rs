//! Files that an argument points at.

use std::path::PathBuf;

use super::Line;
use crate::host::Kind;
use crate::k3s::component::document::Document;
use crate::k3s::component::{AUTO, Argument, SECRET};

/// Reads the file of an argument as YAML; on failure the component ends, with `prefix` before the reason. `None`
/// without an end: only root may read it.
pub(super) fn document(line: &mut Line<'_>, argument: &Argument, prefix: &str) -> Option<Document> {
    let path = line.node.named_file(&argument.value);
    let reason = match line.files.read(&path) {
        Ok(Some(bytes)) => match Document::parse(&bytes) {
            Ok(document) => return Some(document),
            Err(reason) => format!("{prefix}: {} is not YAML: {reason}", path.display()),
        },
        Ok(None) => format!(
            "{prefix}: open {}: no such file or directory",
            path.display()
        ),
        // K3s runs as root and can read it; that we cannot says nothing of its start.
        Err(error) if error.is_permission_denied() => return None,
        Err(error) => format!("{prefix}: {error}"),
    };
    line.end(&reason, Some(argument));
    None
}

/// Ends the component when the operator names a file that is not there.
pub(super) fn must_exist(line: &mut Line<'_>, flags: &[&str]) {
    for flag in flags {
        for argument in line.flags.effective(line.arguments, flag) {
            if let Some(path) = absent(line, &argument.value) {
                let reason = format!(
                    "--{flag}: open {}: no such file or directory",
                    path.display()
                );
                line.end(&reason, Some(argument));
            }
        }
    }
}

/// Where a file would be that is not there.
///
/// K3s's own files come into being at its start, and so do those of an operator who repeats their paths.
pub(super) fn absent(line: &Line<'_>, named: &str) -> Option<PathBuf> {
    let is_known = ![AUTO, SECRET].iter().any(|hidden| named.contains(hidden));
    if named.is_empty() || !is_known || made_by_k3s(line, named) {
        return None;
    }
    let path = line.node.named_file(named);
    let is_there = match line.files.kind(&path) {
        Ok(kind) => kind == Some(Kind::File),
        // K3s runs as root and can look there.
        Err(error) => error.is_permission_denied(),
    };
    (!is_there).then_some(path)
}

/// Whether K3s makes a file itself, at its start.
pub(super) fn made_by_k3s(line: &Line<'_>, path: &str) -> bool {
    let data = &line.node.data_dir;
    ["server/tls", "server/cred", "server/etc", "agent"]
        .iter()
        .any(|part| line.node.named_file(path).starts_with(data.join(part)))
}
