//! What must be so on the node before K3s can be given an option, since K3s would end or do harm otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalogue::ControlId;
use crate::host::{State, Thing};
use crate::k3s::component::{Component, InForce, plugins_without_section, refuses_audit_log};
use crate::k3s::{Effective, Files, Place};
use crate::setting::Change;
use crate::setting::configuration::Line;

use super::super::Pass;
use super::super::restart::own_part::EncryptionKey;
use super::super::service::{cluster, part};
use super::audit_room;

/// Lines that the node is not fit for, with the reason.
pub(super) struct Unfit {
    pub lines: Vec<Line>,
    pub reason: String,
}

/// The node as a plan leaves it.
pub(super) struct Conditions<'p, 'a> {
    pub pass: &'p Pass<'a>,
    pub planned: &'p [Change],
    /// Our drop-in has the encryption line already.
    pub encrypts: bool,
}

impl Conditions<'_, '_> {
    /// Why K3s's own nature forbids a line here and now.
    pub(super) fn forbids(&self, line: &Line) -> Option<String> {
        let Line::Option { name, value } = line else {
            return self.no_directory_for_logs(line);
        };
        if name == "secrets-encryption"
            && let Some(reason) = self.writes_plain_secrets()
        {
            return Some(reason);
        }
        match (name.as_str(), value.as_str()) {
            ("protect-kernel-defaults", "true") => self.wrong_kernel_value(),
            ("secrets-encryption", _) if self.may_begin_encrypted() => None,
            // We began this cluster, and somebody took our line away, or we did while the key was out of sight: under the key it must
            // come back.
            ("secrets-encryption", _) if self.has_encryption_key() && self.is_encrypted_by_us() => None,
            ("secrets-encryption", _) if self.has_encryption_key() => Some(
                "this cluster has an encryption key and nothing turns secrets-encryption on: K3s cannot read its \
                 Secrets; set secrets-encryption: true in config.yaml"
                    .to_owned(),
            ),
            ("secrets-encryption", _) => {
                Some(
                    "secrets-encryption is only turned on with a new cluster; `k3warden explain` has the way for one \
                     that has data"
                        .to_owned(),
                )
            }
            _ => None,
        }
    }

    /// The apiserver ends where it cannot open its audit log.
    fn no_directory_for_logs(&self, line: &Line) -> Option<String> {
        let Line::Argument { flag, value, .. } = line else {
            return None;
        };
        let path = Path::new(value);
        if flag != "audit-log-path" || !path.is_absolute() {
            return None;
        }
        let version = self.pass.node.version.as_ref()?.value;
        let mut files = Files::new(&self.pass.host.root);
        for change in self.planned {
            if let (Thing::Path(path), State::Directory(_)) = (&change.thing, &change.after) {
                files = files.with_directory(path);
            }
        }
        refuses_audit_log(path, version, &files)
    }

    /// The lines that K3s, run with all of them, would not live with for long, or not at all. `base` is what K3s would run
    /// with without us, `after` with these lines, `files` what lies there then.
    pub(super) fn unfit(
        &self,
        lines: &BTreeMap<Line, ControlId>,
        base: &Effective,
        after: &Effective,
        files: &Files<'_>,
    ) -> Option<Unfit> {
        let of = |reason: String, concerned: &dyn Fn(&str, &str) -> bool| {
            let concerned = |line: &&Line| match line {
                Line::Argument {
                    component: Component::Apiserver,
                    flag,
                    value,
                } => concerned(flag, value),
                _ => false,
            };
            let lines: Vec<Line> = lines.keys().filter(concerned).cloned().collect();
            (!lines.is_empty()).then_some(Unfit { lines, reason })
        };
        if let Some(unfit) = decided_by_a_file(lines, base) {
            return Some(unfit);
        }
        let unready = plugins_without_section(after, files).into_iter().find_map(|plugin| {
            let reason = format!(
                "K3s would end with the admission plugin {plugin} without a section for it in the file that \
                 admission-control-config-file names"
            );
            of(reason, &|flag, value| {
                flag.trim_end_matches('+') == "enable-admission-plugins" && value.split(',').any(|element| element == plugin)
            })
        });
        unready
            .or_else(|| {
                let reason = audit_room::refuses(self.pass, lines, base, after)?;
                of(reason, &|flag, _| flag.starts_with("audit-log-"))
            })
            .or_else(|| swallowed(lines, base, after))
    }

    /// A new cluster has no data. While its first start makes some, before there is a key, the line stays.
    fn may_begin_encrypted(&self) -> bool {
        let node = self.pass.node;
        let has_data = cluster::has_data(&self.pass.host.root, &node.places.data_dir);
        node.new_cluster && (self.encrypts || !has_data)
    }

    /// Why the option brings nothing: K3s's own file tells the apiserver to write Secrets as they are.
    pub(super) fn writes_plain_secrets(&self) -> Option<String> {
        let effective = self.pass.effective().as_ref().ok()?;
        let decided = effective
            .start
            .effect_of("secrets-encryption", effective.version);
        let Some((false, Place::File { path, .. })) = decided else {
            return None;
        };
        let credentials = self.pass.node.places.data_dir.join("server/cred");
        path.starts_with(credentials).then(|| {
            format!(
                "secrets-encryption is on, but {} does not begin with a key, and Secrets are written as they are; \
                 `k3s secrets-encrypt status` says how that came, and `k3warden explain secrets-encryption` has the way on",
                path.display()
            )
        })
    }

    fn is_encrypted_by_us(&self) -> bool {
        let node = self.pass.node;
        let written = self.pass.written;
        // Data that was moved is not there any more.
        let was_moved = |from: &Path| !part::has_key(self.pass.host, from);
        node.new_cluster
            || written.encrypts(&node.places.data_dir)
            || written.encrypted_in().is_some_and(was_moved)
    }

    pub(super) fn has_encryption_key(&self) -> bool {
        part::encryption_key(self.pass) == EncryptionKey::MayExist
    }
}

/// The flag that cannot be given beside the operator's file that decides the same, or does nothing beside it.
fn decided_by_a_file(lines: &BTreeMap<Line, ControlId>, base: &Effective) -> Option<Unfit> {
    lines.keys().find_map(|line| {
        let Line::Argument {
            component, flag, ..
        } = line
        else {
            return None;
        };
        let start = &base.start;
        let place = match start.decided_by_file(*component, flag.trim_end_matches('+'))? {
            InForce::One { place, .. } | InForce::Emptied { place } => place,
            InForce::List { elements } => &elements.first()?.1,
            _ => return None,
        };
        let beside = match component {
            Component::Apiserver => "K3s would not start with the flag beside that file",
            _ => "the flag does nothing beside that file",
        };
        let reason = format!(
            "{} is decided by {place}, and {beside}; change it there",
            line.what()
        );
        Some(Unfit {
            lines: vec![line.clone()],
            reason,
        })
    })
}

/// The kubelet's lines where an operator's item without `=` stands before them: K3s takes the first of ours for its value.
fn swallowed(
    lines: &BTreeMap<Line, ControlId>,
    base: &Effective,
    after: &Effective,
) -> Option<Unfit> {
    let mut warnings = after.start.swallowed.iter();
    let reason = warnings.find(|warning| !base.start.swallowed.contains(warning))?;
    let of_the_kubelet = |line: &&Line| {
        matches!(
            line,
            Line::Argument {
                component: Component::Kubelet,
                ..
            }
        )
    };
    let lines: Vec<Line> = lines.keys().filter(of_the_kubelet).cloned().collect();
    (!lines.is_empty()).then(|| Unfit {
        lines,
        reason: reason.clone(),
    })
}
