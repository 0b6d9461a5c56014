//! How K3s reads its configuration: files, drop-ins, the unit's command line and environment, merged as K3s
//! merges them, and what its components are started with.

mod addon;
mod command_line;
pub mod component;
mod config_file;
mod config_merge;
mod data_dir;
mod effective;
mod ending;
mod environment;
mod files;
mod go_duration;
mod go_value;
mod invocation;
mod label;
mod mend;
mod merge;
mod merging;
mod node_configuration;
mod options;
mod passed_over;
mod place;
mod quantity;
mod remark;
mod role;
mod secret;
mod unit;
mod version;
pub mod yaml;

#[cfg(test)]
mod hostile_tests;

pub use addon::{MANIFEST_ENDINGS, addon, is_deployed};
pub use command_line::{Word, shown};
pub use config_file::{
    CONFIG_FILE_VARIABLE, DEFAULT_CONFIG_FILE, drop_in_directory, remote_address,
};
pub use config_merge::FROM_YOUR_LIST;
pub use data_dir::{DEFAULT_DATA_DIR, DataDir};
pub use effective::Effective;
pub use ending::{Ending, Slip};
pub use environment::{Environment, Variable};
pub use files::{FILE_LIMIT_BYTES, Files, Input};
pub use invocation::Invocation;
pub use label::{is_label, is_subdomain, is_subdomain_part};
pub use merge::{Merge, Outcome, SetOption, Sourced};
pub use node_configuration::{ConfigurationError, NodeConfiguration, merge};
pub use options::{
    KnownOption, NEWEST_CATALOGUED_MINOR, NEWEST_KNOWN_MINOR, OptionKind, Options, option_names,
};
pub use place::Place;
pub use remark::{Remark, SkippedKey};
pub use role::Role;
pub use secret::{SECRET, hides, is_secret, shown_value, without_credentials};
pub use unit::{
    AsWritten, K3sUnits, Loaded, Loading, STANDS_FOR, Together, UNIT_DIRECTORIES, Unit,
    drop_in_directories, find_k3s_units, find_loaded_k3s_units, is_k3s_name, load_unit,
    shown_command,
};
pub use version::{K3sVersion, ParseVersionError};
