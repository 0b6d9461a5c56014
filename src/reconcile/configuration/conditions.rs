//! What must be so on the node before K3s can be given an option, by K3s's own nature.

use crate::host::sysctl::same_value;
use crate::host::{State, SysctlKey, Thing};
use crate::k3s::component::KERNEL_PARAMETERS;
use crate::setting::configuration::Line;
use crate::setting::{Change, Stage};

use super::super::Pass;
use super::super::service::cluster;

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
            return None;
        };
        match (name.as_str(), value.as_str()) {
            ("protect-kernel-defaults", "true") => self.wrong_kernel_value(),
            ("secrets-encryption", _) if self.may_begin_encrypted() => None,
            // We began this cluster, and somebody took our line away: under the key it must come back.
            ("secrets-encryption", _) if self.has_encryption_key() && self.pass.node.new_cluster => None,
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

    /// A new cluster has no data. While its first start makes some, before there is a key, the line stays.
    fn may_begin_encrypted(&self) -> bool {
        let node = self.pass.node;
        let has_data = cluster::has_data(&self.pass.host.root, &node.places.data_dir);
        node.new_cluster && (self.encrypts || !has_data)
    }

    pub(super) fn has_encryption_key(&self) -> bool {
        let key = self
            .pass
            .node
            .places
            .data_dir
            .join("server/cred/encryption-config.json");
        // What cannot be looked at may be there.
        !matches!(self.pass.host.root.look(&key), Ok(None))
    }

    /// The kernel value with which a kubelet that protects the defaults would not start, now or after a boot.
    fn wrong_kernel_value(&self) -> Option<String> {
        let next_boot = match self.pass.next_boot() {
            Ok(next_boot) => next_boot,
            Err(error) => return Some(error.to_string()),
        };
        KERNEL_PARAMETERS.iter().find_map(|(name, wanted)| {
            let key = SysctlKey::parse(name).ok()?;
            let wanted = wanted.to_string();
            let live = self.live_after(&key);
            if live.as_deref().is_some_and(|value| !same_value(value, &wanted)) {
                return Some(format!(
                    "protect-kernel-defaults would keep K3s from starting while {name} is not {wanted}"
                ));
            }
            let boot = next_boot.assignment(&key).map(|assignment| assignment.value.clone());
            let persisted = self.planned.iter().any(|change| change.stage == Stage::PersistedSysctl);
            let right = boot.as_deref().is_some_and(|value| same_value(value, &wanted));
            (!right && !persisted).then(|| {
                format!(
                    "protect-kernel-defaults would keep K3s from starting after a boot that does not set {name} to \
                     {wanted}"
                )
            })
        })
    }

    /// The live value as this plan leaves it; `None` where the machine does not run.
    fn live_after(&self, key: &SysctlKey) -> Option<String> {
        let live = self.pass.host.live.as_ref()?;
        let thing = Thing::Sysctl(key.as_str().to_owned());
        let planned = self.planned.iter().find(|change| change.thing == thing);
        match planned.map(|change| &change.after) {
            Some(State::Value(value)) => Some(value.clone()),
            _ => Some(live.read(key).ok().flatten().unwrap_or_default()),
        }
    }
}
