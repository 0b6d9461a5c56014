//! Texts of the catalogue that are written into a line or a file, and the parameters that they need.

use super::Fault;
use crate::catalogue::{
    Control, PLACES, ParameterKind, Placeholders, content, did_you_mean, shown,
};

const PARAMETER: &str = "parameter:";
const WITH_OPTION: &str = "+option:";
const EACH: &str = "each:";

/// A text that is one line wherever it is written.
pub(super) fn of_line(key: &str, text: &str) -> Option<Fault> {
    text.contains(char::is_control).then(|| {
        let message = format!("`{key}` is one line, without control characters");
        Fault::of_word(text, message, None)
    })
}

/// A value of a kernel parameter, which is written behind `KEY =` in a file of sysctl.d. The kernel itself parts the
/// numbers of one value by tabs.
pub(super) fn of_kernel_value(value: &str) -> Option<Fault> {
    let control = |letter: char| letter.is_control() && letter != '\t';
    if value.contains(control) {
        let message = format!(
            "`value` \"{}\" is one line, without control characters",
            shown(value)
        );
        return Some(Fault::of_word(value, message, None));
    }
    if value.trim().is_empty() {
        let message = "`value` is empty, which no kernel parameter can be asked to be".to_owned();
        return Some(Fault::of_word(value, message, None));
    }
    Placeholders::of(value).next().map(|_| {
        let message = format!(
            "`value` \"{}\" is taken as it stands: no placeholder is filled in",
            shown(value)
        );
        let hint = "write the value that the kernel shall have".to_owned();
        Fault::of_word(value, message, Some(hint))
    })
}

/// What an option or argument is set to: one line, with placeholders that somebody fills in.
pub(super) fn of_set(set: &str, control: &Control) -> Option<Fault> {
    of_line("set", set).or_else(|| {
        Placeholders::of(set).find_map(|placeholder| {
            let name = placeholder.name.unwrap_or_default();
            match name.strip_prefix(PARAMETER) {
                Some(parameter) => of_parameter(parameter, placeholder.text, control),
                None if PLACES.contains(&name) => None,
                None => {
                    let message = format!("`set` has no placeholder `{}`", shown(placeholder.text));
                    let mut known: Vec<&str> = PLACES.to_vec();
                    known.push("parameter:NAME");
                    let hint = did_you_mean(name, known.iter().copied())
                        .unwrap_or_else(|| format!("known are {}", known.join(", ")));
                    Some(Fault::of_word(placeholder.text, message, Some(hint)))
                }
            }
        })
    })
}

/// A content by its name, and the parameters that it asks of the control. `each` is the parameter that the name of a
/// manifest goes through.
pub(super) fn of_content(name: &str, each: Option<&str>, control: &Control) -> Option<Fault> {
    let Some(text) = content::content(name) else {
        let names = content::names();
        let hint = did_you_mean(name, names.iter().copied())
            .unwrap_or_else(|| format!("known are {}", names.join(", ")));
        let message = format!("there is no content `{}`", shown(name));
        return Some(Fault::of_word(name, message, Some(hint)));
    };
    Placeholders::of(text).find_map(|placeholder| {
        let asked = placeholder.name.unwrap_or_default();
        if let Some(parameter) = asked.strip_prefix(PARAMETER) {
            return of_asked(name, parameter, control);
        }
        let parameter = asked.strip_prefix(EACH)?;
        (each != Some(parameter)).then(|| {
            let message = format!("content `{name}` is for one namespace a file");
            let hint = format!("put `{{each:{parameter}}}` into the manifest's name");
            Fault::of_word(name, message, Some(hint))
        })
    })
}

/// `PARAMETER` or `PARAMETER+option:OPTION` of a content.
fn of_asked(content: &str, asked: &str, control: &Control) -> Option<Fault> {
    let parameter = asked
        .split_once(WITH_OPTION)
        .map_or(asked, |(name, _)| name);
    let given = control
        .parameters
        .get(parameter)
        .map(|parameter| parameter.kind);
    let is_list = asked.contains(WITH_OPTION);
    let fits = given.is_some_and(|kind| !is_list || kind.is_list());
    (!fits).then(|| {
        let message =
            format!("content `{content}` asks for parameter `{parameter}` of its control");
        Fault::of_word(content, message, Some(how_to_add(parameter, is_list)))
    })
}

/// The parameter whose names a manifest is written for, one by one.
pub(super) fn of_each(parameter: &str, control: &Control) -> Option<Fault> {
    let given = control
        .parameters
        .get(parameter)
        .map(|parameter| parameter.kind);
    (given != Some(ParameterKind::Namespaces)).then(|| {
        let message = format!(
            "`{{each:{}}}` goes through a parameter of kind `namespaces`",
            shown(parameter)
        );
        let hint = how_to_add(parameter, true);
        Fault::of_word(&format!("{{each:{parameter}}}"), message, Some(hint))
    })
}

fn of_parameter(parameter: &str, whole: &str, control: &Control) -> Option<Fault> {
    if let Some(parameter) = control.parameters.get(parameter) {
        return parameter.kind.is_list().then(|| {
            let message = format!("`{}` is a list, which no argument takes", shown(whole));
            Fault::of_word(whole, message, None)
        });
    }
    let message = format!("the control has no parameter `{}`", shown(parameter));
    let names = control.parameters.keys().map(String::as_str);
    let hint = did_you_mean(parameter, names).unwrap_or_else(|| how_to_add(parameter, false));
    Some(Fault::of_word(whole, message, Some(hint)))
}

fn how_to_add(parameter: &str, is_list: bool) -> String {
    let kind = if is_list { "namespaces" } else { "integer" };
    format!(
        "give [control.parameter] a `{}`, such as one with kind = \"{kind}\"",
        shown(parameter)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::option_names;

    #[test]
    fn every_option_that_a_content_asks_for_is_one_of_k3s() {
        for name in content::names() {
            for placeholder in Placeholders::of(content::content(name).unwrap()) {
                let asked = placeholder.name.unwrap();
                if let Some((_, option)) = asked.split_once(WITH_OPTION) {
                    assert!(option_names().any(|known| known == option), "{name}");
                }
            }
        }
    }
}
