//! Tests: what an operator reads about a broken policy, to the letter.

use super::sample::policy;

/// A policy and the message without the path that every line begins with.
const BROKEN: &[(&str, &str)] = &[];

#[test]
fn every_broken_policy_is_refused_with_its_place_and_its_mend() {
    for (text, expected) in BROKEN {
        let message = policy(text).unwrap_err().to_string();
        println!(
            "<<<{text}\n---\n{}>>>",
            message.replace("/etc/k3warden/config.toml", "CONFIG")
        );
        let _ = expected;
    }
    panic!();
}
