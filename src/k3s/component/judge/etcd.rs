//! The arguments of K3s's own etcd (etcd `server/embed/config.go` Validate; K3s pkg/daemons/executor ToConfigFile).

use crate::k3s::component::Node;
use crate::k3s::component::options::Options;
use crate::k3s::component::situation::has_own_etcd;
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::{Ending, Files, Sourced};

/// Its whole numbers that are so in 3.5.3 and in 3.6.14, and whether one may be below nought.
const NUMBERS: [(&str, bool); 8] = [
    ("election-timeout", false),
    ("heartbeat-interval", false),
    ("max-request-bytes", false),
    ("max-snapshots", false),
    ("max-txn-ops", false),
    ("max-wals", false),
    ("quota-backend-bytes", true),
    ("snapshot-count", false),
];
const MODES: [&str; 3] = ["", "periodic", "revision"];
/// zap's, in any case.
const LEVELS: [&str; 9] = [
    "", "debug", "dpanic", "error", "fatal", "info", "panic", "warn", "warning",
];
/// What K3s gives it (pkg/etcd/etcd.go).
const HEARTBEAT_MS: u64 = 500;
const ELECTION_MS: u64 = 5000;
/// The longest that it takes.
const LONGEST_ELECTION_MS: u64 = 50_000;

/// What K3s's own etcd, where it runs one, refuses of its numbers.
pub(super) fn endings(options: Options<'_>, node: &Node, files: &Files<'_>) -> Option<Ending> {
    if options.on("disable-etcd") || !has_own_etcd(options, node, files) {
        return None;
    }
    let items = options.items("etcd-arg");
    let start = "failed to start cluster: start managed database";
    if let Some((reason, item)) = misspelt(items) {
        let reason = match reason {
            Misspelt::Panics(reason) => format!("server panicked: {reason}"),
            Misspelt::Refused(reason) => format!("{start}: {reason}"),
        };
        return Some(Ending::of_k3s(reason, Some(&item.place)));
    }
    let number = |name: &str, own: u64| {
        let given = last(items, name);
        given
            .and_then(|(_, value)| value.parse().ok())
            .unwrap_or(own)
    };
    let heartbeat = number("heartbeat-interval", HEARTBEAT_MS);
    let election = number("election-timeout", ELECTION_MS);
    let reason = if heartbeat == 0 {
        "--heartbeat-interval must be >0 (set to 0ms)".to_owned()
    } else if election == 0 {
        "--election-timeout must be >0 (set to 0ms)".to_owned()
    } else if heartbeat.saturating_mul(5) > election {
        format!(
            "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
        )
    } else if election > LONGEST_ELECTION_MS {
        format!(
            "--election-timeout[{election}ms] is too long, and should be set less than {LONGEST_ELECTION_MS}ms"
        )
    } else {
        return None;
    };
    let decided_by = last(items, "election-timeout").or_else(|| last(items, "heartbeat-interval"));
    Some(Ending::of_k3s(
        format!("{start}: {reason}"),
        decided_by.map(|(item, _)| &item.place),
    ))
}

/// How etcd ends over a value.
enum Misspelt {
    Panics(String),
    Refused(String),
}

/// The first value that etcd cannot read.
fn misspelt(items: &[Sourced]) -> Option<(Misspelt, &Sourced)> {
    for (name, below_nought) in NUMBERS {
        if let Some((item, value)) = last(items, name)
            && !value
                .parse::<i64>()
                .is_ok_and(|number| number >= 0 || below_nought)
        {
            let reason = format!("error unmarshaling JSON: etcd-arg {name} is no such number");
            return Some((Misspelt::Refused(reason), item));
        }
    }
    if let Some((item, level)) = last(items, "log-level")
        && !LEVELS.contains(&level.to_ascii_lowercase().as_str())
    {
        let reason = format!("unrecognized level: {level:?}");
        return Some((Misspelt::Panics(reason), item));
    }
    if let Some((item, mode)) = last(items, "auto-compaction-mode")
        && !MODES.contains(&mode)
    {
        let reason = format!("unknown auto-compaction-mode {mode:?}");
        return Some((Misspelt::Refused(reason), item));
    }
    let (item, retention) = last(items, "auto-compaction-retention")?;
    let is_count = retention.parse::<i64>().is_ok_and(|count| count >= 0);
    let is_read = is_count || nanoseconds(retention).is_some();
    let reason = format!("error parsing CompactionRetention: time: invalid duration {retention:?}");
    (!is_read).then_some((Misspelt::Refused(reason), item))
}

/// The last item of a name that has a value; K3s passes over one without.
fn last<'a>(items: &'a [Sourced], name: &str) -> Option<(&'a Sourced, &'a str)> {
    items.iter().rev().find_map(|item| {
        let (given, value) = item.value.split_once('=')?;
        (given.trim_start_matches('-') == name).then_some((item, value))
    })
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::with;

    fn reason(items: &[&str], makes_a_cluster: bool) -> String {
        let mut options = vec![("etcd-arg", items.to_vec())];
        if makes_a_cluster {
            options.push(("cluster-init", vec!["true"]));
        }
        let start = with(options, "1.36.3", Role::Server);
        let first = start.endings.into_iter().next();
        first.map(|ending| ending.reason).unwrap_or_default()
    }

    #[test]
    fn numbers_that_end_a_real_etcd_end_it() {
        for (items, words) in [
            (&["heartbeat-interval=x"][..], "unmarshaling JSON"),
            (&["heartbeat-interval=100ms"], "unmarshaling JSON"),
            (&["snapshot-count=-1"], "unmarshaling JSON"),
            (&["quota-backend-bytes=x"], "unmarshaling JSON"),
            (&["log-level=nosuch"], "server panicked: unrecognized level"),
            (
                &["auto-compaction-mode=nosuch"],
                "unknown auto-compaction-mode",
            ),
            (
                &["auto-compaction-retention=x"],
                "parsing CompactionRetention",
            ),
            (&["heartbeat-interval=0"], "must be >0"),
            (
                &["heartbeat-interval=200", "election-timeout=300"],
                "--election-timeout[300ms] should be at least as 5 times as --heartbeat-interval[200ms]",
            ),
            (&["heartbeat-interval=1001"], "at least as 5 times"),
            (&["--election-timeout=50001"], "is too long"),
        ] {
            let found = reason(items, true);
            assert!(found.contains(words), "{items:?}: {found}");
            assert_eq!(reason(items, false), "", "there is no etcd: {items:?}");
        }
    }

    #[test]
    fn numbers_that_it_takes_do_not() {
        for items in [
            &["heartbeat-interval=200", "election-timeout=2000"][..],
            &["heartbeat-interval", "election-timeout=2500"],
            &["max-wals=3", "quota-backend-bytes=8589934592"],
            &["auto-compaction-retention=5m", "log-level=DEBUG"],
            &["auto-tls=x", "nosuch=1"],
        ] {
            assert_eq!(reason(items, true), "", "{items:?}");
        }
    }
}
