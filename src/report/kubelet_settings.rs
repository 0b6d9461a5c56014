//! What the kubelet's arguments and files come to, for people and for tools.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::k3s::component::{KubeletSettings, Setting};
use crate::k3s::{Effective, Place};

/// One setting of the kubelet.
#[derive(Debug, Serialize)]
pub struct KubeletSettingReport {
    /// As the kubelet's `/configz` prints it.
    pub value: String,
    /// The place that gave it.
    pub from: String,
    /// K3s's or the kubelet's own.
    pub default: bool,
}

impl KubeletSettingReport {
    fn of(setting: &Setting) -> Self {
        Self {
            value: setting.value.clone(),
            from: setting.place.to_string(),
            default: setting.place == Place::Default,
        }
    }
}

/// All of them, by their paths.
pub(super) fn of(effective: &Effective) -> BTreeMap<&'static str, KubeletSettingReport> {
    let settings = effective
        .start
        .kubelet
        .iter()
        .flat_map(KubeletSettings::iter);
    settings
        .map(|(path, setting)| (path, KubeletSettingReport::of(setting)))
        .collect()
}

/// Those that files or flags give; the others are K3s's and the kubelet's own.
pub(super) fn write(settings: &BTreeMap<&'static str, KubeletSettingReport>, text: &mut String) {
    let settings = settings.iter();
    let given: Vec<_> = settings.filter(|(_, setting)| !setting.default).collect();
    if !given.is_empty() {
        text.push_str("\nWhat the kubelet's files and arguments come to:\n");
    }
    for (path, setting) in given {
        let _ = writeln!(text, "  {path} = {}  [{}]", setting.value, setting.from);
    }
}
