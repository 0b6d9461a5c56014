//! k3warden hardens a K3s node to the K3s CIS guide and keeps it hardened.

pub mod catalogue;
pub mod cli;
pub mod host;
pub mod k3s;
pub mod node;
pub mod policy;
pub mod reconcile;
pub mod report;
pub mod setting;
pub mod watch;
