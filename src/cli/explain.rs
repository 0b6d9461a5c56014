//! `k3warden explain`: why a control exists, what it sets and where the values come from.

use clap::Args;

use super::exit::CliError;
use super::session::Session;
use super::{Exit, Global, check};
use crate::catalogue::{Control, Editions, Numbers, Runbook, Setting, SettingBody};
use crate::policy::PolicyPlace;
use crate::reconcile::{Judgement, Plan, Verdict};
use crate::report::{Enforcement, Listed};
use crate::setting::{Finding, Outcome, Remedy};

/// Show why a control exists, what it sets and where its values come from.
#[derive(Debug, Args)]
pub struct Explain {
    /// The control: its name, or a CIS number of this node's edition.
    #[arg(value_name = "CONTROL")]
    control: String,
}

impl Explain {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let session = Session::open(global)?;
        let pass = session.pass();
        let plan = Plan::of(&pass, &pass.judge());
        let stands_still = !session.stands_still()?.is_empty();
        for control in session.named_or_numbered(std::slice::from_ref(&self.control))? {
            let judgement = pass.judge_control(control);
            print_control(control, &session);
            print_runbook(&session, control);
            print_standing(&session, &judgement);
            for item in pass.left_out(control) {
                say!("Left out:    {item}, by a list in k3warden's drop-in");
            }
            if !stands_still {
                print_mend(&plan, &judgement);
            }
            say!();
            let assessment = session.assessment(&pass, &[judgement]);
            check::print_table(&assessment.with_refused(&plan.refused), Listed::All);
        }
        Ok(Exit::Holds)
    }
}

fn print_control(control: &Control, session: &Session) {
    say!(
        "{}\n{}\n\n{}\n",
        control.id,
        control.title,
        control.why.trim()
    );
    say!("For:         {}", scope(control));
    say!(
        "CIS:         {}",
        numbers(&control.cis, session.catalogue.editions())
    );
    say!("Defined in:  {}", control.source);
    for (index, setting) in control.settings.iter().enumerate() {
        let label = if index == 0 { "Settings:" } else { "" };
        say!("{label:<13}{}", on_this_node(setting, session));
    }
}

/// A setting as it is judged here: its mode in the edition that is shown, its paths where this node has them.
fn on_this_node(setting: &Setting, session: &Session) -> Setting {
    let mut setting = setting.clone();
    let path = match &mut setting.body {
        SettingBody::Permissions(permissions) => {
            let edition = session.pass().edition();
            if let Some(mode) = edition.and_then(|name| permissions.mode_by_edition.get(name)) {
                permissions.mode = *mode;
            }
            &mut permissions.path
        }
        SettingBody::Directory(directory) => &mut directory.path,
        SettingBody::File(file) => &mut file.path,
        _ => return setting,
    };
    // A place that this node does not have keeps its name.
    if let Some(expanded) = session.node.places.expand(path) {
        *path = expanded.display().to_string();
    }
    setting
}

/// The way by hand on this node's K3s; every way where its version is not known.
fn print_runbook(session: &Session, control: &Control) {
    let version = session.node.version.as_ref().map(|fact| fact.value);
    let fits = |runbook: &&Runbook| version.is_none_or(|version| runbook.k3s.contains(version));
    for runbook in control.runbooks.iter().filter(fits) {
        say!("By hand:     {} (K3s {})", runbook.text.trim(), runbook.k3s);
    }
}

fn scope(control: &Control) -> String {
    let mut parts = vec![match control.role {
        None => "servers and agents".to_owned(),
        Some(role) => format!("{role}s"),
    }];
    if !control.k3s.is_any() {
        parts.push(format!("K3s {}", control.k3s));
    }
    if let Some(datastore) = control.datastore {
        parts.push(format!("datastore {datastore}"));
    }
    if control.restricts_workloads {
        parts.push("restricts workloads".to_owned());
    }
    parts.join(", ")
}

/// Editions with the same number stand together, the oldest first.
fn numbers(cis: &Numbers, editions: &Editions) -> String {
    if cis.is_empty() {
        return "no number of its own".to_owned();
    }
    let known = editions.all();
    let age = |name: &str| known.iter().position(|edition| edition.name == name);
    let mut of_age: Vec<(&str, &str)> = cis.iter().collect();
    of_age.sort_by_key(|(edition, _)| age(edition).unwrap_or(known.len()));
    let mut numbers: Vec<(&str, Vec<&str>)> = Vec::new();
    for (edition, number) in of_age {
        match numbers.iter_mut().find(|(known, _)| *known == number) {
            Some((_, editions)) => editions.push(edition),
            None => numbers.push((number, vec![edition])),
        }
    }
    let parts: Vec<String> = numbers
        .iter()
        .map(|(number, editions)| format!("{number} ({})", editions.join(", ")))
        .collect();
    parts.join("; ")
}

/// What `apply` would do about a divergence; why it leaves one stands below the verdict.
fn print_mend(plan: &Plan, judgement: &Judgement<'_>) {
    let id = &judgement.control.id;
    let changes = plan.changes.iter();
    let is_mended = changes
        .flat_map(|planned| &planned.controls)
        .any(|of| of == id);
    if judgement.verdict != Verdict::Divergent || !is_mended {
        return;
    }
    let is_refused = plan
        .refused
        .iter()
        .any(|refused| refused.controls.contains(id));
    let is_left = |finding: &Finding| match &finding.outcome {
        Outcome::Unknown(_) | Outcome::Untouched(_) => true,
        Outcome::Diverges(remedies) => remedies.iter().all(|remedy| *remedy == Remedy::ByOperator),
        Outcome::Holds | Outcome::NotApplicable(_) => false,
    };
    let but = if is_refused || judgement.findings.iter().any(is_left) {
        ", but for what is said below"
    } else {
        ""
    };
    say!("To mend:     `k3warden apply` makes it right{but}; `k3warden diff` shows how");
}

fn print_standing(session: &Session, judgement: &Judgement<'_>) {
    let from = |place: Option<&PolicyPlace>| match place {
        Some(place) => place.to_string(),
        None => "the default".to_owned(),
    };
    let control = judgement.control;
    let decision = judgement.decision;
    say!(
        "Standing:    {} ({})",
        Enforcement::from(decision.stance),
        from(decision.place)
    );
    for (name, parameter) in &control.parameters {
        if let Some((value, place)) = session.policy.parameter(control, name) {
            say!(
                "Parameter:   {name} = {value} ({}); {}",
                from(place),
                parameter.about
            );
        }
    }
    if let Some(exception) = judgement.exception() {
        say!(
            "Exception:   {} (owner {}, until {})",
            exception.reason,
            exception.owner,
            exception.expires
        );
    }
    say!(
        "To except:   [[exception]] with control = \"{}\", reason, owner and expires in \
         /etc/k3warden/config.toml",
        control.id
    );
}
