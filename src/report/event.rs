//! The kinds of events that we tell the journal: one table of MESSAGE_ID, priority and name.
//!
//! The catalogue `packaging/catalog/k3warden.catalog` explains each to the operator; a test keeps the two in step.

/// How much an event matters, as syslog(3) counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody has to act now.
    Critical = 2,
    /// Something that should hold does not.
    Error = 3,
    /// Somebody should know.
    Warning = 4,
    /// A change was made.
    Notice = 5,
}

impl Priority {
    /// The word for it where there is no journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The first pass is over and the daemon watches.
    Started,
    /// The daemon ends because it was told to.
    Stopped,
    /// A new policy and catalogue are in force.
    Reloaded,
    /// A new policy or catalogue is wrong; the old one stays in force.
    ReloadRefused,
    /// Something diverges and is not repaired by us now.
    DriftFound,
    /// A change was made that brought something back.
    Repaired,
    /// What a control had changed was put back, because the policy turned it off.
    GivenBack,
    /// A change could not be made.
    RepairFailed,
    /// Something that is enforced cannot be looked at, so that nobody knows whether it holds.
    Unseen,
    /// Somebody undoes our repairs again and again.
    ContentionBegins,
    /// Nobody undoes them any more.
    ContentionEnds,
    /// K3s must start again before a change is in force.
    RestartWanted,
    /// That start waits: for a window, a limit or the operator.
    RestartHeld,
    /// K3s was started again and has settled.
    RestartDone,
    /// K3s did not settle after a change of ours, which was put back.
    RestartRolledBack,
    /// K3s ended by itself, and no change of ours is to blame.
    K3sFails,
    /// K3s will not start, at its next start or after the next boot, for what an operator wrote, and nobody else makes it right.
    StartEndangered,
    /// A configuration was not written because K3s would not start with it.
    PreflightRefused,
    /// Encryption of Secrets is off in K3s's configuration while its key is there.
    EncryptionWithdrawn,
    /// An exception ends soon.
    ExceptionExpiring,
    /// An exception is over and its control is enforced again.
    ExceptionExpired,
    /// The kernel dropped events; everything was looked at instead.
    Overflow,
    /// inotify cannot be had; everything is looked at on a timer.
    PollingBegins,
    /// inotify can be had again.
    PollingEnds,
    /// The record of changes is damaged.
    LedgerBroken,
    /// The operator paused us or threw the kill switch.
    SuspensionBegins,
    /// Repairs are made again.
    SuspensionEnds,
    /// A disk was mounted where our mount namespace hides it.
    NamespaceStale,
    /// Something that is no control's did not succeed: publishing, keeping a record, asking systemd.
    Hindered,
}

struct Row {
    kind: Kind,
    message_id: &'static str,
    priority: Priority,
    name: &'static str,
    /// What every event of the kind carries, so that the catalogue may name it: journalctl prints the bare name of a
    /// field that an entry lacks.
    fields: &'static [&'static str],
}

const fn row(kind: Kind, message_id: &'static str, priority: Priority, name: &'static str) -> Row {
    let fields: &[&str] = match kind {
        Kind::DriftFound => &["CONTROL", "SETTING", "WANTED", "OBSERVED", "SOURCE"],
        Kind::Repaired => &["CONTROL", "SETTING", "WANTED", "OBSERVED", "CHANGE_ID"],
        Kind::ContentionBegins => &[
            "CONTROL", "SETTING", "WANTED", "OBSERVED", "SOURCE", "COUNT",
        ],
        Kind::ContentionEnds => &["CONTROL", "SETTING", "COUNT"],
        Kind::GivenBack => &["CONTROL", "SETTING"],
        Kind::Unseen => &["CONTROL", "SETTING"],
        Kind::RepairFailed
        | Kind::PreflightRefused
        | Kind::ExceptionExpiring
        | Kind::ExceptionExpired => &["CONTROL"],
        _ => &[],
    };
    Row {
        kind,
        message_id,
        priority,
        name,
        fields,
    }
}

/// In the order of [`Kind`].
#[rustfmt::skip]
const TABLE: [Row; 29] = [
    row(Kind::Started, "f6fadfa7e5c14b629362da5cc13da58a", Priority::Notice, "started"),
    row(Kind::Stopped, "2c63888f28f04481be6ddce7a7ace732", Priority::Notice, "stopped"),
    row(Kind::Reloaded, "8a119b9e16bc47328f7b7676d015b0dc", Priority::Notice, "reloaded"),
    row(Kind::ReloadRefused, "bc67ba94637d4efaa09e467ada679f81", Priority::Error, "reload refused"),
    row(Kind::DriftFound, "fab36728a78b4b7e8787c0de2f960063", Priority::Warning, "drift found"),
    row(Kind::Repaired, "a712755f6cac44d599d5269512e74f7b", Priority::Notice, "repaired"),
    row(Kind::GivenBack, "3273937f4a2f4c31a9d234c1b235dc1d", Priority::Notice, "given back"),
    row(Kind::RepairFailed, "ac8efe121c5949f1ba2dde83458bfed0", Priority::Error, "repair failed"),
    row(Kind::Unseen, "d1d0a9b54b7f4d0c8c5a3f2e6b9170e4", Priority::Warning, "not seen"),
    row(Kind::ContentionBegins, "5796a670482c490e8d9782bfcdc83011", Priority::Warning, "contention begins"),
    row(Kind::ContentionEnds, "0b80a25553a14945a93258ef7777682c", Priority::Notice, "contention ends"),
    row(Kind::RestartWanted, "45ac16b9c20d4c218f8a7abff2e91ac7", Priority::Notice, "restart wanted"),
    row(Kind::RestartHeld, "dd2ee150d2844277b89c1af40ce8fcc9", Priority::Warning, "restart held"),
    row(Kind::RestartDone, "3c3ae353fb14428e90b401a6c1cc0aff", Priority::Notice, "restart done"),
    row(Kind::RestartRolledBack, "b9c8b9ffe46e46279419c7723226db94", Priority::Critical, "restart rolled back"),
    row(Kind::K3sFails, "5c0a1f6f0d3e4b0f9a3d6f1b7f5e2c94", Priority::Error, "K3s fails"),
    row(Kind::StartEndangered, "08ff7149a74a4382b3d161a02d64d818", Priority::Critical, "start endangered"),
    row(Kind::PreflightRefused, "bbeeb6361d334c6d96f0da847a2a3b87", Priority::Error, "preflight refused"),
    row(Kind::EncryptionWithdrawn, "b702cf0af1564acd83e49d0ab6e9ced5", Priority::Critical, "encryption withdrawn"),
    row(Kind::ExceptionExpiring, "68e58909ccb24416925a56c9a30f4300", Priority::Warning, "exception expiring"),
    row(Kind::ExceptionExpired, "ff53a46f5ead403a84c4b877678537a3", Priority::Warning, "exception expired"),
    row(Kind::Overflow, "e179f773a6e043c09514b7dde2ad0478", Priority::Warning, "events lost"),
    row(Kind::PollingBegins, "0c28cec1b94742afa4b936976b4b76b0", Priority::Warning, "degraded to polling"),
    row(Kind::PollingEnds, "a398d022d4354df48322905089933837", Priority::Notice, "watching by events again"),
    row(Kind::LedgerBroken, "4c8b1eb44f1e4ccf8372a2a784a67245", Priority::Critical, "ledger broken"),
    row(Kind::SuspensionBegins, "ac9130f4547c47d38e3a655f20731ab2", Priority::Warning, "suspended"),
    row(Kind::SuspensionEnds, "ca3ab343ac334b68be9bf77c6519a9d5", Priority::Notice, "suspension over"),
    row(Kind::NamespaceStale, "03c472ca449548b4b8d889d2b47a5c1d", Priority::Warning, "namespace stale"),
    row(Kind::Hindered, "441d532085a8452db1a3efe2376a478c", Priority::Error, "hindered"),
];

impl Kind {
    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.kind)
    }

    const fn row(self) -> &'static Row {
        // In the order of the enumeration, which a test holds; there is no kind without a row.
        &TABLE[self as usize]
    }

    /// The MESSAGE_ID, 32 hexadecimal digits. It never changes: rules of operators name it.
    #[must_use]
    pub const fn message_id(self) -> &'static str {
        self.row().message_id
    }

    /// The priority of such an event.
    #[must_use]
    pub const fn priority(self) -> Priority {
        self.row().priority
    }

    /// The fields that every event of this kind has.
    #[must_use]
    pub const fn fields(self) -> &'static [&'static str] {
        self.row().fields
    }

    /// A few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const CATALOG: &str = include_str!("../../packaging/catalog/k3warden.catalog");

    #[test]
    fn the_table_is_in_the_order_of_the_kinds_and_no_id_stands_twice() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, place);
            assert_eq!(row.kind.message_id(), row.message_id);
            assert!(
                row.message_id.len() == 32 && row.message_id.bytes().all(|b| b.is_ascii_hexdigit())
            );
        }
        let ids: BTreeSet<&str> = Kind::all().map(Kind::message_id).collect();
        assert_eq!(ids.len(), TABLE.len());
    }

    /// A kind that nobody tells would be an alarm that never rings.
    #[test]
    fn every_kind_is_told_somewhere() {
        let mut sources = String::new();
        let mut directories = vec![std::path::PathBuf::from("src")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if !path.ends_with("report/event.rs") {
                    sources.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        for kind in Kind::all() {
            let name = format!("Kind::{kind:?}");
            assert!(sources.contains(&name), "{name}");
        }
    }

    #[test]
    fn the_catalogue_explains_every_kind_and_nothing_else() {
        let mut explained = BTreeSet::new();
        for entry in CATALOG.split("\n-- ").skip(1) {
            let (id, body) = entry.split_once('\n').unwrap();
            assert!(explained.insert(id.trim()), "{id} stands twice");
            let headers = ["Subject: ", "Defined-By: k3warden"];
            for header in headers {
                assert!(
                    body.lines().any(|line| line.starts_with(header)),
                    "{id}: {header}"
                );
            }
            let (_, text) = body.split_once("\n\n").unwrap();
            assert!(
                text.len() > 200,
                "{id}: what happened, why it matters, what to do"
            );
        }
        let known: BTreeSet<&str> = Kind::all().map(Kind::message_id).collect();
        assert_eq!(explained, known);
    }

    #[test]
    fn the_catalogue_names_only_fields_that_every_event_of_the_kind_has() {
        for entry in CATALOG.split("\n-- ").skip(1) {
            let (id, body) = entry.split_once('\n').unwrap();
            let kind = Kind::all().find(|kind| kind.message_id() == id).unwrap();
            for piece in body.split('@').skip(1).step_by(2) {
                let known = piece == "MESSAGE" || kind.fields().contains(&piece);
                assert!(known, "{kind:?}: @{piece}@");
            }
            let sent = |field: &&str| super::super::journal::FIELDS.contains(field);
            assert!(kind.fields().iter().all(sent), "{kind:?}");
        }
    }
}
