//! Names with the Kubernetes minors that know them: how `data/flags.txt` and its neighbours are written.

use crate::k3s::NEWEST_CATALOGUED_MINOR;

/// A range of minors: `..`, `24..`, `..23`, `24..27`.
pub(super) fn contain(range: &str, minor: u16) -> bool {
    let Some((from, to)) = range.split_once("..") else {
        return false;
    };
    let side = |text: &str, open: u16| {
        if text.is_empty() {
            Some(open)
        } else {
            text.parse().ok()
        }
    };
    match (side(from, 0), side(to, u16::MAX)) {
        (Some(from), Some(to)) => (from..=to).contains(&minor),
        _ => false,
    }
}

/// The lines of a table that hold for a minor, as columns without the range.
pub(super) fn lines(table: &'static str, minor: u16) -> impl Iterator<Item = Vec<&'static str>> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(move |line| {
            let (columns, range) = line.rsplit_once(' ')?;
            contain(range, minor).then(|| columns.split(' ').collect())
        })
}

/// Admission plug-ins of kube-apiserver.
pub(super) const PLUGINS: &str = include_str!("data/plugins.txt");
/// Controllers of kube-controller-manager.
pub(super) const CONTROLLERS: &str = include_str!("data/controllers.txt");
/// Feature gates of all components.
pub(super) const GATES: &str = include_str!("data/gates.txt");

/// The newest minor of the tables; above it nothing is known.
pub(super) const NEWEST: u16 = NEWEST_CATALOGUED_MINOR;

/// Whether a table knows a name at a minor; `true` where the tables end before that minor.
pub(super) fn known(table: &'static str, name: &str, minor: u16) -> bool {
    let is_of_name = |line: &&str| line.split_once(' ').is_some_and(|(first, _)| first == name);
    let holds =
        |line: &str| matches!(line.rsplit_once(' '), Some((_, range)) if contain(range, minor));
    minor > NEWEST || table.lines().filter(is_of_name).any(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive_and_open_where_empty() {
        assert!(contain("..", 20));
        assert!(contain("..23", 23) && !contain("..23", 24));
        assert!(contain("24..", 24) && !contain("24..", 23));
        assert!(!contain("24..27", 28));
    }

    #[test]
    fn plug_ins_come_and_go_with_the_minor() {
        assert!(known(PLUGINS, "PodSecurityPolicy", 24));
        assert!(!known(PLUGINS, "PodSecurityPolicy", 36));
        assert!(known(PLUGINS, "NodeRestriction", 36));
        assert!(known(CONTROLLERS, "nodeipam", 36));
    }
}
