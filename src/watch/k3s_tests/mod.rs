//! The daemon beside a K3s whose systemd, journal and time a test plays: what it takes for proven, what it puts back,
//! when it asks for a restart, what it tells.

mod again;
mod bench;
mod endangered;
mod fails_always;
mod fights;
mod machine;
mod overtaken;
mod put_back;
mod starts;
mod stopped;
mod told;
mod tree;
mod unseen;
mod written;
