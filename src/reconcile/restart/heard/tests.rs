use super::*;

fn line(level: &str, message: &str) -> String {
    format!("time=\"2026-11-23T10:00:00Z\" level={level} msg={message:?}")
}

#[test]
fn running_lines_give_the_arguments_of_each_component_in_order() {
    let mut heard = Heard::new(None);
    heard.hear(&line(
        "info",
        "Running kube-apiserver --b=2 --a=1 --a=3 --event=a b --u=",
    ));
    heard.hear(&line("info", "Running kubelet"));
    heard.hear(&line("info", "Running etcd --x=y"));
    let apiserver = &heard.arguments()[&Component::Apiserver];
    assert_eq!(
        apiserver,
        &["--b=2", "--a=1", "--a=3", "--event=a b", "--u="]
    );
    assert!(heard.arguments()[&Component::Kubelet].is_empty());
    assert_eq!(heard.arguments().len(), 2);
}

#[test]
fn a_secret_is_masked_before_anything_keeps_it() {
    let mut heard = Heard::new(None);
    heard.hear(&line(
        "info",
        "Running kube-apiserver --etcd-servers=https://user:pw@db --a=1",
    ));
    let arguments = &heard.arguments()[&Component::Apiserver];
    assert_eq!(arguments, &["--etcd-servers={secret}", "--a=1"]);
}

#[test]
fn the_marker_is_heard_in_the_components_own_lines() {
    let mut heard = Heard::new(Some(Marker::Scheduler));
    heard.hear("I1123 10:00:00.1 25 server.go:1] \"Started kubelet\"");
    assert!(!heard.is_marker_seen());
    heard.hear(
        "I1123 10:00:09.1 25 server.go:176] \"Starting Kubernetes Scheduler\" version=\"v1.36.3\"",
    );
    assert!(heard.is_marker_seen());
}

#[test]
fn an_end_is_told_from_a_stop_and_from_a_server_that_is_away() {
    for (level, message, expected) in [
        (
            "error",
            "Shutdown request received: \"apiserver exited: unknown flag: --nope\"",
            Some(Ended::Failed(
                "apiserver exited: unknown flag: --nope".to_owned(),
            )),
        ),
        (
            "fatal",
            "apiserver exited: unknown flag: --x",
            Some(Ended::Failed(
                "apiserver exited: unknown flag: --x".to_owned(),
            )),
        ),
        (
            "fatal",
            "Error: server panicked: runtime error",
            Some(Ended::Failed(
                "Error: server panicked: runtime error".to_owned(),
            )),
        ),
        ("fatal", "apiserver exited: <nil>", Some(Ended::Asked)),
        (
            "fatal",
            "Tunnel watches failed to wait for RBAC: context canceled, ",
            Some(Ended::Asked),
        ),
        ("info", "Shutdown request received", None),
        ("error", "apiserver exited: but not at level fatal", None),
        ("info", "Running kubelet --x=y", None),
    ] {
        let mut heard = Heard::new(None);
        heard.hear(&line(level, message));
        assert_eq!(heard.ended(), expected.as_ref(), "{message}");
    }
    let away =
        "Shutdown request received: \"failed to wait for API server to become ready: timeout\"";
    for (marker, unreachable) in [(Marker::Kubelet, true), (Marker::Scheduler, false)] {
        let mut heard = Heard::new(Some(marker));
        heard.hear(&line("error", away));
        let is_unreachable = matches!(heard.ended(), Some(Ended::ServerUnreachable(_)));
        assert_eq!(
            is_unreachable, unreachable,
            "a server's own apiserver may well fail by what we wrote"
        );
    }
}

#[test]
fn the_first_end_is_the_cause_and_the_last_errors_are_kept() {
    let mut heard = Heard::new(None);
    for number in 0..9 {
        heard.hear(&line("fatal", &format!("end {number}")));
    }
    assert_eq!(heard.ended(), Some(&Ended::Failed("end 0".to_owned())));
    assert_eq!(
        heard.errors().collect::<Vec<_>>(),
        ["end 4", "end 5", "end 6", "end 7", "end 8"]
    );
}
