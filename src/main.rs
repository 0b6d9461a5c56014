//! The `k3warden` command: parse, run, exit code.

fn main() {}
