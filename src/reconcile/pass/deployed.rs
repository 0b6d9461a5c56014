//! What of a control may only be there together with its manifests: whether K3s deploys those.

use std::path::{Path, PathBuf};

use crate::catalogue::{Control, Setting, SettingBody};
use crate::reconcile::Pass;
use crate::reconcile::baseline::{self, Applies};
use crate::setting;

impl Pass<'_> {
    /// Why K3s does not deploy all manifests that a control has on this node, and will not once they are written.
    pub(in crate::reconcile) fn undeployed(&self, control: &Control) -> Option<String> {
        self.undeployed_file(control, None)
    }

    /// The same for those without which a manifest of it does harm.
    pub(in crate::reconcile) fn lacks_needed(
        &self,
        control: &Control,
        manifest: &Path,
    ) -> Option<String> {
        let needs: Vec<PathBuf> = self.with_subject(self.host, Some(control), |subject| {
            let needs = |body| setting::needs(body, subject, manifest);
            self.for_this_release(control).flat_map(needs).collect()
        });
        needs
            .iter()
            .find_map(|need| self.undeployed_file(control, Some(need)))
    }

    fn undeployed_file(&self, control: &Control, named: Option<&Path>) -> Option<String> {
        self.with_subject(self.host, Some(control), |subject| {
            self.for_this_release(control)
                .find_map(|body| setting::undeployed(body, subject, named))
        })
    }

    fn for_this_release<'c>(&self, control: &'c Control) -> impl Iterator<Item = &'c SettingBody> {
        let applies =
            |setting: &&Setting| baseline::version(setting.k3s, self.node) == Applies::Yes;
        control
            .settings
            .iter()
            .filter(applies)
            .map(|setting| &setting.body)
    }
}
