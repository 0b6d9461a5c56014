//! Kernel parameters that systemd-sysctl set at a boot from a file of ours, in an image that was hardened before it ran: what the kernel
//! had before that nobody knows, so that with the file only the next boot changes them back.

use crate::catalogue::SettingBody;
use crate::host::sysctl::same_value;
use crate::host::{Host, NextBoot, SysctlKey, Thing};
use crate::reconcile::ledger::Ledger;
use crate::reconcile::values_before;

use super::exit::CliError;
use super::session::Session;

/// Parameters and the values that a file of ours gives them.
pub(super) struct SetAtBoot(Vec<(SysctlKey, String)>);

impl SetAtBoot {
    /// Those of the catalogue that have the value of a file of ours and were not changed by us while the kernel ran.
    pub(super) fn look(session: &Session, ledger: &mut Ledger) -> Result<Self, CliError> {
        let host = &session.host;
        let lock = session.lock("k3warden revert")?;
        let touched = ledger.touched(&lock)?;
        let next_boot = match NextBoot::read(&host.root) {
            Ok(next_boot) if values_before::are_unseen(ledger, &lock)? => next_boot,
            _ => return Ok(Self(Vec::new())),
        };
        let is_touched = |thing: &Thing| touched.iter().any(|touch| touch.thing == *thing);
        let settings = session.catalogue.controls().iter();
        let keys = settings
            .flat_map(|control| &control.settings)
            .filter_map(|setting| match &setting.body {
                SettingBody::Sysctl(sysctl) => SysctlKey::parse(&sysctl.key).ok(),
                _ => None,
            });
        let of_ours = |key: SysctlKey| {
            let set = next_boot.assignment(&key)?;
            let is_ours = is_touched(&Thing::Path(set.path.clone()));
            let is_known = is_touched(&Thing::Sysctl(key.clone()));
            (is_ours && !is_known && has(host, &key, &set.value)).then(|| (key, set.value.clone()))
        };
        Ok(Self(keys.filter_map(of_ours).collect()))
    }

    /// A line for each that has that value still, though the next boot will not give it.
    pub(super) fn left(&self, session: &Session) -> Vec<String> {
        let host = &session.host;
        let Ok(next_boot) = NextBoot::read(&host.root) else {
            return Vec::new();
        };
        let line = |(key, value): &(SysctlKey, String)| {
            let next = next_boot.assignment(key);
            let is_given = next.is_some_and(|next| same_value(&next.value, value));
            let then = match next {
                _ if is_given || !has(host, key, value) => return None,
                Some(next) => format!("the next boot sets {} ({})", next.value, next.place()),
                None => "the next boot leaves it to the kernel".to_owned(),
            };
            let why =
                "a file of k3warden's set it at the boot, and what it was before nobody knows";
            Some(format!(
                "stays      {}: {why}; {then}",
                Thing::Sysctl(key.clone())
            ))
        };
        self.0.iter().filter_map(line).collect()
    }
}

fn has(host: &Host, key: &SysctlKey, value: &str) -> bool {
    let live = host.live.as_ref().and_then(|live| live.read(key).ok()?);
    live.is_some_and(|live| same_value(&live, value))
}
