//! Writes what is generated from the code and committed: the man page of the command, completions, the control reference.
//! With `--check` it writes nothing and fails where a file is not what it would be.

mod completions;
mod controls;
mod manual;
mod output;
mod picture;

use std::process::ExitCode;

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let mut stale = Vec::new();
    for output in output::all() {
        if check {
            stale.extend(output.stale());
        } else if let Err(error) = std::fs::write(output.path, output.text) {
            eprintln!("{}: {error}", output.path);
            return ExitCode::FAILURE;
        }
    }
    for path in &stale {
        eprintln!("{path} is not current; run `cargo run --example generate`");
    }
    ExitCode::from(u8::from(!stale.is_empty()))
}
