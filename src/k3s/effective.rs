//! What K3s really runs with: its options and its components' arguments after every merge, and whether it would start.

use std::path::PathBuf;

use super::component::{self, Facts, Start};
use super::{
    ConfigurationError, Ending, Files, Invocation, K3sVersion, NodeConfiguration, Place, Remark,
    merge,
};

/// Everything that K3s of one release makes of one node's configuration.
#[derive(Debug)]
pub struct Effective {
    /// The release.
    pub version: K3sVersion,
    /// Options, files read and directories.
    pub configuration: NodeConfiguration,
    /// Components, the kubelet's settings, and why a component would end.
    pub start: Start,
}

impl Effective {
    /// Works it out, for the files as they are or as a plan would leave them.
    ///
    /// # Errors
    /// When a file cannot be looked at, or the command is no K3s server or agent. That K3s would end is no error.
    pub fn of(
        files: &Files<'_>,
        invocation: &Invocation,
        version: K3sVersion,
        facts: &Facts,
    ) -> Result<Self, ConfigurationError> {
        let configuration = merge(files, invocation, version)?;
        let node = component::Node {
            version,
            role: configuration.role,
            data_dir: configuration.data_dir.state_or_default(),
        };
        let start = component::start(&configuration.merge, &node, facts, files);
        Ok(Self {
            version,
            configuration,
            start,
        })
    }

    /// The file that an argument of a component names, wherever the component looks for it.
    #[must_use]
    pub fn named_file(&self, name: &str) -> PathBuf {
        self.node().named_file(name)
    }

    fn node(&self) -> component::Node {
        component::Node {
            version: self.version,
            role: self.configuration.role,
            data_dir: self.configuration.data_dir.state_or_default(),
        }
    }

    /// Why K3s would end at its start: the first thing that would stop it; `None` if nothing is known that would.
    #[must_use]
    pub fn ends(&self) -> Option<&Ending> {
        self.configuration
            .wrapper_ends
            .as_ref()
            .or(self.configuration.merge.ends())
            .or_else(|| self.start.endings.first())
    }

    /// Why K3s would end before its options are settled: it runs no component, and reads nothing of ours.
    #[must_use]
    pub const fn unsettled(&self) -> Option<&Ending> {
        self.configuration.merge.ends()
    }

    /// Why nobody can tell what its options are; that none is set says nothing then. See [`Outcome`](super::Outcome).
    #[must_use]
    pub const fn unknown(&self) -> Option<&Ending> {
        self.configuration.merge.unknown()
    }

    /// Everything that would stop it. Over one file the wrapper and the real K3s end alike, which is one thing to mend.
    pub fn endings(&self) -> impl Iterator<Item = &Ending> {
        let wrapper = self.configuration.wrapper_ends.as_ref();
        let merge = self.configuration.merge.endings();
        wrapper
            .into_iter()
            .chain(merge.filter(move |ending| wrapper != Some(*ending)))
            .chain(&self.start.endings)
    }

    /// The same, with what it would end for once that is mended.
    pub fn all_endings(&self) -> impl Iterator<Item = &Ending> {
        self.endings().chain(&self.start.hidden_endings)
    }

    /// The same end here, be it one that K3s comes to once what it ends for first is mended: what is with another configuration and not
    /// with this one did not bring it then. By the reason, since its place may be another here.
    #[must_use]
    pub fn end_like(&self, ending: &Ending) -> Option<&Ending> {
        self.all_endings().find(|own| own.reason == ending.reason)
    }

    /// The first end that this has over another configuration, which comes to no like it.
    #[must_use]
    pub fn first_end_over(&self, other: &Self) -> Option<&Ending> {
        let mut endings = self.all_endings();
        endings.find(|ending| other.end_like(ending).is_none())
    }

    /// Takes back what is said against values at these places, since nobody knows them here. What ends K3s before its options are
    /// settled stays: nothing is known then either way.
    pub fn take_back_endings_of(&mut self, unknown_at: &[Place]) {
        let is_of_known = |ending: &Ending| {
            let from = ending.from.as_ref();
            from.is_none_or(|from| !unknown_at.contains(from))
        };
        self.start.endings.retain(is_of_known);
        self.start.hidden_endings.retain(is_of_known);
    }

    /// What K3s would warn about, in its own words, or do without a word and the operator should know.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let said = &self.configuration.merge.warnings;
        said.iter()
            .cloned()
            .chain(self.configuration.remarks.iter().map(Remark::to_string))
            .chain(self.start.swallowed.iter().cloned())
            .chain(self.start.warnings.iter().cloned())
            .collect()
    }

    /// The directory in which drop-ins of the configuration file lie; `None` where K3s reads no file.
    #[must_use]
    pub fn drop_in_directory(&self) -> Option<PathBuf> {
        self.configuration
            .config_file
            .as_deref()
            .map(super::drop_in_directory)
    }
}
