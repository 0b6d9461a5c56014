//! What type a scalar has: YAML 1.1 as `resolve` in yaml.v2 2.4 applies it.

use super::cursor::{Mark, invalid};
use super::tree::Scalar;
use super::{Value, YamlError};

/// What the tags of the YAML schema begin with.
const SCHEMA: &str = "tag:yaml.org,2002:";

/// The value that yaml.v2 gives a scalar: by its tag, else by what it looks like where it has no quotes.
pub(super) fn resolve(mark: Mark, scalar: &Scalar) -> Result<Value, YamlError> {
    let text = scalar.text.as_str();
    let Some(tag) = scalar.tag.as_deref() else {
        return Ok(match scalar.implicit {
            true => resolve_plain(text),
            false => Value::Text(text.to_owned()),
        });
    };
    match tag.strip_prefix(SCHEMA) {
        Some(kind @ ("str" | "bool" | "int" | "float" | "null" | "timestamp")) => {
            resolve_tagged(kind, text)
                .ok_or_else(|| invalid(mark, format!("`{text}` is no {kind}")))
        }
        Some("binary") => base64(text)
            .map(|bytes| Value::Text(String::from_utf8_lossy(&bytes).into_owned()))
            .ok_or_else(|| invalid(mark, "this is no base64")),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

/// The value that yaml.v2 gives an unquoted scalar without a tag.
fn resolve_plain(text: &str) -> Value {
    if let Some(value) = word(text) {
        return value;
    }
    match text.as_bytes().first() {
        Some(b'.') => go_float(text).map_or_else(|| Value::Text(text.to_owned()), Value::Float),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            number(text).unwrap_or_else(|| Value::Text(text.to_owned()))
        }
        _ => Value::Text(text.to_owned()),
    }
}

fn word(text: &str) -> Option<Value> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

/// An integer in any of Go's bases, else a decimal float; `None` leaves the text a text.
fn number(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    if let Some(value) = integer(&plain) {
        return Some(value);
    }
    if is_decimal_float(&plain) {
        // Beyond the range of a float Go reports an error, and the text stays as written.
        return plain
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .map(Value::Float);
    }
    // A sign after the prefix: `0b-1` is -1 for yaml.v2.
    if let Some(digits) = plain.strip_prefix("0b") {
        return signed(digits, 2);
    }
    None
}

fn integer(plain: &str) -> Option<Value> {
    let (negative, digits) = match plain.as_bytes().first() {
        Some(b'-') => (true, plain.get(1..)?),
        Some(b'+') => (false, plain.get(1..)?),
        _ => (false, plain),
    };
    let (radix, digits) = radix(digits);
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).map(Value::Integer);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Value::Integer(value)),
        // Go's ParseUint takes no sign.
        Err(_) if !plain.starts_with('+') => Some(Value::Unsigned(magnitude)),
        Err(_) => None,
    }
}

/// Go's base prefixes; a leading zero alone means octal.
fn radix(digits: &str) -> (u32, &str) {
    let prefix = digits.get(..2).unwrap_or_default();
    let rest = digits.get(2..).unwrap_or_default();
    match prefix {
        "0x" | "0X" => (16, rest),
        "0o" | "0O" => (8, rest),
        "0b" | "0B" => (2, rest),
        _ => match digits.strip_prefix('0') {
            Some(rest) if !rest.is_empty() => (8, rest),
            _ => (10, digits),
        },
    }
}

fn signed(digits: &str, radix: u32) -> Option<Value> {
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if unsigned.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok().map(Value::Integer)
}

/// The expression `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` of yaml.v2.
fn is_decimal_float(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = text.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let has_whole = whole.len() < text.len();
    let exponent = match whole.strip_prefix('.') {
        Some(fraction) => {
            let rest = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if !has_whole && rest.len() == fraction.len() {
                return false;
            }
            rest
        }
        None if has_whole => whole,
        None => return false,
    };
    let Some(digits) = exponent.strip_prefix(['e', 'E']) else {
        return exponent.is_empty();
    };
    let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Go's `ParseFloat` for a text that begins with a dot; underscores may stand between digits.
fn go_float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        let digit = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_some_and(u8::is_ascii_digit)
        };
        if *byte == b'_' && !(digit(index.checked_sub(1)) && digit(index.checked_add(1))) {
            return None;
        }
    }
    let plain = text.replace('_', "");
    if !is_decimal_float(&plain) {
        return None;
    }
    plain.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The type of a scalar with a tag of the YAML schema (`int`, `bool` …); `None` where yaml.v2 gives up.
fn resolve_tagged(kind: &str, text: &str) -> Option<Value> {
    if kind == "str" {
        return Some(Value::Text(text.to_owned()));
    }
    let value = resolve_plain(text);
    match (kind, &value) {
        ("bool", Value::Bool(_))
        | ("int", Value::Integer(_) | Value::Unsigned(_))
        | ("float", Value::Float(_))
        | ("null", Value::Null) => Some(value),
        #[allow(clippy::cast_precision_loss, reason = "Go converts in the same way")]
        ("float", Value::Integer(whole)) => Some(Value::Float(*whole as f64)),
        ("timestamp", Value::Text(_)) if is_timestamp(text) => Some(value),
        _ => None,
    }
}

/// Whether a text is a date, or a date and time, in one of the forms that yaml.v2 takes.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let number = |part: Option<&str>, longest: usize| {
        part.is_some_and(|digits| {
            (1..=longest).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    let dated = date.find('-') == Some(4)
        && number(parts.next(), 4)
        && number(parts.next(), 2)
        && number(parts.next(), 2)
        && parts.next().is_none();
    let clock = time.get(1..).unwrap_or_default();
    dated && (time.is_empty() || clock.bytes().filter(|byte| *byte == b':').count() >= 2)
}

/// Go's `base64.StdEncoding`: padded, line breaks are passed over.
fn base64(text: &str) -> Option<Vec<u8>> {
    let clean: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\n' | b'\r'))
        .collect();
    let digits = clean
        .strip_suffix(b"==")
        .or_else(|| clean.strip_suffix(b"="))
        .unwrap_or(&clean);
    if !clean.len().is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::new();
    let (mut bits, mut width) = (0u32, 0u32);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        width += 6;
        if width >= 8 {
            width -= 8;
            bytes.extend(u8::try_from(bits >> width & 0xff));
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::yaml::to_text;

    fn text(scalar: &str) -> String {
        to_text(&resolve_plain(scalar))
    }

    #[test]
    fn an_octal_number_becomes_decimal() {
        for (written, read) in [("0600", "384"), ("0o600", "384"), ("06443", "3363")] {
            assert_eq!(text(written), read);
        }
    }

    #[test]
    fn numbers_come_out_as_go_prints_them() {
        for (written, read) in [
            ("1_000", "1000"),
            ("0x1F", "31"),
            ("1.10", "1.1"),
            ("1e3", "1000"),
            ("0b11", "3"),
            ("0b-1", "-1"),
            ("08", "8"),
            ("1.", "1"),
            (".5", "0.5"),
            (".5_0", "0.5"),
            ("1e6", "1e+06"),
            ("892150985520878.25", "8.921509855208782e+14"),
            ("0.00001", "1e-05"),
            ("18446744073709551615", "18446744073709551615"),
            ("+18446744073709551615", "1.8446744073709552e+19"),
            ("10000000000000000000000", "1e+22"),
            (".inf", "+Inf"),
            ("-.inf", "-Inf"),
            (".nan", "NaN"),
        ] {
            assert_eq!(text(written), read, "{written}");
        }
    }

    #[test]
    fn words_of_yaml_1_1_become_bools_and_null() {
        for (written, read) in [("yes", "true"), ("y", "true"), ("off", "false"), ("~", "")] {
            assert_eq!(text(written), read);
        }
    }

    #[test]
    fn dates_times_and_what_overflows_stay_as_written() {
        for written in [
            "2001-01-01",
            "12:30:45",
            "1e400",
            "1.2.3",
            "-",
            "0b2",
            "._5",
            "0x",
        ] {
            assert_eq!(text(written), written);
        }
    }
}
