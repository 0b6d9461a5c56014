//! Files with our content, and an operator's own in their place.

use std::path::{Path, PathBuf};

use crate::catalogue::{FileSetting, content};
use crate::host::{Attributes, Found, Kind, READ_LIMIT_BYTES, State, Thing, Touches};

use super::{
    Change, Effect, Finding, Outcome, Ownership, Parameters, Remedy, Stage, Subject, Validity,
    attributes, directory, template,
};

pub(super) fn judge(setting: &FileSetting, subject: &Subject<'_>) -> Vec<Finding> {
    let Some(path) = subject.places.expand(&setting.path) else {
        return Vec::new();
    };
    let wanted = WantedFile {
        setting,
        subject,
        path,
    };
    vec![wanted.judge()]
}

/// The content of settings that share a file, each with the parameters of its control.
///
/// # Errors
/// When a content or a parameter does not exist, in words.
pub fn content_of(settings: &[(&FileSetting, &Parameters<'_>)]) -> Result<Vec<u8>, String> {
    let filled = settings.iter().map(|(setting, parameter)| {
        let name = &setting.content;
        let text = content(name).ok_or_else(|| format!("there is no content `{name}`"))?;
        template::fill(text, *parameter)
            .map_err(|parameter| format!("its control has no parameter `{parameter}`"))
    });
    let contents = filled.collect::<Result<Vec<String>, String>>()?;
    Ok(template::join(&contents).into_bytes())
}

struct WantedFile<'a, 's> {
    setting: &'a FileSetting,
    subject: &'a Subject<'s>,
    path: PathBuf,
}

impl WantedFile<'_, '_> {
    fn judge(&self) -> Finding {
        if self.subject.places.is_left_alone(&self.path) {
            let reason = "only K3s or the operator writes there; give the control another path";
            return self.finding("unknown", Outcome::Untouched(reason.to_owned()));
        }
        let content = match (self.subject.content)(self.setting) {
            Ok(content) => content,
            Err(reason) => return self.finding("unknown", Outcome::Unknown(reason)),
        };
        let root = &self.subject.host.root;
        let found = match root.find(&self.path) {
            Ok(None) => return self.absent(content),
            Ok(Some(found)) => found,
            Err(error) => return Finding::unreadable(self.what(), self.wanted(), &error),
        };
        match root.hazard_or_exchange(&found, &self.path, Kind::File) {
            Ok(None) => {}
            Ok(Some(refusal)) => {
                return self.finding("unknown", Outcome::Untouched(refusal.to_string()));
            }
            Err(error) => return Finding::unreadable(self.what(), self.wanted(), &error),
        }
        match root.read_here(&self.path, READ_LIMIT_BYTES) {
            Ok(now) => self.present(&found, now.unwrap_or_default(), content),
            Err(error) => Finding::unreadable(self.what(), self.wanted(), &error),
        }
    }

    fn absent(&self, content: Vec<u8>) -> Finding {
        if let Some(reason) = self.refused(&content) {
            return self.never_written("absent", &reason);
        }
        let (uid, gid) = self.subject.host.root.superuser();
        let attributes = Attributes {
            mode: self.setting.mode,
            uid,
            gid,
        };
        match directory::missing_parents(self.subject, &self.path, Stage::File) {
            Err(error) => Finding::unreadable(self.what(), self.wanted(), &error),
            Ok(mut changes) => {
                changes.push(self.change(
                    State::Absent,
                    State::File {
                        content,
                        attributes,
                    },
                ));
                let remedies = changes.into_iter().map(Remedy::Change).collect();
                self.writable("absent", Outcome::Diverges(remedies))
            }
        }
    }

    fn present(&self, found: &Found, now: Vec<u8>, content: Vec<u8>) -> Finding {
        let same = now == content;
        let theirs = (!same).then(|| self.theirs(&now)).flatten();
        if let Some(Validity::Lacks(section)) = &theirs {
            return self.lacks(section, found);
        }
        let observed = match &theirs {
            Some(Validity::Invalid(reason)) => format!("the operator's own, not valid: {reason}"),
            _ if same => "as it was written".to_owned(),
            _ => "other content".to_owned(),
        };
        let kept = theirs == Some(Validity::Valid);
        if !kept && let Some(reason) = self.refused(&content) {
            return self.never_written(&observed, &reason);
        }
        if same || kept {
            let mut finding = self.attributes(found);
            let whose = if kept {
                "the operator's own, valid"
            } else {
                "as it should be"
            };
            finding.observed = format!("{whose}; {}", finding.observed);
            finding.wanted = self.wanted();
            return finding;
        }
        let current = &found.entry.attributes;
        let after = attributes::tightened(&self.subject.host.root, current, self.setting.mode);
        let change = self.change(
            State::File {
                content: now,
                attributes: current.clone(),
            },
            State::File {
                content,
                attributes: after,
            },
        );
        self.writable(&observed, Outcome::Diverges(vec![Remedy::Change(change)]))
    }

    fn attributes(&self, found: &Found) -> Finding {
        let root = &self.subject.host.root;
        attributes::judge(root, &self.path, found, Kind::File, self.setting.mode)
    }

    /// An operator's own file that lacks what is asked for: its bits are ours to mend, its content is not.
    fn lacks(&self, section: &str, found: &Found) -> Finding {
        let attributes = self.attributes(found);
        let mut remedies = match attributes.outcome {
            Outcome::Diverges(remedies) => remedies,
            Outcome::Holds => Vec::new(),
            Outcome::NotApplicable(_) | Outcome::Unknown(_) | Outcome::Untouched(_) => {
                return attributes;
            }
        };
        remedies.push(Remedy::ByOperator);
        let observed = format!(
            "the operator's own, which has no section {section}; {}",
            attributes.observed
        );
        self.finding(&observed, Outcome::Diverges(remedies))
    }

    /// Why K3s would end over our content, judged as an operator's is: a parameter or an option can make it so.
    fn refused(&self, content: &[u8]) -> Option<String> {
        let section = self.setting.section.as_deref();
        match (self.subject.validity)(self.setting.keep?, section, content) {
            Validity::Invalid(reason) => Some(reason),
            Validity::Valid | Validity::Lacks(_) => None,
        }
    }

    fn never_written(&self, observed: &str, reason: &str) -> Finding {
        let observed = format!("{observed}; what is to be written is not valid: {reason}");
        self.finding(&observed, Outcome::Diverges(vec![Remedy::ByOperator]))
    }

    /// What an operator's own file that may stay is worth; `None` where what stands there is none.
    fn theirs(&self, found: &[u8]) -> Option<Validity> {
        let kind = self.setting.keep?;
        let thing = Thing::Path(self.path.clone());
        let theirs = !self.subject.content_is_ours
            && (self.subject.written_by)(&thing, found) == Ownership::Theirs;
        theirs.then(|| (self.subject.validity)(kind, self.setting.section.as_deref(), found))
    }

    fn change(&self, before: State, after: State) -> Change {
        Change {
            thing: Thing::Path(self.path.clone()),
            before,
            after,
            stage: Stage::File,
            effect: Effect::K3sRestart,
        }
    }

    fn finding(&self, observed: &str, outcome: Outcome) -> Finding {
        Finding {
            what: self.what(),
            wanted: self.wanted(),
            observed: observed.to_owned(),
            seen_at: self.what(),
            outcome,
        }
    }

    /// A divergence that is removed by writing the file, if it can be written.
    fn writable(&self, observed: &str, outcome: Outcome) -> Finding {
        let root = &self.subject.host.root;
        self.finding(observed, outcome)
            .unless_hindered(root, &self.path, Touches::Name)
    }

    fn what(&self) -> String {
        display(&self.path)
    }

    fn wanted(&self) -> String {
        let section = self.setting.section.as_ref();
        let section = section.map_or_else(String::new, |section| format!("section {section}, "));
        format!(
            "content `{}`, {section}{}",
            self.setting.content,
            attributes::wanted(self.setting.mode)
        )
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
