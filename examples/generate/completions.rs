//! Completions for the shells of K3s's platforms.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use k3warden::cli::Cli;

use super::output::Output;

/// One file for each shell.
pub fn all() -> Vec<Output> {
    [
        (Shell::Bash, "completions/k3warden.bash"),
        (Shell::Zsh, "completions/_k3warden"),
        (Shell::Fish, "completions/k3warden.fish"),
    ]
    .into_iter()
    .map(|(shell, path)| Output {
        path,
        text: completions(shell),
    })
    .collect()
}

fn completions(shell: Shell) -> String {
    let mut written = Vec::new();
    generate(shell, &mut Cli::command(), "k3warden", &mut written);
    String::from_utf8_lossy(&written).into_owned()
}
