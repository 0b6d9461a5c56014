//! The `k3warden` command: parse, run, exit code.

use clap::Parser;
use k3warden::cli::{self, Exit};
use nix::sys::stat::{Mode, umask};

/// musl's own asks the kernel for memory and gives it back a thousand times in an `apply`, a fifth of its time.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> Exit {
    // Directories are born with the bits that they shall have (0755 or 0700), whatever mask we were started with: being
    // killed between mkdir and chmod then leaves nothing half done. Files are made with no bits at all at first.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
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
