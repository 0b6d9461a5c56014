//! k3warden(1): one page with every command on it, because an operator searches one page.

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use k3warden::cli::Cli;

/// The page's date, that of the hand-written pages: the day of a build would make each build another one.
const DATE: &str = "2026-11-23";

/// What the command line's definition does not say.
const ENDING: &str = r#".SH "EXIT STATUS"
.TP
0
Everything holds. Excepted controls, controls that do not apply, and kernel parameters that this kernel lacks count as holding.
.TP
1
.BR check :
a control diverges, observed ones included.
.BR diff :
there is something to change.
.BR apply :
an enforced control does not hold, or a restart of K3s is pending. With the kill switch on it changes nothing, says so and ends
with 0, as an image build or a package must not fail for it.
.BR effective :
K3s would end at its start.
.BR revert :
something has to stay for the sake of the cluster, or because somebody else has changed it, or until the next boot.
.BR ledger ", with and without " \-\-verify :
the record is broken.
.BR status :
as
.BR check ,
from what the daemon published; 2 where it published nothing or does not run.
.TP
2
An enforced control is unknown, something could not be done, or the command line, policy or catalogue is wrong. Wins over 1.
.SH FILES
.TP
.I /etc/k3warden/config.toml
The policy, see
.BR k3warden.toml (5).
.TP
.I /etc/k3warden/catalogue.d
Controls of your own, see
.BR k3warden\-catalogue (5).
.TP
.I /etc/k3warden/disabled
If it exists, nothing is changed or put back by anything.
.TP
.I /var/lib/k3warden
The ledger: what was changed, and what was there before.
.SH EXAMPLES
.TP
.B k3warden check
What does not hold on this node, with the evidence.
.TP
.B k3warden diff
What apply would change.
.TP
.B k3warden apply
Make it hold.
.TP
.B k3warden explain 4.2.6
Why a control exists, by its CIS number or its name.
.TP
.B k3warden \-\-root /mnt/image \-\-k3s\-version 1.36.3 apply
Harden an image before its first boot.
.TP
.B k3warden revert
Put everything back.
.SH "SEE ALSO"
.BR k3warden.toml (5),
.BR k3warden\-catalogue (5),
.BR k3warden.service (8)
"#;

/// The page.
pub fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let plain = Cli::command();
    let man = Man::new(plain.clone())
        .date(DATE)
        .source(format!("k3warden {}", env!("CARGO_PKG_VERSION")));
    let mut page = rendered(|out| man.render_title(out));
    page.push_str(&rendered(|out| man.render_name_section(out)));
    page.push_str(&rendered(|out| man.render_synopsis_section(out)));
    page.push_str(&rendered(|out| man.render_description_section(out)));
    page.push_str(".SH COMMANDS\n");
    for subcommand in plain
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        page.push_str(&section(subcommand, &command));
    }
    page.push_str(&rendered(|out| man.render_options_section(out)));
    page.push_str(ENDING);
    page
}

fn section(subcommand: &Command, built: &Command) -> String {
    let usage = built
        .find_subcommand(subcommand.get_name())
        .map(|command| command.clone().render_usage().to_string())
        .unwrap_or_default();
    let usage = usage.trim_start_matches("Usage: ").replace('-', "\\-");
    let about = subcommand
        .get_long_about()
        .or_else(|| subcommand.get_about())
        .map(ToString::to_string)
        .unwrap_or_default();
    let quiet = subcommand.clone().disable_help_flag(true);
    let options = rendered(|out| Man::new(quiet).render_options_section(out));
    let options = options
        .split_once(".SH OPTIONS\n")
        .map_or("", |(_, rest)| rest);
    format!(
        ".SS \"{}\"\n.B {usage}\n.PP\n{about}\n{options}",
        subcommand.get_name()
    )
}

fn rendered(render: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let mut written = Vec::new();
    // Writing into memory cannot fail; a page that lacks a part would not be current and fail the test.
    let _ = render(&mut written);
    String::from_utf8_lossy(&written).into_owned()
}
