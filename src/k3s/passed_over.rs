//! A `config` that K3s has as an option and goes not by: it has looked for its file before it takes its words apart.

use super::config_file::Location;
use super::{Merge, Place, Remark};

const OPTION: &str = "config";

/// Marks it as outranked by what has named the file (K3s `pkg/configfilearg/parser.go` findConfigFileFlag), and tells the operator.
pub(super) fn config(merge: &mut Merge, location: Option<&Location>) -> Option<Remark> {
    let location = location?;
    let option = merge.options.get_mut(OPTION)?;
    let given = option.values.last()?.clone();
    let named_by = location.named.as_ref();
    if named_by == Some(&given.place) {
        return None;
    }
    // What names the file counts, so nothing stands instead of it.
    let counts = |place: &Place| named_by == Some(place);
    option.overrode.retain(|earlier| !counts(&earlier.place));
    option.outranked_by = Some(named_by.cloned().unwrap_or(Place::Default));
    let read = location.path.display();
    if given.value.is_empty() || location.path == std::path::Path::new("/").join(&given.value) {
        return None;
    }
    let why = match named_by {
        Some(place) => {
            format!("it reads {read}, which {place} names; take one of the two out")
        }
        None => format!(
            "it has looked for {read} before it reads this; take it out, or give it to k3s in its unit"
        ),
    };
    Some(Remark {
        text: format!("K3s passes over --{OPTION}={}: {why}", given.value),
        from: Some(given.place),
    })
}
