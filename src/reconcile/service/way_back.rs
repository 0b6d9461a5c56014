//! The way back to what last worked: never over an operator's file, never to something with which the K3s that is installed
//! now would not start.

use super::{part, preflight};
use crate::host::HostError;
use crate::reconcile::Pass;
use crate::reconcile::configuration::unit_override;
use crate::reconcile::restart::own_part::{
    EncryptionKey, EncryptionWords, OurPart, PutBack, put_back,
};

/// The way back from what is on disk to `last_good`; without one, or where it is none, to nothing of ours. `key`: whether
/// the encryption of Secrets has to stay as it is.
///
/// # Errors
/// When a file cannot be looked at.
pub fn way_back(
    pass: &Pass<'_>,
    last_good: Option<&OurPart>,
    key: EncryptionKey,
) -> Result<PutBack, HostError> {
    let present = part::present(pass)?;
    let good = last_good
        .map(|good| without_foreign_files(pass, good, &present))
        .transpose()?
        // K3s may be another release than the one that settled with it.
        .filter(|good| preflight::brings_no_end(pass, &present, good));
    let words = match unit_override::loses_encryption(pass) {
        true => EncryptionWords::OnlyOurs,
        false => EncryptionWords::Repeated,
    };
    Ok(put_back(good.as_ref(), &present, key, words))
}

/// Where an operator has put a file of his own since, that file is his, and what was ours there before is gone.
fn without_foreign_files(
    pass: &Pass<'_>,
    good: &OurPart,
    present: &OurPart,
) -> Result<OurPart, HostError> {
    let mut good = good.clone();
    for path in part::files(pass) {
        let name = path.to_string_lossy().into_owned();
        let is_foreign =
            !present.files.contains_key(&name) && pass.host.root.look(&path)?.is_some();
        if is_foreign {
            good.files.remove(&name);
        }
    }
    Ok(good)
}
