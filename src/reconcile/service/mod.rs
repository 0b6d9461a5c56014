//! The parts of `restart`, tied to one node: what its next start reads, what of that is ours, what is known of it, and
//! how it is put back.

pub mod circumstances;
pub mod cluster;
pub mod directory_time;
pub mod encrypted;
pub mod following;
pub mod inputs;
pub mod kernel;
pub mod last_data_dir;
pub mod line_out;
pub mod part;
pub mod preflight;
pub mod restore;
pub mod rollback;
pub mod standing;
pub mod start;
pub mod stay;
pub mod wanted;
pub mod way_back;
