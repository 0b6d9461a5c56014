use std::thread::sleep;
use std::time::Instant;

use super::*;

const SHELL: &str = "/bin/sh";
/// More time than any of these programs needs, also on a machine that is busy with others.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(60),
    output_bytes: 1024,
};

fn sh(script: &str, limits: Limits) -> Result<Output, ProcessError> {
    run(Path::new(SHELL), &["-c", script], limits)
}

#[test]
fn output_errors_and_status_come_back() {
    let output = sh("echo out; echo err >&2; exit 3", LIMITS).unwrap();
    assert_eq!(output.status, Some(3));
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, "err");
    assert!(!output.truncated);
}

#[test]
fn the_program_sees_our_environment_and_descriptors_no_more_than_it_needs() {
    let directory = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(directory.path().join("open")).unwrap();
    let output = sh("env; readlink /proc/self/fd/*; pwd", LIMITS).unwrap();
    drop(file);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("CARGO"), "{text}");
    assert!(!text.contains("/open"), "{text}");
    assert!(text.contains("PATH=/usr/bin:/bin"), "{text}");
    assert!(text.contains("/dev/null"), "{text}");
    assert!(text.ends_with("\n/\n"), "{text}");
}

#[test]
fn a_program_that_hangs_is_ended_with_what_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let started = directory.path().join("started");
    let script = format!("sleep 600 & echo $! >{}; sleep 600", started.display());
    // On a busy machine the shell may come to its first command only in a longer time.
    let pid = [200, 2_000, 20_000].into_iter().find_map(|millis| {
        let time = Duration::from_millis(millis);
        let begin = Instant::now();
        let error = sh(&script, Limits { time, ..LIMITS }).unwrap_err();
        assert!(matches!(error, ProcessError::TimeLimit { .. }), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(60));
        let text = std::fs::read_to_string(&started).unwrap_or_default();
        text.ends_with('\n').then(|| text.trim().to_owned())
    });
    let pid = pid.expect("the shell starts");
    let end = Instant::now() + Duration::from_secs(60);
    while lives(&pid) {
        assert!(Instant::now() < end, "the grandchild lives on");
        sleep(Duration::from_millis(5));
    }
}

/// One that is dead and that nobody has asked for its status yet does not.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
    state.is_some_and(|state| state != b'Z' && state != b'X')
}

#[test]
fn a_program_that_closes_its_output_and_hangs_is_ended_too() {
    let limits = Limits {
        time: Duration::from_millis(200),
        ..LIMITS
    };
    let error = sh("exec >&- 2>&-; sleep 60", limits).unwrap_err();
    assert!(matches!(error, ProcessError::TimeLimit { .. }));
}

#[test]
fn a_flood_is_cut_at_the_limit() {
    let output = sh("while :; do echo 0123456789; done", LIMITS).unwrap();
    assert_eq!(output.stdout.len(), 1024);
    assert!(output.truncated);
    let output = sh("while :; do echo 0123456789 >&2; done", LIMITS_SHORT).unwrap_err();
    assert!(matches!(output, ProcessError::TimeLimit { .. }));
}

const LIMITS_SHORT: Limits = Limits {
    time: Duration::from_millis(300),
    output_bytes: 1024,
};

#[test]
fn a_grandchild_that_keeps_the_pipe_open_does_not_hold_us() {
    let begin = Instant::now();
    let output = sh("sleep 40 & echo done", LIMITS).unwrap();
    assert_eq!(output.stdout, b"done\n");
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn whoever_reads_may_have_enough() {
    let mut seen = 0;
    let endless = ["-c", "while :; do echo x; done"];
    let output = stream(Path::new(SHELL), &endless, LIMITS, &mut |bytes| {
        seen += bytes.len();
        ControlFlow::Break(())
    });
    assert!(seen > 0);
    assert!(!output.unwrap().truncated);
}

#[test]
fn a_missing_program_is_named() {
    let error = find("no-such-program").unwrap_err();
    assert_eq!(
        error.to_string(),
        "no-such-program is not in /usr/bin or /bin"
    );
    let error = run::<&str>(Path::new("/no/such"), &[], LIMITS).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start /no/such: No such file or directory"
    );
    assert!(find("env").unwrap().ends_with("bin/env"));
}
