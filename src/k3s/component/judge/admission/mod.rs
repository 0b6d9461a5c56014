//! Admission plug-ins and their configuration file.
//!
//! apiserver `pkg/server/options/admission.go`, `pkg/admission/{config,plugins}.go`.

mod event_rate_limit;
mod others;
mod pod_security;

use std::collections::BTreeSet;

use super::{Line, files};
use crate::host::Kind;
use crate::k3s::component::Argument;
use crate::k3s::component::document::Document;
use crate::k3s::component::minors::{self, PLUGINS};
use crate::k3s::component::schema::Shape;

/// Unknown fields of the admission configuration end the apiserver from here on.
const STRICT_SINCE_MINOR: u16 = 32;

const PLUGIN: Shape = Shape::Struct(
    "v1.AdmissionPluginConfiguration",
    &[
        ("name", Shape::Text),
        ("path", Shape::Text),
        ("configuration", Shape::Any),
    ],
);
const CONFIGURATION: Shape = Shape::Struct(
    "v1.AdmissionConfiguration",
    &[
        ("apiVersion", Shape::Text),
        ("kind", Shape::Text),
        ("plugins", Shape::List(&PLUGIN)),
    ],
);

/// What EventRateLimit says of a configuration without limits.
const EMPTY_LIMITS: &str = "limits: Invalid value: null: must not be empty";

/// Why a plug-in would not take its section, and so when it says so.
enum Refusal {
    /// Where it is made.
    Decoded(String),
    /// Where it is asked whether it is ready.
    Initialized(String),
}

impl Refusal {
    fn into_reason(self) -> String {
        let (Self::Decoded(reason) | Self::Initialized(reason)) = self;
        reason
    }
}

/// Judges the plug-in lists, the configuration file and the sections of plug-ins that need one.
pub(super) fn judge(line: &mut Line<'_>) {
    lists(line);
    if !line.goes_on() {
        return;
    }
    let Some(argument) = line.given("admission-control-config-file") else {
        without_section(line, None);
        return;
    };
    let prefix = "failed to apply admission: failed to read plugin config: unable to read admission control configuration";
    let Some(config) = files::document(line, argument, prefix) else {
        if line.goes_on()
            && matches!(
                line.files.read(&line.node.named_file(&argument.value)),
                Ok(None)
            )
        {
            without_section(line, None);
        }
        return;
    };
    // Two old files of single plug-ins have no kind and are taken as they are.
    let legacy = ["imagePolicy", "podNodeSelectorPluginConfig"];
    if config.text("kind").is_empty() && legacy.iter().any(|key| config.get(key).is_some()) {
        return;
    }
    if let Some(reason) = refuses(&config, line.minor()) {
        line.end(&reason, Some(argument));
    }
    if !line.goes_on() {
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
    // An empty list is one that was given (kubernetes `pkg/kubeapiserver/options/admission.go`).
    let lists = ["enable-admission-plugins", "disable-admission-plugins"];
    if let Some(argument) = line.last("admission-control")
        && lists.iter().any(|flag| line.last(flag).is_some())
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
    match minor {
        ..STRICT_SINCE_MINOR => CONFIGURATION.mismatch(config, minor),
        _ => CONFIGURATION.strict(config, minor),
    }
}

/// Why a section is of no kind that its plug-in knows (apimachinery `pkg/runtime/serializer/json`).
fn refused_kind(section: &Document, kinds: &[(&str, &str)]) -> Option<String> {
    if let Some(reason) = Shape::Struct("struct", &[]).mismatch(section, minors::NEWEST) {
        return Some(format!(
            "couldn't get version/kind; json parse error: {reason}"
        ));
    }
    let given = (section.text("apiVersion"), section.text("kind"));
    let shown = if section.keys().next().is_none() {
        " in '{}'"
    } else {
        ""
    };
    match given {
        (_, "") => Some(format!("Object 'Kind' is missing{shown}")),
        ("", _) => Some(format!("Object 'apiVersion' is missing{shown}")),
        (version, kind) => (!kinds.contains(&given))
            .then(|| format!("no kind {kind:?} is registered for version {version:?}")),
    }
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
            (_, None | Some(Document::Null)) => None,
            ("PodSecurity", Some(section)) => pod_security::refuses(section, minor),
            ("EventRateLimit", Some(section)) => {
                event_rate_limit::refuses(section, minor).map(Refusal::Decoded)
            }
            _ => None,
        };
        if let Some(refusal) = wrong {
            return Err(refusal.into_reason());
        }
        names.push(name.to_owned());
    }
    Ok(names)
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
    ("EventRateLimit", EMPTY_LIMITS),
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
    let mut seen = BTreeSet::new();
    for plugin in plugins(config) {
        let name = plugin.text("name");
        // Of two sections for one plug-in the first counts (configProvider.ConfigFor).
        if !seen.insert(name) || !is_enabled(line, name, is_on_by_default(name, line.minor())) {
            continue;
        }
        let Some(section) = section(line, argument, plugin) else {
            continue;
        };
        let (what, reason) = match refuses_section(name, &section, line) {
            Some(Refusal::Decoded(reason)) => ("couldn't init", reason),
            Some(Refusal::Initialized(reason)) => ("failed to initialize", reason),
            None => continue,
        };
        let reason =
            format!("failed to apply admission: {what} admission plugin {name:?}: {reason}");
        line.end(&reason, Some(argument));
    }
}

/// Of the plug-ins whose sections are judged.
fn is_on_by_default(plugin: &str, minor: u16) -> bool {
    match plugin {
        // Before, it is an alpha plug-in.
        "PodSecurity" => minor >= 23,
        "ResourceQuota" | "ValidatingAdmissionWebhook" | "MutatingAdmissionWebhook" => true,
        _ => false,
    }
}

fn refuses_section(plugin: &str, section: &Document, line: &Line<'_>) -> Option<Refusal> {
    match plugin {
        "PodSecurity" => pod_security::refuses(section, line.minor()),
        "EventRateLimit" => event_rate_limit::refuses(section, line.minor()).map(Refusal::Decoded),
        _ => others::refuses(plugin, section, line.files).map(Refusal::Decoded),
    }
}

/// The section of a plug-in: written in place, or in a file beside the configuration; `None` where it has neither, or an
/// empty file.
fn section(line: &mut Line<'_>, argument: &Argument, plugin: &Document) -> Option<Document> {
    match plugin.get("configuration") {
        None | Some(Document::Null) => {}
        Some(section) => return Some(section.clone()),
    }
    let path = plugin.text("path");
    if path.is_empty() {
        return None;
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
        .filter(|section| *section != Document::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Document {
        Document::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn unknown_fields_of_the_file_end_it_from_1_32_on() {
        let config = parse(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nextra: 1\n",
        );
        assert!(refuses(&config, 31).is_none());
        assert!(refuses(&config, 32).is_some());
        assert!(refuses(&parse("kind: AdmissionConfiguration"), 31).is_some());
        let plugins = |plugins: &str| {
            parse(&format!(
                "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins: {plugins}"
            ))
        };
        assert!(refuses(&plugins("[{name: 1}]"), 31).is_some());
        assert!(refuses(&plugins("x"), 31).is_some());
        let misspelt = refuses(&plugins("[{name: a, file: b}]"), 36).unwrap();
        assert!(misspelt.contains("\"plugins[0].file\""), "{misspelt}");
    }
}
