//! Filling parameters into contents and values: `{parameter:NAME}`.

use crate::catalogue::ParameterValue;

/// The text with its parameters filled in; names a parameter that nobody knows as the error.
///
/// A list is written as a YAML flow sequence of quoted names, so that no name can break out of its place.
pub(super) fn fill(
    text: &str,
    parameter: &dyn Fn(&str) -> Option<ParameterValue>,
) -> Result<String, String> {
    const OPENING: &str = "{parameter:";
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPENING) {
        filled.push_str(before);
        let (name, after) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        let value = parameter(name).ok_or_else(|| name.to_owned())?;
        match value {
            ParameterValue::Names(names) => {
                let quoted: Vec<String> = names
                    .iter()
                    .map(|name| format!("'{}'", name.replace('\'', "''")))
                    .collect();
                filled.push('[');
                filled.push_str(&quoted.join(", "));
                filled.push(']');
            }
            other => filled.push_str(&other.to_string()),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Contents in one file: the lines with which they begin alike stand there once, comments only those of the first.
pub(super) fn join(contents: &[String]) -> String {
    let Some((first, others)) = contents.split_first() else {
        return String::new();
    };
    let body = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let head = body(first);
    let mut joined = first.clone();
    for other in others {
        let lines = body(other);
        let alike = head
            .iter()
            .zip(&lines)
            .take_while(|(one, other)| one == other)
            .count();
        for line in lines.iter().skip(alike) {
            joined.push_str(line);
            joined.push('\n');
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_becomes_a_flow_sequence_whatever_its_names() {
        let names = vec!["kube-system".to_owned(), "it's".to_owned()];
        let parameter = |name: &str| (name == "n").then(|| ParameterValue::Names(names.clone()));
        assert_eq!(
            fill("namespaces: {parameter:n}\n", &parameter),
            Ok("namespaces: ['kube-system', 'it''s']\n".to_owned())
        );
        assert_eq!(fill("{parameter:x}", &parameter), Err("x".to_owned()));
    }
    #[test]
    fn contents_that_begin_alike_are_one_file() {
        let part = |name: &str| format!("# of {name}\nkind: List\nitems:\n- name: {name}\n");
        assert_eq!(
            join(&[part("a"), part("b")]),
            "# of a\nkind: List\nitems:\n- name: a\n- name: b\n"
        );
        assert_eq!(join(&[part("b")]), part("b"));
        assert_eq!(join(&[]), "");
    }
}
