//! Authentication: flags or a file (kubernetes `pkg/kubeapiserver/options/authentication.go`).

use super::{Line, authentication_file, gate_on, issuer, versions};
use crate::k3s::Place;
use crate::k3s::component::Argument;
use crate::k3s::component::document::Document;
use crate::k3s::component::judge::files;

/// Judges who may come.
pub(super) fn judge(line: &mut Line<'_>) {
    issuer::of_service_accounts(line);
    let oidc = line
        .arguments
        .iter()
        .find(|argument| argument.flag.starts_with("oidc-"));
    let Some(argument) = line.given("authentication-config") else {
        without_a_file(line, oidc);
        return;
    };
    if line.minor() < 30 && !gate_on(line, "StructuredAuthenticationConfiguration") {
        line.end(
            "set --feature-gates=StructuredAuthenticationConfiguration=true to use authentication-config file",
            Some(argument),
        );
        return;
    }
    if oidc.is_some() {
        line.end(
            "authentication-config file and oidc-* flags are mutually exclusive",
            oidc,
        );
        return;
    }
    let path = line.node.named_file(&argument.value);
    let prefix = format!("failed to load authentication configuration from file {path:?}");
    let Some(config) = files::document(line, argument, &prefix) else {
        return;
    };
    let versions = versions(line, 34);
    let reason = match authentication_file::undecoded(&config, &versions, line.minor()) {
        Some(reason) => Some(format!("{prefix}: {reason}")),
        None => authentication_file::invalid(&config, line.minor())
            .map(|reason| format!("invalid authentication configuration: {reason}")),
    };
    if let Some(reason) = reason {
        line.end(&reason, Some(argument));
        return;
    }
    let anonymous = matches!(config.get("anonymous"), Some(Document::Map(_)));
    if let Some(flag) = line
        .last("anonymous-auth")
        .filter(|_| anonymous && line.minor() >= 31)
    {
        let blamed = if flag.place == Place::Default {
            argument
        } else {
            flag
        };
        line.end(
            "--anonymous-auth flag cannot be set when anonymous field is configured in authentication configuration file",
            Some(blamed),
        );
    }
}

/// What the flags alone say of issuers of OpenID tokens; `oidc` is the first of them.
fn without_a_file(line: &mut Line<'_>, oidc: Option<&Argument>) {
    let halves = ["oidc-issuer-url", "oidc-client-id"];
    if oidc.is_some() && halves.iter().any(|flag| line.given(flag).is_none()) {
        line.end(
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set",
            oidc,
        );
    } else if let Some(argument) = line.given("oidc-issuer-url")
        && let Some(why) = issuer::no_issuer(&argument.value, line.minor())
    {
        let reason = format!(
            "invalid authentication configuration: jwt[0].issuer.url: Invalid value: {:?}: {why}",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
}
