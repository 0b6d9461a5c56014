//! Who is restarted, and who is not.

use super::*;
use crate::policy::KillSwitch;

#[test]
fn only_a_running_k3s_that_read_something_else_is_restarted() {
    check(&[
        ("an agent that differs", "now", |_| {}),
        ("in step", "not needed", |c| {
            c.standing = Standing::InStep(Source::Door)
        }),
        ("in step, whatever is switched off", "not needed", |c| {
            c.standing = Standing::InStep(Source::Age);
            c.brake = Brake::KillSwitch(KillSwitch::File);
        }),
        ("K3s does not run", "not needed", |c| c.life = Life::Stopped),
        ("systemd starts it again anyway", "not needed", |c| {
            c.life = Life::StartsAgain
        }),
        ("unknown never restarts", "unknown", |c| {
            c.standing = Standing::Unknown("x".to_owned())
        }),
        ("unknown never restarts, by hand neither", "unknown", |c| {
            c.standing = Standing::Unknown("x".to_owned());
            c.wanted = Wanted::ByHand;
        }),
        ("a start is settling", "pending", |c| c.settling = true),
        ("K3s is starting", "pending", |c| {
            c.life = Life::Starting(MINUTE)
        }),
        ("an agent that waits for its server for ever", "now", |c| {
            c.life = Life::Starting(HOUR)
        }),
    ]);
}

#[test]
fn nothing_is_restarted_against_the_switches_preflight_or_quarantine() {
    check(&[
        ("kill switch", "refused", |c| {
            c.brake = Brake::KillSwitch(KillSwitch::File)
        }),
        ("kill switch, by hand", "refused", |c| {
            c.brake = Brake::KillSwitch(KillSwitch::File);
            c.wanted = Wanted::ByHand;
        }),
        ("observe mode", "pending", |c| c.brake = Brake::Observe),
        ("preflight fails", "refused", |c| {
            c.preflight = Preflight::Fails(vec!["x".to_owned()])
        }),
        ("preflight fails, by hand", "refused", |c| {
            c.preflight = Preflight::Fails(vec!["x".to_owned()]);
            c.wanted = Wanted::ByHand;
        }),
        ("a K3s that preflight cannot judge", "refused", |c| {
            c.preflight = Preflight::Unknown("x".to_owned())
        }),
        ("quarantine", "refused", |c| {
            c.quarantine = Some("apiserver exited")
        }),
    ]);
}

#[test]
fn mode_role_and_datastore_decide_who_restarts() {
    check(&[
        ("never by policy", "pending", |c| c.mode(RestartMode::Never)),
        ("single sqlite server", "now", |c| {
            c.server(Datastore::Sqlite)
        }),
        ("embedded etcd", "pending", |c| c.server(Datastore::Etcd)),
        ("external datastore", "pending", |c| {
            c.server(Datastore::External)
        }),
        ("embedded etcd and policy says auto", "now", |c| {
            c.server(Datastore::Etcd);
            c.mode(RestartMode::Auto);
        }),
        ("a server whose datastore is not known", "pending", |c| {
            c.role = Some(Role::Server)
        }),
        ("a role that is not known", "pending", |c| c.role = None),
        ("by hand on embedded etcd", "now", |c| {
            c.server(Datastore::Etcd);
            c.wanted = Wanted::ByHand;
        }),
        ("by hand although policy says never", "now", |c| {
            c.mode(RestartMode::Never);
            c.wanted = Wanted::ByHand;
        }),
    ]);
}

#[test]
fn windows_and_who_wants_it_decide_when() {
    check(&[
        ("only a new catalogue, no window", "pending", |c| {
            c.wanted = Wanted::ByCatalogue
        }),
        ("only a new catalogue, window closed", "held", |c| {
            c.wanted = Wanted::ByCatalogue;
            c.windows(&["02:00-04:00"]);
        }),
        ("only a new catalogue, window open", "now", |c| {
            c.wanted = Wanted::ByCatalogue;
            c.windows(&["08:00-20:00"]);
        }),
        ("auto does not wait for a window", "now", |c| {
            c.windows(&["02:00-04:00"])
        }),
        ("only the operator's files", "pending", |c| {
            c.wanted = Wanted::ByOperatorsFiles
        }),
        (
            "another binary was laid out, whatever ours wants",
            "pending",
            |c| c.wanted = Wanted::ByNewBinary,
        ),
        ("window mode, open", "now", |c| {
            c.mode(RestartMode::Window);
            c.windows(&["08:00-20:00"]);
        }),
        ("window mode, closed", "held", |c| {
            c.mode(RestartMode::Window);
            c.windows(&["Tue 08:00-20:00"]);
        }),
        ("window mode without windows", "pending", |c| {
            c.mode(RestartMode::Window)
        }),
    ]);
}

#[test]
fn limits_hold_and_lift_again() {
    check(&[
        ("changes still come", "held", |c| {
            c.quiet_for = Duration::from_secs(1)
        }),
        ("restarted a minute ago", "held", |c| {
            c.restarts = vec![MINUTE]
        }),
        ("restarted an hour ago", "now", |c| c.restarts = vec![HOUR]),
        ("restarted an hour ago and a minute ago", "held", |c| {
            c.restarts = vec![HOUR, MINUTE]
        }),
        ("refused a minute ago", "held", |c| c.refused = Some(MINUTE)),
        ("refused an hour ago", "now", |c| c.refused = Some(HOUR)),
        ("refused a minute ago, and ours is put back", "held", |c| {
            c.refused = Some(MINUTE);
            c.wanted = Wanted::ByPutBack { done: false };
        }),
        ("restarted a minute ago, by hand", "now", |c| {
            c.restarts = vec![MINUTE];
            c.wanted = Wanted::ByHand;
        }),
        ("three restarts today", "now", |c| {
            c.restarts = vec![HOUR; 3]
        }),
        ("four restarts today", "held", |c| {
            c.restarts = vec![HOUR; 4]
        }),
        ("four restarts, one of them yesterday", "now", |c| {
            c.restarts = vec![HOUR, HOUR, HOUR, 25 * HOUR]
        }),
    ]);
}

#[test]
fn after_a_put_back_k3s_is_restarted_once() {
    check(&[
        ("put back", "now", |c| {
            c.wanted = Wanted::ByPutBack { done: false };
            c.restarts = vec![MINUTE; 9];
            c.settling = true;
            c.quiet_for = Duration::ZERO;
        }),
        ("put back, restarted for it before", "pending", |c| {
            c.wanted = Wanted::ByPutBack { done: true }
        }),
        ("put back, and policy says never", "pending", |c| {
            c.wanted = Wanted::ByPutBack { done: false };
            c.mode(RestartMode::Never);
        }),
        ("put back on a paused node", "held", |c| {
            c.wanted = Wanted::ByPutBack { done: false };
            c.brake = Brake::Paused {
                left: HOUR,
                reason: "x".to_owned(),
            };
        }),
    ]);
}

#[test]
fn no_restart_harms_encrypted_secrets() {
    check(&[
        ("the next start would lose the key", "refused", |c| {
            c.encryption = Encryption::Server {
                key_exists: true,
                has_data: true,
                next_start: Some(false),
            };
        }),
        (
            "the next start would lose the key, by hand",
            "refused",
            |c| {
                c.encryption = Encryption::Server {
                    key_exists: true,
                    has_data: true,
                    next_start: Some(false),
                };
                c.wanted = Wanted::ByHand;
            },
        ),
        (
            "a key, and nobody can tell what the next start does",
            "refused",
            |c| {
                c.encryption = Encryption::Server {
                    key_exists: true,
                    has_data: true,
                    next_start: None,
                };
            },
        ),
        (
            "the next start would encrypt a cluster that has data",
            "refused",
            |c| {
                c.encryption = Encryption::Server {
                    key_exists: false,
                    has_data: true,
                    next_start: Some(true),
                };
            },
        ),
        ("encryption on a new cluster", "now", |c| {
            c.encryption = Encryption::Server {
                key_exists: false,
                has_data: false,
                next_start: Some(true),
            };
        }),
        ("encryption as it is", "now", |c| {
            c.encryption = Encryption::Server {
                key_exists: true,
                has_data: true,
                next_start: Some(true),
            };
        }),
    ]);
}

fn why(change: Change) -> String {
    match Case::with(change).decide() {
        Gate::Pending { why } | Gate::HeldUntil { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_reason_is_the_one_that_holds_it() {
    for (expected, change) in [
        (
            "only a new catalogue or package wants it, and there is no window",
            (|c| c.wanted = Wanted::ByCatalogue) as Change,
        ),
        ("restart.mode is \"window\" and there is no window", |c| {
            c.mode(RestartMode::Window)
        }),
        ("there were 4 restarts in 24 hours (restart.per_day)", |c| {
            c.restarts = vec![HOUR, HOUR, HOUR, HOUR, 25 * HOUR]
        }),
    ] {
        assert_eq!(why(change), expected);
    }
}

#[test]
fn the_reason_names_the_file() {
    let expected = "/c/config.yaml.d/50-x.yaml changed since this K3s started".to_owned();
    assert_eq!(Case::new().decide(), Gate::Now { why: expected });
}
