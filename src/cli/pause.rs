//! `k3warden pause`: no repairs and no restarts for a while.

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use super::exit::CliError;
use super::session::require_root;
use super::{Exit, Global, require_machine};
use crate::host::Root;
use crate::watch::Pause as Break;

/// Longer absences are the policy's business: `mode = "observe"`.
const LONGEST: Duration = Duration::from_secs(31 * 86_400);

/// Make no repairs and no restarts for maintenance. Ends by itself, or at the next boot.
#[derive(Debug, Args)]
pub struct Pause {
    /// How long, as in 2h or 30m.
    #[arg(long = "for", value_name = "TIME", required_unless_present = "end", value_parser = length)]
    length: Option<Duration>,
    /// Why; shown in status and journal.
    #[arg(long, value_name = "TEXT", required_unless_present = "end", value_parser = reason)]
    reason: Option<String>,
    /// End a pause now.
    #[arg(long, conflicts_with_all = ["length", "reason"])]
    end: bool,
}

impl Pause {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        // Whatever the policy says, and also where it is wrong: somebody is at work on this node.
        let root = &Root::open(&global.root)?;
        require_machine(
            root,
            "a pause ends with the boot of the running machine, and an image has none; `touch DIR/etc/k3warden/disabled` \
             keeps k3warden from changing it",
        )?;
        require_root(root, "k3warden pause")?;
        match (self.length, self.reason) {
            (Some(length), Some(reason)) => {
                Break::begin(root, length, &reason)?;
                say!(
                    "No repairs and no restarts of K3s from now on, until the time is over or `k3warden pause --end`."
                );
            }
            _ => {
                Break::end(root)?;
                say!("Repairs are made again.");
            }
        }
        Ok(Exit::Holds)
    }
}

/// Whoever finds the node unrepaired reads this.
fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) {
        return Err("say in one line why, for whoever finds the node unrepaired".to_owned());
    }
    Ok(text.to_owned())
}

fn length(text: &str) -> Result<Duration, String> {
    let length: SignedDuration = text
        .parse()
        .map_err(|_| "write a time such as 2h or 30m".to_owned())?;
    let length = Duration::try_from(length).map_err(|_| "a pause lies ahead".to_owned())?;
    if length.as_secs() == 0 || length > LONGEST {
        return Err(
            "a pause lasts from one second to 31 days; for longer set mode = \"observe\" in the policy".to_owned(),
        );
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_has_a_length_that_makes_sense() {
        for (text, seconds) in [("2h", 7200), ("30m", 1800), ("1h 30m", 5400), ("1d", 0)] {
            let found = length(text).map(|length| length.as_secs()).unwrap_or(0);
            assert_eq!(found, seconds, "{text}");
        }
        for text in ["", "-2h", "0s", "2", "1000h"] {
            assert!(length(text).is_err(), "{text}");
        }
    }
}
