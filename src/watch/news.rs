//! What is told of a K3s that fails every few seconds: each news once, whatever the details of this run.

use crate::reconcile::ledger::Hash;
use crate::report::event::Kind;

/// Something that is told until it is other news, or until K3s has settled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// K3s ended by itself.
    Ended(Blame, Words),
    /// A part of ours that K3s did not live with was put back.
    PutBack(Hash),
    /// It could not be put back.
    NotPutBack,
    /// Something of ours could not be done beside it.
    Hindered(Chore),
}

/// What an end of K3s has to do with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blame {
    /// Nobody asks: k3warden is off.
    Off,
    /// What it had read of ours is not known.
    Unknown,
    /// Nothing.
    NotOurs,
}

/// What could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chore {
    /// Keeping what K3s was started with.
    KeepStart,
    /// Keeping what K3s settled with.
    KeepProof,
    /// Keeping what this node is, for times in which that cannot be told.
    KeepNode,
    /// Having systemd read its units again.
    ReloadUnits,
}

/// K3s's words for an end. Its times, process ids and ports are others in each run and make no other end of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Words(String);

impl Words {
    /// The words of a reason.
    #[must_use]
    pub fn of(reason: &str) -> Self {
        let mut words = String::with_capacity(reason.len());
        for char in reason.chars() {
            match char.is_ascii_digit() {
                true if words.ends_with('#') => {}
                true => words.push('#'),
                false => words.push(char),
            }
        }
        Self(words)
    }
}

impl News {
    /// The kind of event that tells it. Of each kind the last news counts.
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Ended(..) => Kind::K3sFails,
            Self::PutBack(_) | Self::NotPutBack => Kind::RestartRolledBack,
            Self::Hindered(_) => Kind::Hindered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_in_the_same_words_is_no_news_whatever_its_numbers() {
        let of = |reason: &str| News::Ended(Blame::NotOurs, Words::of(reason));
        assert_eq!(
            of("listen tcp :6443: in use"),
            of("listen tcp :10250: in use")
        );
        assert_ne!(
            of("listen tcp :6443: in use"),
            of("listen tcp :6443: refused")
        );
        assert_ne!(of("x"), News::Ended(Blame::Unknown, Words::of("x")));
    }
}
