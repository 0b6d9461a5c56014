//! Who wants a restart: a control that does not hold in the running K3s, a new catalogue, or only the operator.

use std::path::Path;

use crate::reconcile::Pass;
use crate::reconcile::configuration::unit_override;
use crate::reconcile::restart::gate::Wanted;
use crate::reconcile::restart::inputs::{Difference, Input};
use crate::reconcile::restart::origin::{Cause, Rules};
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::standing::Standing;

/// Who wants it, as far as what differs says it: our own files were written for a control that did not hold.
#[must_use]
pub fn wanted(standing: &Standing, ours: &OurPart, cause: Cause) -> Wanted {
    let by_us = |difference: &Difference| match &difference.input {
        Input::File(path) => path.ends_with("z-k3warden.yaml") || ours.files.contains_key(path),
        Input::CommandLine => ours
            .files
            .keys()
            .any(|path| unit_override::is_ours(Path::new(path))),
        Input::Argument { flag, .. } => names(ours, flag),
        Input::Option(name) => names(ours, name),
        _ => false,
    };
    let is_binary = |difference: &Difference| difference.input == Input::Binary;
    match (standing, cause) {
        // An upgrade that was only laid out is not ours to begin.
        (Standing::Differs(_, differences), _) if differences.iter().any(is_binary) => {
            Wanted::ByNewBinary
        }
        (Standing::Differs(_, differences), _) if !differences.iter().any(by_us) => {
            Wanted::ByOperatorsFiles
        }
        (Standing::Differs(..), Cause::Catalogue) => Wanted::ByCatalogue,
        (Standing::Differs(..), _) => Wanted::ByControls,
        _ => Wanted::ByOperatorsFiles,
    }
}

/// Whether a line of ours sets an option or a component's flag: what else differs in them is an operator's.
fn names(ours: &OurPart, flag: &str) -> bool {
    let flag = flag.trim_start_matches('-');
    let sets = |line: &str| {
        let line = line.trim_start_matches([' ', '-', '\'', '"']);
        let rest = line.strip_prefix(flag);
        rest.is_some_and(|rest| rest.starts_with(['=', ':']))
    };
    let mut lines = ours.files.values().flat_map(|file| file.content.lines());
    lines.any(sets)
}

/// The rules that our part is looked at under now.
#[must_use]
pub fn rules(pass: &Pass<'_>) -> Rules {
    Rules {
        policy: pass.policy.operators_digest().to_owned(),
        catalogue: pass.catalogue.digest().to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::restart::inputs::Became;
    use crate::reconcile::restart::own_part::OurFile;
    use crate::reconcile::restart::standing::Source;

    fn ours() -> OurPart {
        let file = OurFile {
            content: "protect-kernel-defaults: true\nkube-apiserver-arg+:\n- 'audit-log-maxage=30' # audit-log-retention\n"
                .to_owned(),
            mode: 0o600,
        };
        OurPart {
            files: [("/d/server/audit.yaml".to_owned(), file)].into(),
        }
    }

    fn argument(flag: &str) -> Input {
        Input::Argument {
            component: "kube-apiserver",
            flag: flag.to_owned(),
        }
    }

    fn file(path: &str) -> Input {
        Input::File(path.to_owned())
    }

    #[test]
    fn what_differs_and_what_changed_ours_say_who_wants_it() {
        let drop_in = || file("/c/config.yaml.d/zz-k3warden.yaml");
        for (name, differs, cause, expected) in [
            (
                "our drop-in",
                vec![drop_in()],
                Cause::Controls,
                Wanted::ByControls,
            ),
            (
                "a file of ours",
                vec![file("/d/server/audit.yaml")],
                Cause::Nothing,
                Wanted::ByControls,
            ),
            (
                "a package, and an operator's file beside",
                vec![file("/c/config.yaml"), drop_in()],
                Cause::Catalogue,
                Wanted::ByCatalogue,
            ),
            (
                "an operator's file alone, whatever brought ours",
                vec![file("/c/config.yaml"), Input::CommandLine],
                Cause::Controls,
                Wanted::ByOperatorsFiles,
            ),
            (
                "an argument that ours sets",
                vec![argument("--audit-log-maxage")],
                Cause::Controls,
                Wanted::ByControls,
            ),
            (
                "an argument that only an operator sets",
                vec![argument("--v")],
                Cause::Controls,
                Wanted::ByOperatorsFiles,
            ),
            (
                "an option that ours sets",
                vec![Input::Option("protect-kernel-defaults".to_owned())],
                Cause::Controls,
                Wanted::ByControls,
            ),
            (
                "another binary, and ours for it",
                vec![Input::Binary, drop_in()],
                Cause::Controls,
                Wanted::ByNewBinary,
            ),
        ] {
            let differences = differs.into_iter().map(|input| Difference {
                input,
                became: Became::Changed,
            });
            let standing = Standing::Differs(Source::Door, differences.collect());
            assert_eq!(wanted(&standing, &ours(), cause), expected, "{name}");
        }
    }
}
