//! Taking lines out of our drop-in, and keeping some when the rest goes.

use std::path::{Path, PathBuf};

use crate::host::{Extent, HostError, State, Thing};
use crate::k3s::component::Component;
use crate::k3s::drop_in_directory;
use crate::reconcile::Pass;
use crate::reconcile::configuration::{CONFIGURATION, own_files, unit_override};
use crate::reconcile::restart::own_part::{EncryptionKey, OurFile, OurPart, PutBack};
use crate::reconcile::service::part;
use crate::setting::configuration::{Line, parse, render};

/// Our drop-ins without the lines that have the kubelet protect the kernel defaults, and without a command of ours for the unit that
/// has such a word: the next pass gives the others of it anew. Nothing if there is none.
///
/// # Errors
/// When they cannot be looked at.
pub fn without_kernel_protection(pass: &Pass<'_>) -> Result<Option<PutBack>, HostError> {
    let mut back = without(pass, protects)?;
    let may_go = !unit_override::loses_encryption(pass);
    for (path, (content, _)) in unit_override::present(pass)? {
        if may_go && unit_override::gives(&content, protects) {
            back.remove.push(path.to_string_lossy().into_owned());
        }
    }
    Ok((!back.is_nothing()).then_some(back))
}

fn protects(line: &Line) -> bool {
    const FLAG: &str = "protect-kernel-defaults";
    match line {
        Line::Option { name, .. } => name == FLAG,
        Line::Argument {
            component, flag, ..
        } => *component == Component::Kubelet && flag == FLAG,
        // What it says the operator says.
        Line::List { .. } => false,
    }
}

fn without(pass: &Pass<'_>, goes: fn(&Line) -> bool) -> Result<PutBack, HostError> {
    let directory = drop_in_directory(&pass.node.places.config_file);
    let (_, own) = own_files(pass.host, pass.written, &directory, CONFIGURATION)?;
    let mut back = PutBack {
        part: OurPart::default(),
        is_last_good: false,
        kept: Vec::new(),
        write: Vec::new(),
        remove: Vec::new(),
    };
    for (path, (content, attributes)) in own {
        let text = String::from_utf8_lossy(&content);
        let mut lines = parse(&text);
        let before = lines.len();
        lines.retain(|line, _| !goes(line));
        if lines.len() == before {
            continue;
        }
        let name = path.to_string_lossy().into_owned();
        if lines.is_empty() {
            back.remove.push(name);
            continue;
        }
        let file = OurFile {
            content: render(&lines),
            mode: attributes.mode.bits(),
        };
        back.part.files.insert(name.clone(), file);
        back.write.push(name);
    }
    Ok(back)
}

/// One of our drop-ins with the lines of some controls alone, and the encryption lines under a key; what was there
/// before us where that leaves none. `None` if it cannot be read.
#[must_use]
pub fn of_controls(
    pass: &Pass<'_>,
    thing: &Thing,
    before: &State,
    controls: &[&str],
) -> Option<State> {
    let State::File {
        content,
        attributes,
    } = pass.state(thing, Extent::Whole).ok()?
    else {
        return None;
    };
    let has_key = part::encryption_key(pass) != EncryptionKey::Absent;
    let mut lines = parse(&String::from_utf8_lossy(&content));
    lines.retain(|line, control| {
        controls.contains(&control.as_str()) || (has_key && line.is_about_encryption())
    });
    if lines.is_empty() {
        return Some(before.clone());
    }
    let content = render(&lines).into_bytes();
    Some(State::File {
        content,
        attributes,
    })
}

/// The encryption lines of one of our drop-ins as a file of its own; `None` if it has none.
#[must_use]
pub fn encryption_alone(content: &[u8]) -> Option<String> {
    let mut lines = parse(&String::from_utf8_lossy(content));
    lines.retain(|line, _| line.is_about_encryption());
    (!lines.is_empty()).then(|| render(&lines))
}

/// Whether a path is one of our drop-ins in the configuration.
#[must_use]
pub fn is_ours(path: &Path, config_file: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    path.parent().map(PathBuf::from) == Some(drop_in_directory(config_file))
        && name.is_some_and(|name| name.ends_with("z-k3warden.yaml"))
}
