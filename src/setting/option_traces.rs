//! What the arguments and files of a running K3s tell of the options that it was started with, where nobody wrote those
//! down: an option that becomes an argument of a component has left a trace.

use crate::catalogue::{OptionSetting, Value};
use crate::k3s::component::{Component, InForce, boolean, in_force_on_line};
use crate::k3s::{Effective, K3sVersion};

use super::{StartedWith, Subject};

/// From here on K3s gives the kubelet most of its settings in a file of its own (K3s pkg/daemons/agent/agent_linux.go).
const KUBELET_DEFAULTS_IN_FILE: K3sVersion = K3sVersion::new(32, 0);
/// Written by K3s at each start, in the data directory.
const KUBELET_DEFAULTS: &str = "agent/etc/kubelet.conf.d/00-k3s-defaults.conf";
const LIMIT_BYTES: u64 = 64 << 10;

/// The value that an option must have had, and what tells so; `None` where nothing does.
pub(super) fn of(
    setting: &OptionSetting,
    subject: &Subject<'_>,
    effective: &Effective,
    started: &StartedWith,
) -> Option<(Value, &'static str)> {
    let lines = started.arguments.as_ref().ok();
    let flag = |component: Component, flag: &str| {
        let words = lines?.get(&component)?;
        Some(in_force_on_line(component, words, flag, effective.version))
    };
    let truth = |is_on: bool| Value::Scalar(is_on.to_string());
    match setting.name.as_str() {
        "protect-kernel-defaults" if effective.version < KUBELET_DEFAULTS_IN_FILE => {
            let found = flag(Component::Kubelet, "protect-kernel-defaults")?;
            let is_on = matches!(found, InForce::One { value, .. } if value == "true");
            Some((truth(is_on), started.arguments_seen_at))
        }
        "protect-kernel-defaults" => kubelet_protects(subject)
            .map(|is_on| (truth(is_on), "00-k3s-defaults.conf of the running K3s")),
        "secrets-encryption" => {
            let found = flag(Component::Apiserver, "encryption-provider-config")?;
            let is_on = matches!(found, InForce::One { .. } | InForce::List { .. });
            Some((truth(is_on), started.arguments_seen_at))
        }
        _ => None,
    }
}

/// The value that an argument of the running K3s gave what an option is for, against the option.
pub(super) fn overruled(
    option: &str,
    effective: &Effective,
    started: &StartedWith,
) -> Option<(Value, &'static str)> {
    let (component, flag) = match option {
        "protect-kernel-defaults" => (Component::Kubelet, option),
        "secrets-encryption" => (Component::Apiserver, "encryption-provider-config"),
        _ => return None,
    };
    let words = started.arguments.as_ref().ok()?.get(&component)?;
    let found = in_force_on_line(component, words, flag, effective.version);
    let is_off = match found {
        InForce::One { value, .. } => value.is_empty() || boolean(&value) == Some(false),
        _ => false,
    };
    is_off.then(|| (Value::Scalar(false.to_string()), started.arguments_seen_at))
}

/// What K3s wrote down for its kubelet.
fn kubelet_protects(subject: &Subject<'_>) -> Option<bool> {
    let path = subject.places.data_dir.join(KUBELET_DEFAULTS);
    let content = subject.host.root.read(&path, LIMIT_BYTES).ok()??;
    let text = String::from_utf8(content).ok()?;
    let setting = |line: &str| {
        line.split_once(':')
            .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
    };
    let mut settings = text.lines().filter_map(setting);
    // Left out by Go where it is false.
    Some(settings.any(|(key, value)| key == "protectKernelDefaults" && value == "true"))
}
