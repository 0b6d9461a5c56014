//! Authorization: flags or a file (kubernetes `pkg/kubeapiserver/options/authorization.go`).

use std::collections::BTreeSet;

use super::{Line, authorization_file, gate_on, versions};
use crate::k3s::component::Argument;
use crate::k3s::component::judge::files;

/// Judges what who has come may do.
pub(super) fn judge(line: &mut Line<'_>) {
    if let Some(argument) = line.given("authorization-config") {
        authorization_config(line, argument);
        return;
    }
    let modes = line.words("authorization-mode");
    let mut seen = BTreeSet::new();
    for (mode, argument) in &modes {
        let known = [
            "AlwaysAllow",
            "AlwaysDeny",
            "ABAC",
            "Webhook",
            "RBAC",
            "Node",
        ];
        let reason = if !known.contains(mode) {
            format!("authorization-mode {mode:?} is not a valid mode")
        } else if *mode == "ABAC" && line.given("authorization-policy-file").is_none() {
            "authorization-mode ABAC's authorization policy file not passed".to_owned()
        } else if *mode == "Webhook" && line.given("authorization-webhook-config-file").is_none() {
            "authorization-mode Webhook's authorization config file not passed".to_owned()
        } else if !seen.insert(*mode) {
            format!("authorization-mode {mode:?} has mode specified more than once")
        } else {
            continue;
        };
        line.end(&reason, Some(argument));
    }
    // 1.36 takes none for AlwaysAllow. That came with the configuration file, of 1.29; when, is not known here.
    let needs_one = line.minor() <= 28 && modes.is_empty();
    if let Some(argument) = line.last("authorization-mode").filter(|_| needs_one) {
        line.end(
            "at least one authorization-mode must be passed",
            Some(argument),
        );
    }
    for (flag, mode) in [
        ("authorization-policy-file", "ABAC"),
        ("authorization-webhook-config-file", "Webhook"),
    ] {
        if let Some(argument) = line.given(flag)
            && !modes.iter().any(|(given, _)| *given == mode)
        {
            line.end(
                &format!("cannot specify --{flag} without mode {mode}"),
                Some(argument),
            );
        }
    }
}

fn authorization_config(line: &mut Line<'_>, argument: &Argument) {
    if line.minor() < 30 && !gate_on(line, "StructuredAuthorizationConfiguration") {
        line.end(
            "--authorization-config cannot be used without enabling StructuredAuthorizationConfiguration feature flag",
            Some(argument),
        );
        return;
    }
    let legacy = line.arguments.iter().any(|argument| {
        argument.flag == "authorization-mode" || argument.flag.starts_with("authorization-webhook-")
    });
    if legacy {
        line.end(
            "--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined",
            Some(argument),
        );
        return;
    }
    let prefix = "failed to load AuthorizationConfiguration from file";
    let Some(config) = files::document(line, argument, prefix) else {
        return;
    };
    let versions = versions(line, 32);
    let reason = match authorization_file::undecoded(&config, &versions, line.minor()) {
        Some(reason) => Some(format!("{prefix}: {reason}")),
        None => authorization_file::invalid(&config, line.minor()),
    };
    if let Some(reason) = reason {
        line.end(&reason, Some(argument));
    }
}
