//! What an operator can do about an end of K3s, whose own words seldom say it.

use super::{Ending, Place};

/// The table, readable by an auditor.
const TABLE: &str = include_str!("data/mends.txt");

/// What is always true of a value that somebody gave.
const AT_ITS_PLACE: &str = "correct it there, or take it out";

impl Ending {
    /// What to do about it, in a few words; `None` where the reason says so itself, or nobody here knows.
    #[must_use]
    pub fn mend(&self) -> Option<&'static str> {
        match rows().find(|(words, _)| has(&self.reason, words)) {
            Some((_, "-")) => None,
            Some((_, mend)) => Some(mend),
            None => self.is_given().then_some(AT_ITS_PLACE),
        }
    }

    /// The reason with its place and its mend.
    #[must_use]
    pub fn told(&self) -> String {
        match self.mend() {
            Some(mend) => format!("{self}; {mend}"),
            None => self.to_string(),
        }
    }

    fn is_given(&self) -> bool {
        self.from
            .as_ref()
            .is_some_and(|place| *place != Place::Default)
    }
}

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" | "))
}

/// Whether the words are in the reason, in their order.
fn has(reason: &str, words: &str) -> bool {
    let mut rest = Some(reason);
    for part in words.split(" * ") {
        rest = rest
            .and_then(|rest| rest.split_once(part))
            .map(|(_, rest)| rest);
    }
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mend(reason: &str) -> Option<&'static str> {
        Ending::new(reason, None).mend()
    }

    #[test]
    fn every_row_is_one_and_none_hides_another() {
        let lines = TABLE.lines().filter(|line| !line.is_empty());
        assert_eq!(
            rows().count(),
            lines.filter(|line| !line.starts_with('#')).count()
        );
        for (words, mend) in rows() {
            let reason = words.replace(" * ", " x ");
            let first = rows().find(|(words, _)| has(&reason, words));
            assert_eq!(first, Some((words, mend)));
        }
    }

    #[test]
    fn the_first_words_that_fit_decide() {
        for (reason, wanted) in [
            (
                "kubelet exited: failed to merge kubelet configs: failed to walk through kubelet dropin directory \"/x\": lstat /x: no \
                 such file or directory",
                Some("make the directory, or take config-dir out"),
            ),
            (
                "burst is required to be greater than 0 when RateLimiter is not set and QPS is set to greater than 0",
                None,
            ),
            (
                "--token is required",
                Some("give it in K3s's configuration file or in its unit"),
            ),
            (
                "invalid flag use; --server is required with --disable-etcd",
                Some("give server, or take disable-etcd out"),
            ),
            (
                "invalid argument \"true\" for \"--v\" flag: strconv.ParseUint: parsing \"true\": invalid syntax",
                Some("write a number"),
            ),
            (
                "loading audit policy file: open /x: no such file or directory",
                Some("put the file there, or name one that is there"),
            ),
            (
                "loading audit policy file: rules[0].level: Required value",
                Some("mend that file"),
            ),
        ] {
            assert_eq!(mend(reason), wanted, "{reason}");
        }
    }

    #[test]
    fn a_value_that_somebody_gave_can_always_be_corrected_and_a_place_of_k3s_s_own_cannot() {
        let place = Place::File {
            path: "/etc/rancher/k3s/config.yaml".into(),
            line: 3,
        };
        let given = Ending::new("number 7 is too odd", Some(place));
        assert_eq!(
            given.told(),
            "number 7 is too odd (/etc/rancher/k3s/config.yaml:3); correct it there, or take it out"
        );
        assert_eq!(mend("number 7 is too odd"), None);
        assert_eq!(
            mend("kube-apiserver-arg v has no value; write v=VALUE"),
            None
        );
    }
}
