//! From verdicts to a hardened node and back.

pub mod ledger;
pub mod lock;
