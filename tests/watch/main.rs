//! The daemon on a tree: whatever is done to it, it is right again, with one repair, and the ledger verifies.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bed;
mod mutations;
mod occasions;
mod rough;
