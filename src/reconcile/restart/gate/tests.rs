use std::num::NonZeroU32;

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::super::inputs::{Difference, Input};
use super::super::standing::Source;
use super::*;
use crate::policy::{Given, Window};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Owns what a situation borrows: an agent that differs, wants a restart and is free to have it.
struct Case {
    now: Zoned,
    life: Life,
    standing: Standing,
    wanted: Wanted,
    wanted_for: Duration,
    quiet_for: Duration,
    rules: RestartRules,
    role: Option<Role>,
    datastore: Option<Datastore>,
    node_id: String,
    restarts: Vec<Duration>,
    refused: Option<Duration>,
    settling: bool,
    quarantine: Option<&'static str>,
    preflight: Preflight,
    encryption: Encryption,
    brake: Brake,
}

impl Case {
    fn new() -> Self {
        let input = Input::File("/c/config.yaml.d/50-x.yaml".to_owned());
        Self {
            // A Monday.
            now: date(2027, 1, 4)
                .at(12, 0, 0, 0)
                .to_zoned(TimeZone::UTC)
                .unwrap(),
            life: Life::Running,
            standing: Standing::Differs(
                Source::Door,
                vec![Difference::of(input, Some(()), Some(()))],
            ),
            wanted: Wanted::ByControls,
            wanted_for: HOUR,
            quiet_for: HOUR,
            rules: RestartRules::default(),
            role: Some(Role::Agent),
            datastore: None,
            node_id: "node".to_owned(),
            restarts: Vec::new(),
            refused: None,
            settling: false,
            quarantine: None,
            preflight: Preflight::Passes,
            encryption: Encryption::NotHere,
            brake: Brake::Free,
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self::new();
        change(&mut case);
        case
    }

    fn decide(&self) -> Gate {
        decide(&Situation {
            now: &self.now,
            life: self.life,
            standing: &self.standing,
            wanted: self.wanted,
            wanted_for: self.wanted_for,
            quiet_for: self.quiet_for,
            rules: &self.rules,
            role: self.role,
            datastore: self.datastore,
            node_id: &self.node_id,
            restarts: &self.restarts,
            refused: self.refused,
            settling: self.settling,
            quarantine: self.quarantine,
            preflight: &self.preflight,
            encryption: self.encryption,
            brake: &self.brake,
        })
    }

    fn mode(&mut self, mode: RestartMode) {
        self.rules.mode = Some(given(mode));
    }

    fn windows(&mut self, texts: &[&str]) {
        let windows = texts.iter().map(|text| Window::parse(text).unwrap());
        self.rules.windows.value = windows.collect();
    }

    fn server(&mut self, datastore: Datastore) {
        self.role = Some(Role::Server);
        self.datastore = Some(datastore);
    }
}

fn given<T>(value: T) -> Given<T> {
    Given { value, place: None }
}

fn word(gate: &Gate) -> &'static str {
    match gate {
        Gate::NotNeeded => "not needed",
        Gate::Now { .. } => "now",
        Gate::HeldUntil { .. } => "held",
        Gate::Refused { .. } => "refused",
        Gate::Pending { .. } => "pending",
        Gate::Unknown { .. } => "unknown",
    }
}

type Change = fn(&mut Case);

fn check(table: &[(&str, &str, Change)]) {
    for (name, expected, change) in table {
        let gate = Case::with(change).decide();
        assert_eq!(word(&gate), *expected, "{name}: {gate:?}");
    }
}

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

fn wait_of(case: &Case) -> Duration {
    match case.decide() {
        Gate::HeldUntil { wait, when, .. } => {
            assert_eq!(when, case.now.timestamp() + wait);
            wait
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_reason_names_the_file() {
    let expected = "/c/config.yaml.d/50-x.yaml changed since this K3s started".to_owned();
    assert_eq!(Case::new().decide(), Gate::Now { why: expected });
}

#[test]
fn a_pause_holds_until_it_ends() {
    let reason = "disk swap".to_owned();
    let case = Case::with(|c| {
        c.brake = Brake::Paused {
            left: 2 * HOUR,
            reason,
        }
    });
    assert_eq!(wait_of(&case), 2 * HOUR);
}

#[test]
fn the_longest_wait_counts() {
    let case = Case::with(|c| {
        c.restarts = vec![MINUTE, HOUR, HOUR, 20 * HOUR];
        c.quiet_for = Duration::ZERO;
    });
    assert_eq!(wait_of(&case), 4 * HOUR);
    let case = Case::with(|c| {
        c.restarts = vec![MINUTE];
        c.rules.per_day = given(NonZeroU32::new(9).unwrap());
    });
    assert_eq!(wait_of(&case), 9 * MINUTE);
}

#[test]
fn the_budget_frees_one_restart_at_a_time() {
    let case =
        Case::with(|c| c.restarts = vec![HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 5 * HOUR, 6 * HOUR]);
    // Six were made, four are allowed: three of the six have to grow older than a day.
    assert_eq!(wait_of(&case), 20 * HOUR);
}

#[test]
fn each_node_has_its_own_turn_within_the_jitter_and_keeps_it() {
    let turns: Vec<Duration> = (0..50)
        .map(|number| {
            let mut case = Case::with(|c| {
                c.wanted_for = Duration::ZERO;
                c.node_id = format!("node{number}");
            });
            case.rules.jitter.value = 10 * MINUTE;
            let turn = match case.decide() {
                Gate::HeldUntil { wait, .. } => wait,
                _ => Duration::ZERO,
            };
            case.wanted_for = turn;
            assert_eq!(word(&case.decide()), "now");
            turn
        })
        .collect();
    assert!(turns.iter().all(|turn| *turn <= 10 * MINUTE));
    let early = turns.iter().filter(|turn| **turn < 5 * MINUTE).count();
    assert!((10..40).contains(&early), "{early} of 50");
}

#[test]
fn no_jitter_is_no_wait() {
    let mut case = Case::with(|c| c.wanted_for = Duration::ZERO);
    case.rules.jitter.value = Duration::ZERO;
    assert_eq!(word(&case.decide()), "now");
}

#[test]
fn a_closed_window_holds_until_its_local_opening() {
    let zone = TimeZone::fixed(jiff::tz::offset(2));
    let case = Case::with(|c| {
        c.now = c.now.with_time_zone(zone);
        c.mode(RestartMode::Window);
        c.windows(&["15:00-16:00"]);
    });
    // Noon UTC is two in the afternoon there.
    assert_eq!(wait_of(&case), HOUR);
}

#[test]
fn in_a_window_turns_come_in_its_first_half() {
    for number in 0..30 {
        let mut case = Case::with(|c| {
            c.mode(RestartMode::Window);
            c.windows(&["12:00-12:10"]);
            c.node_id = format!("node{number}");
        });
        case.rules.jitter.value = 5 * HOUR;
        if word(&case.decide()) == "held" {
            assert!(wait_of(&case) <= 5 * MINUTE);
        }
        case.now = date(2027, 1, 4)
            .at(12, 6, 0, 0)
            .to_zoned(TimeZone::UTC)
            .unwrap();
        assert_eq!(word(&case.decide()), "now");
    }
}

/// In the night when clocks go back an hour is there twice, and the window opens in both.
#[test]
fn in_the_second_pass_of_a_repeated_hour_a_window_is_waited_for_and_not_asked_for_each_second() {
    let case = Case::with(|c| {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let local = date(2027, 10, 31).at(2, 10, 0, 0);
        c.now = zone.to_ambiguous_zoned(local).later().unwrap();
        c.mode(RestartMode::Window);
        c.windows(&["02:30-02:50"]);
    });
    let Gate::HeldUntil { wait, .. } = case.decide() else {
        panic!("{:?}", case.decide());
    };
    assert_eq!(wait, 20 * MINUTE);
}
