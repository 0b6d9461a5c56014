//! The files that the kubelet merges from its drop-in directory, in its order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Extracted, NoSettings};
use crate::host::{HostError, Kind};
use crate::k3s::Files;
use crate::k3s::component::document::Document;
use crate::k3s::component::schema::repeated;
use crate::k3s::component::{Component, Node};
use crate::k3s::yaml::key_lines;
use crate::k3s::{Ending, Place};

/// Directories below the drop-in directory are walked; deeper than this nobody nests them.
const DEEPEST: usize = 8;
/// K3s's own file, written anew at every start.
pub(super) const DEFAULTS: &str = "00-k3s-defaults.conf";

/// A file that the kubelet will read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The name by which it sorts in the drop-in directory; `20-cli-config-dir/x.conf` for a nested one.
    name: String,
    /// Where its content lies now.
    path: PathBuf,
}

/// A file with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::k3s::component) struct DropIn {
    /// Whether it sorts before K3s's own file.
    pub(super) before_defaults: bool,
    /// Where its content lies.
    pub(super) path: PathBuf,
    /// What is in it.
    pub(super) content: Document,
    /// Where its keys stand, by their paths.
    lines: BTreeMap<String, usize>,
}

impl DropIn {
    /// The file as a whole.
    pub(super) fn place(&self) -> Place {
        self.line(1)
    }

    /// What gave the value of a field, `authentication.anonymous.enabled`: its line, or that of what it is in.
    pub(super) fn place_of(&self, field: &str) -> Place {
        let mut path = field;
        loop {
            if let Some(line) = self.lines.get(path) {
                return self.line(*line);
            }
            let Some((parent, _)) = path.rsplit_once('.') else {
                return self.place();
            };
            path = parent;
        }
    }

    fn line(&self, line: usize) -> Place {
        Place::File {
            path: self.path.clone(),
            line,
        }
    }
}

/// Reads every drop-in that the next start would merge, in the kubelet's order.
///
/// The kubelet walks the directory in byte order, goes into directories, and reads the names that end in `.conf`.
///
/// # Errors
/// The reason for which the kubelet, or K3s before it, would end; or a file that cannot be looked at.
pub(super) fn read(
    directory: &Path,
    extracted: &Extracted,
    node: &Node,
    files: &Files<'_>,
) -> Result<Vec<DropIn>, NoSettings> {
    let mut sources = Vec::new();
    walk(directory, "", files, DEEPEST, &mut sources)?;
    if let Some(file) = &extracted.file {
        let path = node.named_file(&file.value);
        if !path.starts_with(directory) {
            readable(&path, files, "config", &file.place)?;
            replace(&mut sources, "10-cli-config.conf", path);
        }
    }
    if let Some(given) = &extracted.directory {
        let path = node.named_file(&given.value);
        if !path.starts_with(directory) {
            if !matches!(files.kind(&path), Ok(Some(_))) {
                return Err(missing("config-dir", &path, &given.place).into());
            }
            let mut nested = Vec::new();
            walk(&path, "20-cli-config-dir/", files, DEEPEST, &mut nested)?;
            for source in nested {
                replace(&mut sources, &source.name, source.path);
            }
        }
    }
    // A directory sorts by its own name, so the parts of a path are compared one by one.
    sources.sort_by(|one, other| one.name.split('/').cmp(other.name.split('/')));
    sources
        .into_iter()
        .filter(|source| source.name != DEFAULTS)
        .map(|source| Ok(without_repeats(load(source, files)?, directory)?))
        .collect()
}

/// Whether the kubelet finds anything in a directory of the operator's that it walks itself (`cmd/kubelet/app/server.go`
/// mergeKubeletConfigurations): a link it does not follow (Go's `filepath.WalkDir`).
///
/// # Errors
/// The reason for which the kubelet would end; or it cannot be looked at.
pub(super) fn is_walked(
    directory: &Path,
    place: &Place,
    files: &Files<'_>,
) -> Result<bool, NoSettings> {
    if files.link_target(directory)?.is_some() {
        return Ok(false);
    }
    if !matches!(files.kind(directory), Ok(None)) {
        return Ok(true);
    }
    let reason = format!(
        "failed to merge kubelet configs: failed to walk through kubelet dropin directory {directory:?}: lstat {}: no such file or \
         directory",
        directory.display()
    );
    Err(Ending::of(Component::Kubelet, &reason, Some(place.clone())).into())
}

/// Drop-ins are decoded strictly, which only a key that stands twice shows: they are no KubeletConfiguration yet
/// (`pkg/kubelet/kubeletconfig/util/codec` DecodeKubeletConfigurationIntoJSON).
fn without_repeats(file: DropIn, directory: &Path) -> Result<DropIn, Ending> {
    let Some(reason) = repeated(&file.content) else {
        return Ok(file);
    };
    let reason = format!(
        "failed to merge kubelet configs: failed to walk through kubelet dropin directory {directory:?}: failed to load \
         kubelet dropin file, path: {}, error: strict decoding error: {reason}",
        file.path.display()
    );
    Err(Ending::of(Component::Kubelet, &reason, Some(file.place())))
}

/// Reads the one configuration file of a kubelet before 1.32 (`kubelet-arg: config=FILE`).
///
/// # Errors
/// As [`read`].
pub(super) fn read_one(
    path: PathBuf,
    place: &Place,
    files: &Files<'_>,
) -> Result<DropIn, NoSettings> {
    if !matches!(files.kind(&path), Ok(Some(Kind::File))) {
        let reason = format!(
            "failed to load kubelet config file, path: {}: no such file",
            path.display()
        );
        return Err(Ending::of(Component::Kubelet, &reason, Some(place.clone())).into());
    }
    let name = String::new();
    load(Source { name, path }, files)
}

fn replace(sources: &mut Vec<Source>, name: &str, path: PathBuf) {
    sources.retain(|source| source.name != name);
    sources.push(Source {
        name: name.to_owned(),
        path,
    });
}

fn walk(
    directory: &Path,
    prefix: &str,
    files: &Files<'_>,
    depth: usize,
    found: &mut Vec<Source>,
) -> Result<(), HostError> {
    if depth == 0 {
        return Ok(());
    }
    for entry in files.listing(directory)?.unwrap_or_default() {
        let path = directory.join(&entry.name);
        let name = format!("{prefix}{}", entry.name.to_string_lossy());
        if entry.is_directory {
            walk(&path, &format!("{name}/"), files, depth - 1, found)?;
        } else if name.ends_with(".conf") {
            found.push(Source { name, path });
        }
    }
    Ok(())
}

/// What the kernel refuses us for want of privilege, it need not refuse K3s.
fn load(source: Source, files: &Files<'_>) -> Result<DropIn, NoSettings> {
    let refuse = |reason: String| {
        let path = source.path.clone();
        let reason = format!("drop-in {}: {reason}", path.display());
        let from = Place::File { path, line: 1 };
        Ending::of(Component::Kubelet, &reason, Some(from))
    };
    let bytes = match files.read(&source.path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(refuse("it points at nothing".to_owned()).into()),
        Err(error) if error.is_permission_denied() => return Err(error.into()),
        Err(error) => return Err(refuse(error.to_string()).into()),
    };
    let content =
        Document::parse(&bytes).map_err(|reason| refuse(format!("not YAML: {reason}")))?;
    let (version, kind) = (content.text("apiVersion"), content.text("kind"));
    if (version, kind) != ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration") {
        let reason = format!(
            "apiVersion {version:?} and kind {kind:?} are not kubelet.config.k8s.io/v1beta1 KubeletConfiguration"
        );
        return Err(refuse(reason).into());
    }
    Ok(DropIn {
        before_defaults: source.name.as_str() < DEFAULTS,
        path: source.path,
        content,
        lines: key_lines(&bytes),
    })
}

fn readable(path: &Path, files: &Files<'_>, flag: &str, place: &Place) -> Result<(), Ending> {
    match files.kind(path) {
        Ok(Some(Kind::File)) => Ok(()),
        _ => Err(missing(flag, path, place)),
    }
}

fn missing(flag: &str, path: &Path, place: &Place) -> Ending {
    Ending::new(
        format!(
            "failed to start kubelet: {} of kubelet-arg {flag} cannot be copied: no such file",
            path.display()
        ),
        Some(place.clone()),
    )
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::with_files;

    const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

    /// Asked of a real 1.31.4.
    #[test]
    fn before_k3s_has_a_directory_of_its_own_the_kubelet_walks_the_given_one() {
        let start = |version: &str, content: &str| {
            let text = format!("{HEAD}{content}");
            let files = [("/etc/kubelet.d/x.conf", text.as_str())];
            let files = if content.is_empty() {
                &[][..]
            } else {
                &files[..]
            };
            let items = vec![("kubelet-arg", vec!["config-dir=/etc/kubelet.d"])];
            with_files(items, files, version, Role::Server)
        };
        for version in ["1.30.4", "1.31.4"] {
            let found = start(version, "");
            let reasons: Vec<&str> = found
                .endings
                .iter()
                .map(|end| end.reason.as_str())
                .collect();
            assert_eq!(
                reasons,
                [
                    "kubelet exited: failed to merge kubelet configs: failed to walk through kubelet dropin directory \
                  \"/etc/kubelet.d\": lstat /etc/kubelet.d: no such file or directory"
                ],
                "{version}"
            );
            let found = start(version, "podPidsLimit: 77\n");
            assert_eq!(found.endings, [], "{version}");
            let settings = found.kubelet.unwrap();
            let limit = settings.get("podPidsLimit").unwrap();
            assert_eq!(limit.value, "77", "{version}");
            assert_eq!(limit.place.to_string(), "/etc/kubelet.d/x.conf:3");
        }
        // It asks for a variable first there.
        assert_eq!(start("1.29.4", "").endings, []);
    }
}
