//! Files that several controls have sections in: which of them belong there now.

use std::path::Path;

use crate::catalogue::{Control, FileSetting, ParameterValue, SettingBody};
use crate::host::{Attributes, READ_LIMIT_BYTES, State, Thing};
use crate::k3s::component::admission_sections;
use crate::policy::{OnDisable, Stance};
use crate::setting::{self, Parameters};

use super::Pass;
use super::baseline::{self, Applies};

impl Pass<'_> {
    /// The whole content of a file for the setting of a control, with the sections that other controls have in it.
    pub(super) fn content_of(
        &self,
        control: Option<&Control>,
        file: &FileSetting,
    ) -> Result<Vec<u8>, String> {
        let own = |other: &Control| control.is_some_and(|control| control.id == other.id);
        let parts = self
            .settings_of_path(&file.path)
            .filter(|(other, setting)| own(other) || self.belongs(other, setting))
            .collect::<Vec<_>>();
        match (file.section.is_some() && !parts.is_empty(), control) {
            (true, _) => self.joined(&parts),
            (false, Some(control)) => self.joined(&[(control, file)]),
            (false, None) => Err("no control is judged".to_owned()),
        }
    }

    /// What is left of a file when only these of the controls that have sections in it stay; `None` if none of them has.
    pub(super) fn sections_of(&self, thing: &Thing, stay: &[&str]) -> Option<Vec<u8>> {
        let controls: Vec<&Control> = stay
            .iter()
            .filter_map(|id| self.catalogue.control(id))
            .collect();
        match self.shared_file(thing, &controls)? {
            State::File { content, .. } => Some(content),
            _ => None,
        }
    }

    /// A file as it is when only some of the controls that share it stay; `None` if none of them has a section in it.
    pub(super) fn shared_file(&self, thing: &Thing, stay: &[&Control]) -> Option<State> {
        let Thing::Path(path) = thing else {
            return None;
        };
        let files = stay.iter().flat_map(|control| {
            let files = control
                .settings
                .iter()
                .filter_map(|setting| match &setting.body {
                    SettingBody::File(file) if file.section.is_some() => Some(file),
                    _ => None,
                });
            files.map(|file| (*control, file))
        });
        let is_here =
            |file: &FileSetting| self.node.places.expand(&file.path).as_ref() == Some(path);
        let parts: Vec<(&Control, &FileSetting)> =
            files.filter(|(_, file)| is_here(file)).collect();
        let (_, first) = parts.first()?;
        let (uid, gid) = self.host.root.superuser();
        Some(State::File {
            content: self.joined(&parts).ok()?,
            attributes: Attributes {
                mode: first.mode,
                uid,
                gid,
            },
        })
    }

    /// A value that a content asks for: a parameter of its control, a list with the value of a K3s option where the name
    /// says so.
    pub(super) fn parameter(&self, control: &Control, name: &str) -> Option<ParameterValue> {
        let (name, option) = match name.split_once("+option:") {
            Some((name, option)) => (name, Some(option)),
            None => (name, None),
        };
        let (value, _) = self.policy.parameter(control, name)?;
        let ParameterValue::Names(given) = value else {
            return Some(value.clone());
        };
        let mut names: Vec<String> = Vec::new();
        let unknown = matches!(self.effective(), Ok(effective) if effective.unknown().is_some());
        if option.is_some() && unknown {
            return None;
        }
        let more = option.and_then(|option| self.option(option));
        for name in given.iter().chain(&more) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Some(ParameterValue::Names(names))
    }

    /// The value that a K3s option is given; `None` where nothing sets it.
    fn option(&self, name: &str) -> Option<String> {
        let effective = self.effective().as_ref().ok()?;
        let option = effective.configuration.merge.options.get(name)?;
        let value = &option.values.last()?.value;
        (!value.is_empty()).then(|| value.clone())
    }

    fn joined(&self, parts: &[(&Control, &FileSetting)]) -> Result<Vec<u8>, String> {
        let with_parameters: Vec<(&FileSetting, Box<Parameters<'_>>)> = parts
            .iter()
            .map(|(control, file)| {
                let parameters: Box<Parameters<'_>> =
                    Box::new(|name| self.parameter(control, name));
                (*file, parameters)
            })
            .collect();
        let settings: Vec<_> = with_parameters
            .iter()
            .map(|(file, parameters)| (*file, &**parameters))
            .collect();
        setting::content_of(&settings)
    }

    fn settings_of_path(&self, path: &str) -> impl Iterator<Item = (&Control, &FileSetting)> {
        self.catalogue.controls().iter().flat_map(move |control| {
            control
                .settings
                .iter()
                .filter_map(move |setting| match &setting.body {
                    SettingBody::File(file) if file.path == path && file.section.is_some() => {
                        Some((control, file))
                    }
                    _ => None,
                })
        })
    }

    /// Whether the section of a control belongs into its file: it is enforced, or it was written and stays.
    fn belongs(&self, control: &Control, file: &FileSetting) -> bool {
        let applies = baseline::control(control, self.node) == Applies::Yes
            && baseline::version(file.k3s, self.node) == Applies::Yes;
        let (decision, _) = self.decide(control);
        applies && (decision.stance == Stance::Enforce || self.stays(file))
    }

    /// Whether a section of ours stays although its control is not enforced: what a control changed is kept when it is
    /// turned off, and K3s may end without a section while its next start names the file.
    fn stays(&self, file: &FileSetting) -> bool {
        let Some(path) = self.node.places.expand(&file.path) else {
            return false;
        };
        let kept = self.policy.on_disable.value == OnDisable::Keep || self.is_named(&path);
        kept && self.has_section_of_ours(&path, file)
    }

    fn is_named(&self, path: &Path) -> bool {
        let Ok(effective) = self.known() else {
            return true;
        };
        let lines = effective.start.components.lines.values();
        let path = path.to_string_lossy();
        lines.flatten().any(|argument| argument.value == path)
    }

    fn has_section_of_ours(&self, path: &Path, file: &FileSetting) -> bool {
        let (Some(section), Some(version)) = (&file.section, &self.node.version) else {
            return false;
        };
        let Ok(Some(content)) = self.host.root.read_here(path, READ_LIMIT_BYTES) else {
            return false;
        };
        let ours = self
            .written
            .is_ours(&Thing::Path(path.to_path_buf()), &content);
        let sections = admission_sections(&content, version.value).unwrap_or_default();
        ours && sections.iter().any(|known| known == section)
    }
}
