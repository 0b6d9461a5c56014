//! The kubelet: its files, its settings, the kernel's values and the cgroup hierarchy.

mod cpus;
mod eviction;
mod images;
mod labels;
mod logs;
mod managers;
mod node;
mod numbers;
mod paths;
mod policies;
mod quantities;
mod taints;

pub(super) use taints::of_option as taints_of_option;

use super::{CgroupVersion, Facts, Line, tls};
use crate::k3s::component::Component;
use crate::k3s::component::document::Document;
use crate::k3s::component::kubelet::{Extracted, KubeletSettings, Setting};
use crate::k3s::component::minors::{self, GATES};
use crate::k3s::component::value::Kind;
use crate::k3s::go_value::boolean;
use crate::k3s::{Ending, Place, Slip};

/// The values that `protectKernelDefaults` demands (component-helpers `node/util/sysctl`).
pub const KERNEL_PARAMETERS: [(&str, i64); 6] = [
    ("vm.overcommit_memory", 1),
    ("vm.panic_on_oom", 0),
    ("kernel.panic", 10),
    ("kernel.panic_on_oops", 1),
    ("kernel.keys.root_maxkeys", 1_000_000),
    ("kernel.keys.root_maxbytes", 25_000_000),
];

/// What K3s and the kubelet refuse about configuration files.
pub(super) fn files(
    line: &mut Line<'_>,
    settings: Option<&Result<KubeletSettings, Ending>>,
    extracted: &Extracted,
) {
    if let Some(item) = &extracted.empty {
        line.endings.push(Ending::new(
            "failed to start kubelet: value required for kubelet-arg --config or --config-dir",
            Some(item.place.clone()),
        ));
    } else if let Some(Err(ending)) = settings {
        line.endings.push(ending.clone());
    }
}

/// Judges the settings in force.
pub(super) fn judge(
    line: &mut Line<'_>,
    settings: Option<&Result<KubeletSettings, Ending>>,
    facts: &Facts,
) {
    let Some(Ok(settings)) = settings else { return };
    gates(line, settings);
    taints::judge(line, settings);
    labels::judge(line);
    numbers::judge(line, settings);
    quantities::judge(line, settings);
    policies::judge(line, settings);
    cpus::judge(line, settings);
    managers::judge(line, settings);
    images::judge(line, settings);
    logs::judge(line, settings);
    node::judge(line, settings);
    eviction::judge(line, settings);
    paths::judge(line, settings);
    tls(line, settings);
    if let Some(mode) = settings.get("authorization.mode")
        && !["AlwaysAllow", "Webhook"].contains(&mode.value.as_str())
    {
        end(
            line,
            &format!("unknown authorization mode {}", mode.value),
            mode,
        );
    }
    if let Some(setting) = settings.get("failCgroupV1")
        && boolean(&setting.value) == Some(true)
        && facts.cgroup == Some(CgroupVersion::V1)
    {
        let reason = "kubelet is configured to not run on a host using cgroup v1";
        let ending = Ending::of(Component::Kubelet, reason, Some(setting.place.clone()));
        line.endings.push(ending.over(Slip::CgroupV1));
    }
    kernel(line, settings, facts);
}

fn end(line: &mut Line<'_>, reason: &str, setting: &Setting) {
    end_at(line, reason, setting.place.clone());
}

/// What the kubelet says before anything that its validation finds.
const INVALID: &str = "failed to validate kubelet configuration, error: invalid configuration";

/// The words of a setting that a flag gives, else the operator's files; and what gives it.
struct Given {
    words: Vec<String>,
    place: Place,
}

impl Given {
    /// By flag and field; `None` where neither is there. Of a flag that holds one value there is one word.
    fn of(line: &Line<'_>, settings: &KubeletSettings, flag: &str, field: &str) -> Option<Self> {
        if let Some(argument) = line.last(flag) {
            let is_list = line.flags.kind(flag).is_some_and(Kind::unites);
            let words = match is_list {
                true => line
                    .words(flag)
                    .into_iter()
                    .map(|(word, _)| word.to_owned())
                    .collect(),
                false => vec![argument.value.clone()],
            };
            let place = argument.place.clone();
            return Some(Self { words, place });
        }
        let (value, place) = settings.of_files(field)?;
        let words = match value {
            Document::List(items) => items.iter().map(|item| item.shown().to_owned()).collect(),
            value => vec![value.shown().to_owned()],
        };
        Some(Self { words, place })
    }

    /// The one word.
    fn text(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// How the kubelet names a setting in its words.
fn named(flag: &str, field: &str) -> String {
    match flag {
        "" => field.to_owned(),
        flag => format!("{field} (--{flag})"),
    }
}

fn end_at(line: &mut Line<'_>, reason: &str, place: Place) {
    let ending = Ending::of(Component::Kubelet, reason, Some(place));
    line.endings.push(ending);
}

/// Gates of files, which panic; those of flags are judged with the command line.
fn gates(line: &mut Line<'_>, settings: &KubeletSettings) {
    let minor = line.minor();
    let is_unknown =
        |name: &str| !matches!(name, "AllAlpha" | "AllBeta") && !minors::known(GATES, name, minor);
    let mut of_files = settings
        .gates
        .iter()
        .filter(|(_, setting)| matches!(setting.place, Place::File { .. }));
    if let Some((name, setting)) = of_files.find(|(name, _)| is_unknown(name)) {
        end(line, &format!("unrecognized feature gate: {name}"), setting);
    }
}

fn tls(line: &mut Line<'_>, settings: &KubeletSettings) {
    if let Some(least) = settings.get("tlsMinVersion")
        && !least.value.is_empty()
        && !tls::TLS_VERSIONS.contains(&least.value.as_str())
    {
        end(
            line,
            &format!("unknown tls version {:?}", least.value),
            least,
        );
    }
    let Some(ciphers) = settings.get("tlsCipherSuites") else {
        return;
    };
    let names: Vec<&str> = ciphers
        .value
        .split(',')
        .filter(|name| !name.is_empty())
        .collect();
    if let Some(name) = names.iter().find(|name| !tls::is_cipher(name)) {
        let reason = format!("Cipher suite {name} not supported or doesn't exist");
        end(line, &reason, ciphers);
        return;
    }
    let newest = settings
        .get("tlsMinVersion")
        .is_some_and(|least| least.value == "VersionTLS13");
    if tls::lacks_http2_cipher(&names, newest) {
        // ListenAndServeKubeletServer ends the whole process over it.
        let reason = format!("Failed to listen and serve: {}", tls::HTTP2_REASON);
        end(line, &reason, ciphers);
    }
}

fn kernel(line: &mut Line<'_>, settings: &KubeletSettings, facts: &Facts) {
    let Some(setting) = settings.get("protectKernelDefaults") else {
        return;
    };
    if boolean(&setting.value) != Some(true) {
        return;
    }
    let wrong: Vec<String> = KERNEL_PARAMETERS
        .iter()
        .filter_map(|(name, wanted)| {
            let live = facts.kernel.get(*name)?;
            let shown = live.map_or("unreadable".to_owned(), |live| live.to_string());
            (*live != Some(*wanted)).then(|| {
                format!(
                    "invalid kernel flag: {name}, expected value: {wanted}, actual value: {shown}"
                )
            })
        })
        .collect();
    if !wrong.is_empty() {
        let reason = format!("Failed to start ContainerManager: {}", wrong.join(", "));
        end(line, &reason, setting);
    }
}

#[cfg(test)]
mod tests;
