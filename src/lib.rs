//! k3warden hardens a K3s node to the K3s CIS guide and keeps it hardened.

pub mod catalogue;
pub mod host;
pub mod k3s;
pub mod policy;
pub mod setting;
