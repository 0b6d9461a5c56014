//! The daemon: what wakes it, and what it does then. It decides nothing; judging and planning are `reconcile`'s.
pub mod arms;
pub mod contention;
pub mod index;
pub mod pace;
