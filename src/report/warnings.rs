//! What an operator should know besides the verdicts.

use super::slips;
use crate::catalogue::SettingBody;
use crate::host::SysctlKey;
use crate::reconcile::{Judgement, Pass, Verdict, baseline, endangered_by_operator};

/// Everything of a pass that is no verdict on a control.
pub(super) fn of(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(
        pass.policy
            .observe_rule()
            .map(|place| format!("nothing is enforced: {place}")),
    );
    warnings.extend(role_not_known(pass, judgements));
    for exception in pass.policy.expiring(pass.today) {
        let (control, day, place) = (&exception.control, exception.expires, &exception.place);
        warnings.push(format!(
            "the exception for {control} ({place}) ends on {day}; then it is enforced again"
        ));
    }
    for exception in pass.policy.expired(pass.today) {
        let (control, day, place) = (&exception.control, exception.expires, &exception.place);
        warnings.push(format!(
            "the exception for {control} ({place}) ended on {day}; it is enforced again"
        ));
    }
    let judged = judgements
        .iter()
        .filter(|judged| !judged.findings.is_empty());
    // Where a control rests on it that is judged, that diverges.
    let stale = pass
        .stale_command()
        .filter(|stale| !stale.concerns(judged.map(|judged| &judged.control.id)));
    warnings.extend(stale.map(ToString::to_string));
    warnings.extend(pass.lists_that_stand_still());
    warnings.extend(pass.node.warnings.iter().cloned());
    warnings.extend(sysctl_conf(pass));
    let endangered = endangered_by_operator(pass).into_iter();
    warnings.extend(endangered.map(|endangered| endangered.text));
    if let Ok(effective) = pass.effective() {
        warnings.extend(slips::of(&pass.host.root, effective));
    }
    warnings.extend(pass.node.problems.iter().map(ToString::to_string));
    warnings
}

/// How many controls wait until somebody knows what this node is: they are no failure, and none is listed by default.
fn role_not_known(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Option<String> {
    let waits = |judgement: &&Judgement<'_>| {
        judgement.verdict == Verdict::NotApplicable
            && baseline::waits_for_a_role(judgement.control, pass.node)
    };
    let count = judgements.iter().filter(waits).count();
    (count > 0).then(|| {
        let mend = baseline::ROLE_IS_SET;
        format!("role not known yet: {count} controls wait; {mend}")
    })
}

/// Where `sysctl --system`, run by somebody, would leave another value than a boot does.
fn sysctl_conf(pass: &Pass<'_>) -> Vec<String> {
    let Ok(next_boot) = pass.next_boot() else {
        return Vec::new();
    };
    let settings = pass
        .catalogue
        .controls()
        .iter()
        .flat_map(|control| &control.settings);
    settings
        .filter_map(|setting| match &setting.body {
            SettingBody::Sysctl(sysctl) => SysctlKey::parse(&sysctl.key).ok(),
            _ => None,
        })
        .filter_map(|key| next_boot.sysctl_conf_warning(&key))
        .map(|warning| warning.to_string())
        .collect()
}
