//! Admission plug-ins and their configuration file.
//!
//! apiserver `pkg/server/options/admission.go`, `pkg/admission/config.go`; pod-security-admission `admission/api`;
//! kubernetes `plugin/pkg/admission/eventratelimit`.

use std::collections::BTreeSet;

use super::{Line, files};
use crate::host::Kind;
use crate::k3s::component::Argument;
use crate::k3s::component::document::Document;
use crate::k3s::component::minors::{self, PLUGINS};

/// Unknown fields of the admission configuration end the apiserver from here on.
const STRICT_SINCE_MINOR: u16 = 32;

/// Judges the plug-in lists, the configuration file and the sections of plug-ins that need one.
pub(super) fn judge(line: &mut Line<'_>) {
    lists(line);
    if !line.endings.is_empty() {
        return;
    }
    let Some(argument) = line.given("admission-control-config-file") else {
        without_section(line, None);
        return;
    };
    let prefix = "failed to apply admission: failed to read plugin config: unable to read admission control configuration";
    let Some(config) = files::document(line, argument, prefix) else {
        return;
    };
    // Two old files of single plug-ins have no kind and are taken as they are.
    let legacy = ["imagePolicy", "podNodeSelectorPluginConfig"];
    if config.text("kind").is_empty() && legacy.iter().any(|key| config.get(key).is_some()) {
        return;
    }
    if let Some(reason) = refuses(&config, line.minor()) {
        line.end(&reason, Some(argument));
        return;
    }
    sections(line, argument, &config);
}

fn lists(line: &mut Line<'_>) {
    let enabled = line.words("enable-admission-plugins");
    let disabled = line.words("disable-admission-plugins");
    let minor = line.minor();
    for (flag, words) in [
        ("enable-admission-plugins", &enabled),
        ("disable-admission-plugins", &disabled),
        ("admission-control", &line.words("admission-control")),
    ] {
        for (name, argument) in words {
            if !minors::known(PLUGINS, name, minor) {
                line.end(
                    &format!("{flag} plugin {name:?} is unknown"),
                    Some(argument),
                );
            }
        }
    }
    let names: BTreeSet<&str> = enabled.iter().map(|(name, _)| *name).collect();
    let both: Vec<&str> = disabled
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| names.contains(name))
        .collect();
    if !both.is_empty() {
        let reason = format!(
            "{both:?} in enable-admission-plugins and disable-admission-plugins overlapped"
        );
        let argument = disabled.first().map(|(_, argument)| *argument);
        line.end(&reason, argument);
    }
    let old = line.words("admission-control");
    if let Some((_, argument)) = old.first()
        && !(enabled.is_empty() && disabled.is_empty())
    {
        line.end(
            "admission-control and enable-admission-plugins/disable-admission-plugins flags are mutually exclusive",
            Some(argument),
        );
    }
}

fn refuses(config: &Document, minor: u16) -> Option<String> {
    let (version, kind) = (config.text("apiVersion"), config.text("kind"));
    let versions = ["apiserver.config.k8s.io/v1", "apiserver.k8s.io/v1alpha1"];
    if kind != "AdmissionConfiguration" || !versions.contains(&version) {
        return Some(format!(
            "no kind {kind:?} is registered for version {version:?} (admission configuration)"
        ));
    }
    if !matches!(
        config.get("plugins"),
        None | Some(Document::Null | Document::List(_))
    ) {
        return Some("admission configuration: plugins is no list".to_owned());
    }
    if minor < STRICT_SINCE_MINOR {
        return None;
    }
    let unknown = unknown_field(config, &["apiVersion", "kind", "plugins"]).or_else(|| {
        plugins(config)
            .iter()
            .find_map(|plugin| unknown_field(plugin, &["name", "path", "configuration"]))
    });
    unknown.map(|field| format!("strict decoding error: unknown field {field:?}"))
}

/// The plug-ins that a configuration has a section for, or why it would not be taken. A section in a file of its own is
/// taken on trust: where it points is only known to the one who named the file.
pub(super) fn sections_of(config: &Document, minor: u16) -> Result<Vec<String>, String> {
    if let Some(reason) = refuses(config, minor) {
        return Err(reason);
    }
    let mut names = Vec::new();
    for plugin in plugins(config) {
        let name = plugin.text("name");
        let wrong = match (name, plugin.get("configuration")) {
            ("PodSecurity", Some(section)) => pod_security(section),
            ("EventRateLimit", Some(section)) => event_rate_limit(section),
            _ => None,
        };
        if let Some(reason) = wrong {
            return Err(reason);
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn unknown_field(document: &Document, known: &[&str]) -> Option<String> {
    let mut seen = BTreeSet::new();
    document
        .keys()
        .find(|key| !known.contains(key) || !seen.insert(*key))
        .map(str::to_owned)
}

fn plugins(config: &Document) -> &[Document] {
    config.get("plugins").map_or(&[], Document::items)
}

fn is_enabled(line: &Line<'_>, plugin: &str, by_default: bool) -> bool {
    let named = |flag: &str| line.words(flag).iter().any(|(name, _)| *name == plugin);
    named("enable-admission-plugins") || (by_default && !named("disable-admission-plugins"))
}

/// Plug-ins that do not start without their section, and what they say then.
pub(super) const NEED_A_SECTION: [(&str, &str); 2] = [
    (
        "EventRateLimit",
        "limits: Invalid value: null: must not be empty",
    ),
    ("ImagePolicyWebhook", "no config specified"),
];

/// Ends the component where one of them is on and has no section.
fn without_section(line: &mut Line<'_>, config: Option<&Document>) {
    for (plugin, reason) in NEED_A_SECTION {
        let has = config.is_some_and(|config| {
            plugins(config)
                .iter()
                .any(|entry| entry.text("name") == plugin)
        });
        if is_enabled(line, plugin, false) && !has {
            let argument = line
                .words("enable-admission-plugins")
                .into_iter()
                .find(|(name, _)| *name == plugin)
                .map(|(_, argument)| argument);
            let reason = format!(
                "failed to apply admission: couldn't init admission plugin {plugin:?}: {reason}"
            );
            line.end(&reason, argument);
        }
    }
}

fn sections(line: &mut Line<'_>, argument: &Argument, config: &Document) {
    without_section(line, Some(config));
    for plugin in plugins(config) {
        let name = plugin.text("name");
        let judge: fn(&Document) -> Option<String> = match name {
            // On by default since 1.23; before, it is an alpha plug-in.
            "PodSecurity" if is_enabled(line, name, line.minor() >= 23) => pod_security,
            "EventRateLimit" if is_enabled(line, name, false) => event_rate_limit,
            _ => continue,
        };
        let Some(section) = section(line, argument, plugin) else {
            continue;
        };
        if let Some(reason) = judge(&section) {
            let reason = format!(
                "failed to apply admission: failed to initialize admission plugin {name:?}: {reason}"
            );
            line.end(&reason, Some(argument));
        }
    }
}

/// The section of a plug-in: written in place, or in a file beside the configuration.
fn section(line: &mut Line<'_>, argument: &Argument, plugin: &Document) -> Option<Document> {
    if let Some(section @ Document::Map(_)) = plugin.get("configuration") {
        return Some(section.clone());
    }
    let path = plugin.text("path");
    if path.is_empty() {
        return Some(Document::Map(Vec::new()));
    }
    let path = line.node.named_file(&argument.value).with_file_name(path);
    if !matches!(line.files.kind(&path), Ok(Some(Kind::File))) {
        let reason = format!(
            "Couldn't open admission plugin configuration {}",
            path.display()
        );
        line.end(&reason, Some(argument));
        return None;
    }
    let nested = Argument {
        value: path.to_string_lossy().into_owned(),
        ..argument.clone()
    };
    files::document(line, &nested, "failed to apply admission")
}

fn pod_security(section: &Document) -> Option<String> {
    // No section at all means the defaults.
    section.keys().next()?;
    let (version, kind) = (section.text("apiVersion"), section.text("kind"));
    let known = version
        .strip_prefix("pod-security.admission.config.k8s.io/")
        .is_some_and(|version| ["v1", "v1beta1", "v1alpha1"].contains(&version));
    if kind != "PodSecurityConfiguration" || !known {
        return Some(format!(
            "no kind {kind:?} is registered for version {version:?}"
        ));
    }
    let empty = Document::Null;
    let defaults = section.get("defaults").unwrap_or(&empty);
    let exemptions = section.get("exemptions").unwrap_or(&empty);
    let unknown = unknown_field(section, &["apiVersion", "kind", "defaults", "exemptions"])
        .or_else(|| unknown_field(defaults, &MODES))
        .or_else(|| unknown_field(exemptions, &["usernames", "namespaces", "runtimeClasses"]));
    if let Some(field) = unknown {
        return Some(format!("strict decoding error: unknown field {field:?}"));
    }
    MODES
        .iter()
        .find_map(|mode| {
            let value = match defaults.get(mode)? {
                Document::Null => return None,
                Document::Text(text) => text.as_str(),
                _ => return Some(format!("{mode} is no text")),
            };
            let good = if mode.ends_with("-version") {
                is_policy_version(value)
            } else {
                value.is_empty() || ["privileged", "baseline", "restricted"].contains(&value)
            };
            let must = if mode.ends_with("-version") {
                "must be \"latest\" or \"v1.x\""
            } else {
                "must be one of privileged, baseline, restricted"
            };
            (!good).then(|| format!("PodSecurity configuration error: {mode}: {must}"))
        })
        .or_else(|| exempt(exemptions))
}

const MODES: [&str; 6] = [
    "enforce",
    "enforce-version",
    "audit",
    "audit-version",
    "warn",
    "warn-version",
];

fn is_policy_version(text: &str) -> bool {
    let minor = |rest: &str| {
        rest == "0"
            || (!rest.starts_with('0') && rest.parse::<u32>().is_ok() && !rest.contains('+'))
    };
    text.is_empty() || text == "latest" || text.strip_prefix("v1.").is_some_and(minor)
}

fn exempt(exemptions: &Document) -> Option<String> {
    for (key, is_good) in [
        ("namespaces", is_label as fn(&str) -> bool),
        ("runtimeClasses", |name| name.split('.').all(is_label)),
        ("usernames", |name| !name.is_empty()),
    ] {
        let mut seen = BTreeSet::new();
        for item in exemptions.get(key).map_or(&[][..], Document::items) {
            let Document::Text(name) = item else {
                return Some(format!("exemptions.{key}: an item is no text"));
            };
            if !is_good(name) || !seen.insert(name) {
                return Some(format!("exemptions.{key}: Invalid value: {name:?}"));
            }
        }
    }
    None
}

/// An RFC 1123 label, as namespaces are named.
fn is_label(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty()
        && name.len() <= 63
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn event_rate_limit(section: &Document) -> Option<String> {
    if section.keys().next().is_none() {
        return Some("limits: Invalid value: null: must not be empty".to_owned());
    }
    let (version, kind) = (section.text("apiVersion"), section.text("kind"));
    if (version, kind) != ("eventratelimit.admission.k8s.io/v1alpha1", "Configuration") {
        return Some(format!(
            "no kind {kind:?} is registered for version {version:?}"
        ));
    }
    let limits = section.get("limits").map_or(&[][..], Document::items);
    if limits.is_empty() {
        return Some("limits: Invalid value: null: must not be empty".to_owned());
    }
    limits.iter().enumerate().find_map(|(index, limit)| {
        let positive = |key: &str| match limit.get(key) {
            Some(Document::Number(text)) => text.parse::<i64>().is_ok_and(|number| number > 0),
            _ => false,
        };
        let types = ["Server", "Namespace", "User", "SourceAndObject"];
        let wrong = if !types.contains(&limit.text("type")) {
            Some("type: Unsupported value")
        } else if !positive("burst") {
            Some("burst: must be positive")
        } else if !positive("qps") {
            Some("qps: must be positive")
        } else {
            None
        };
        wrong.map(|wrong| format!("limits[{index}].{wrong}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes()).unwrap()
    }

    fn security(rest: &str) -> Option<String> {
        pod_security(&parse(&format!(
            "apiVersion: pod-security.admission.config.k8s.io/v1\nkind: PodSecurityConfiguration\n{rest}"
        )))
    }

    #[test]
    fn pod_security_levels_versions_and_exemptions_are_checked() {
        assert_eq!(
            security("defaults: {enforce: restricted, enforce-version: latest}"),
            None
        );
        assert!(
            security("defaults: {enforce: strict}")
                .unwrap()
                .contains("privileged")
        );
        assert!(security("defaults: {enforce-version: '1.25'}").is_some());
        assert!(security("default: {}").unwrap().contains("unknown field"));
        assert!(security("exemptions: {namespaces: [a, a]}").is_some());
        assert!(security("exemptions: {namespaces: [Kube]}").is_some());
        assert_eq!(security("exemptions: {namespaces: [kube-system]}"), None);
    }

    #[test]
    fn event_rate_limits_need_type_rate_and_burst() {
        let limits = |rest: &str| {
            event_rate_limit(&parse(&format!(
                "apiVersion: eventratelimit.admission.k8s.io/v1alpha1\nkind: Configuration\n{rest}"
            )))
        };
        assert_eq!(
            limits("limits: [{type: Server, qps: 50, burst: 100}]"),
            None
        );
        assert!(limits("limits: []").is_some());
        assert!(limits("limits: [{type: Servers, qps: 50, burst: 100}]").is_some());
        assert!(limits("limits: [{type: Server, qps: 0, burst: 100}]").is_some());
    }

    #[test]
    fn unknown_fields_of_the_file_end_it_from_1_32_on() {
        let config = parse(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nextra: 1\n",
        );
        assert!(refuses(&config, 31).is_none());
        assert!(refuses(&config, 32).is_some());
        assert!(refuses(&parse("kind: AdmissionConfiguration"), 31).is_some());
    }
}
