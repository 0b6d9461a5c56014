//! Files with our content, and an operator's own in their place.

use std::path::{Path, PathBuf};

use crate::catalogue::{FileSetting, content};
use crate::host::{Attributes, Found, Kind, READ_LIMIT_BYTES, State, Thing};

use super::{
    Change, Effect, Finding, Outcome, Ownership, Remedy, Stage, Subject, attributes, directory,
    template,
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

struct WantedFile<'a, 's> {
    setting: &'a FileSetting,
    subject: &'a Subject<'s>,
    path: PathBuf,
}

impl WantedFile<'_, '_> {
    fn judge(&self) -> Finding {
        let content = match self.content() {
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
                let reason = format!("left untouched: {refusal}");
                return self.finding("unknown", Outcome::Unknown(reason));
            }
            Err(error) => return Finding::unreadable(self.what(), self.wanted(), &error),
        }
        match root.read_here(&self.path, READ_LIMIT_BYTES) {
            Ok(now) => self.present(&found, now.unwrap_or_default(), content),
            Err(error) => Finding::unreadable(self.what(), self.wanted(), &error),
        }
    }

    fn content(&self) -> Result<Vec<u8>, String> {
        let name = &self.setting.content;
        let text = content(name).ok_or_else(|| format!("there is no content `{name}`"))?;
        template::fill(text, self.subject.parameter)
            .map(String::into_bytes)
            .map_err(|parameter| format!("its control has no parameter `{parameter}`"))
    }

    fn absent(&self, content: Vec<u8>) -> Finding {
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
                self.finding("absent", Outcome::Diverges(remedies))
            }
        }
    }

    fn present(&self, found: &Found, now: Vec<u8>, content: Vec<u8>) -> Finding {
        let same = now == content;
        let kept = !same && self.stands(&now);
        if same || kept {
            let mut finding = attributes::judge(
                &self.subject.host.root,
                &self.path,
                found,
                Kind::File,
                self.setting.mode,
            );
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
        self.finding(
            "other content",
            Outcome::Diverges(vec![Remedy::Change(change)]),
        )
    }

    /// Whether what stands there is an operator's own file that may stay.
    fn stands(&self, found: &[u8]) -> bool {
        let Some(kind) = self.setting.keep else {
            return false;
        };
        let thing = Thing::Path(self.path.clone());
        !self.subject.content_is_ours
            && (self.subject.written_by)(&thing, found) == Ownership::Theirs
            && (self.subject.valid)(kind, found)
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

    fn what(&self) -> String {
        display(&self.path)
    }

    fn wanted(&self) -> String {
        format!(
            "content `{}`, {}",
            self.setting.content,
            attributes::wanted(self.setting.mode)
        )
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
