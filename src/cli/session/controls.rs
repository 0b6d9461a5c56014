//! The controls that an operator names.

use super::Session;
use crate::catalogue::{Control, nearest};
use crate::cli::exit::CliError;

impl Session {
    /// The controls of these names.
    ///
    /// # Errors
    /// When one is not in the catalogue; names the nearest one.
    pub fn named(&self, names: &[String]) -> Result<Vec<&Control>, CliError> {
        names.iter().map(|name| self.control(name)).collect()
    }

    /// The same, where a name may be a CIS number of this node's edition too; each once.
    ///
    /// # Errors
    /// As for [`Session::named`].
    pub fn named_or_numbered(&self, names: &[String]) -> Result<Vec<&Control>, CliError> {
        let mut controls: Vec<&Control> = Vec::new();
        for name in names {
            let found = match self.numbered(name) {
                none if none.is_empty() => vec![self.control(name)?],
                numbered => numbered,
            };
            for control in found {
                if !controls.iter().any(|known| known.id == control.id) {
                    controls.push(control);
                }
            }
        }
        Ok(controls)
    }

    /// The controls of a CIS number of this node's edition; none where it is no number.
    #[must_use]
    pub fn numbered(&self, number: &str) -> Vec<&Control> {
        let edition = self.pass().edition();
        edition.map_or_else(Vec::new, |edition| {
            self.catalogue.with_number(edition, number)
        })
    }

    fn control(&self, name: &str) -> Result<&Control, CliError> {
        if let Some(control) = self.catalogue.control(name) {
            return Ok(control);
        }
        let ids = self
            .catalogue
            .controls()
            .iter()
            .map(|control| control.id.as_str());
        Err(match nearest(name, ids) {
            Some(near) => format!("there is no control `{name}`; did you mean `{near}`?").into(),
            None => {
                format!("there is no control `{name}`; `k3warden check --all` lists them").into()
            }
        })
    }
}
