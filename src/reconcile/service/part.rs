//! What of the things that K3s reads is ours on this node.

use std::path::{Path, PathBuf};

use crate::catalogue::SettingBody;
use crate::host::{Host, HostError, READ_LIMIT_BYTES, Thing};
use crate::k3s::{Role, drop_in_directory};
use crate::reconcile::Pass;
use crate::reconcile::configuration::{CONFIGURATION, own_files, unit_override};
use crate::reconcile::restart::own_part::{EncryptionKey, OurFile, OurPart};

/// Our files as they are: our drop-ins of the configuration and of the unit, and the catalogue's files where the content is ours by the
/// ledger. An operator's own file in such a place is not among them.
///
/// # Errors
/// When one cannot be looked at.
pub fn present(pass: &Pass<'_>) -> Result<OurPart, HostError> {
    let mut part = OurPart::default();
    let config_file = &pass.node.places.config_file;
    if config_file.is_absolute() {
        let (_, own) = own_files(
            pass.host,
            pass.written,
            &drop_in_directory(config_file),
            CONFIGURATION,
        )?;
        for (path, (content, attributes)) in own {
            put(&mut part, path, &content, attributes.mode.bits());
        }
    }
    for (path, (content, attributes)) in unit_override::present(pass)? {
        put(&mut part, path, &content, attributes.mode.bits());
    }
    for path in files(pass) {
        let Some((content, attributes)) = pass
            .host
            .root
            .read_with_attributes(&path, READ_LIMIT_BYTES)?
        else {
            continue;
        };
        if pass.written.is_ours(&Thing::Path(path.clone()), &content) {
            put(&mut part, path, &content, attributes.mode.bits());
        }
    }
    Ok(part)
}

/// The places of the catalogue's files on this node.
#[must_use]
pub fn files(pass: &Pass<'_>) -> Vec<PathBuf> {
    let settings = pass
        .catalogue
        .controls()
        .iter()
        .flat_map(|control| &control.settings);
    let mut paths: Vec<PathBuf> = settings
        .filter_map(|setting| match &setting.body {
            SettingBody::File(file) => pass.node.places.expand(&file.path),
            _ => None,
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

fn put(part: &mut OurPart, path: PathBuf, content: &[u8], mode: u32) {
    let file = OurFile {
        content: String::from_utf8_lossy(content).into_owned(),
        mode,
    };
    part.files.insert(path.to_string_lossy().into_owned(), file);
}

/// Whether Secrets may be encrypted here, or are where K3s's data was when it was started with an encryption line of ours: data that is
/// being moved takes its key along. What cannot be looked at may be there.
#[must_use]
pub fn encryption_key(pass: &Pass<'_>) -> EncryptionKey {
    let node = pass.node;
    // The line itself would end an agent's K3s; whatever key lies there is of an earlier life of the node.
    if node
        .role
        .as_ref()
        .is_some_and(|role| role.value == Role::Agent)
    {
        return EncryptionKey::Absent;
    }
    if node.data_dir_problem.is_some() {
        return EncryptionKey::MayExist;
    }
    let earlier = pass.written.encrypted_in();
    let places = std::iter::once(node.places.data_dir.as_path()).chain(earlier);
    let mut keys = places.filter(|data_dir| has_key(pass.host, data_dir));
    match keys.next() {
        Some(_) => EncryptionKey::MayExist,
        None => EncryptionKey::Absent,
    }
}

/// Whether a data directory has a key for Secrets, or may have one.
#[must_use]
pub fn has_key(host: &Host, data_dir: &Path) -> bool {
    let path = data_dir.join("server/cred/encryption-config.json");
    !matches!(host.root.look(&path), Ok(None))
}
