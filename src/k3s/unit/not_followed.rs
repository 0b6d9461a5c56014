//! Settings of a unit under which K3s sees other files than stand here, or looks for them elsewhere (systemd.exec(5)). They are not
//! followed, and said: nobody runs K3s so, but what is said of such a node is not to be taken for the truth.

/// What mounts other files over those that we read.
const ANOTHER_TREE: [&str; 8] = [
    "BindPaths",
    "BindReadOnlyPaths",
    "ExtensionDirectories",
    "ExtensionImages",
    "MountImages",
    "RootDirectory",
    "RootImage",
    "TemporaryFileSystem",
];

/// What an assignment does that we do not follow, and the mend; `None` for all others.
pub(super) fn why(key: &str, value: &str) -> Option<String> {
    if value.is_empty() || value == "/" {
        return None;
    }
    let why = match key {
        "WorkingDirectory" => {
            "relative paths that an agent is given are looked for in / here; write them from / on"
        }
        key if ANOTHER_TREE.contains(&key) => {
            "K3s is judged by the files that stand here, and may read others; take it out, or mount them for the whole machine"
        }
        _ => return None,
    };
    Some(format!("{key}= is not followed: {why}"))
}
