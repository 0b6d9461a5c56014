//! The `k3warden` command: parse, run, exit code.

use clap::Parser;
use k3warden::cli::{self, Exit};

fn main() -> Exit {
    match cli::Cli::try_parse() {
        Ok(cli) => cli::run(cli),
        Err(error) => {
            // Help and version are no errors and go to standard output; clap knows which is which.
            let _ = error.print();
            if error.use_stderr() {
                Exit::Unable
            } else {
                Exit::Holds
            }
        }
    }
}
