//! The words of a unit's command as systemd has them, over the bus: `systemctl show` joins them by blanks, and the
//! division is lost.

use super::UnitName;

/// The arguments of `busctl` for a unit.
pub(super) fn question(unit: &UnitName) -> Vec<String> {
    [
        "get-property",
        "--json=short",
        "org.freedesktop.systemd1",
        &object_path(unit),
        "org.freedesktop.systemd1.Service",
        "ExecStart",
    ]
    .map(str::to_owned)
    .into()
}

/// All but letters and digits is `_` and two hexadecimal digits (`sd_bus_path_encode`).
fn object_path(unit: &UnitName) -> String {
    let mut path = String::from("/org/freedesktop/systemd1/unit/");
    for byte in unit.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => path.push(char::from(byte)),
            _ => path.push_str(&format!("_{byte:02x}")),
        }
    }
    path
}

/// The words of the first command, from `ExecStart` of org.freedesktop.systemd1(5): path, words, and much about its last
/// run; `None` if the answer has none.
pub(super) fn parse(answer: &[u8]) -> Option<Vec<String>> {
    let property: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let command = property.get("data")?.get(0)?;
    let words = command.get(1)?.as_array()?;
    words
        .iter()
        .map(|word| word.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_asked_for_by_its_path_on_the_bus() {
        let unit: UnitName = "k3s-a.service".parse().unwrap();
        assert_eq!(
            object_path(&unit),
            "/org/freedesktop/systemd1/unit/k3s_2da_2eservice"
        );
    }

    #[test]
    fn an_answer_that_is_none_gives_no_words() {
        for answer in ["", "{}", r#"{"data":[]}"#, r#"{"data":[["/x",[1]]]}"#, "[["] {
            assert_eq!(parse(answer.as_bytes()), None, "{answer}");
        }
    }
}
