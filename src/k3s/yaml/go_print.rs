//! How a value becomes text again: `convert.ToString` of rancher/wrangler, which is Go's `fmt.Sprint` of the first
//! element, trimmed.

use std::fmt::Write;

use super::Value;

/// The text that K3s passes on for a value: of a list only the first element counts.
#[must_use]
pub fn to_text(value: &Value) -> String {
    let single = match value {
        Value::List(items) => match items.first() {
            Some(first) => &first.value,
            None => return String::new(),
        },
        other => other,
    };
    match single {
        Value::Null => String::new(),
        other => {
            let mut text = String::new();
            print(other, &mut text);
            text.trim().to_owned()
        }
    }
}

/// Go's `%v`. Depth is bounded by the decoder.
fn print(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::Bool(value) => push(text, value),
        Value::Integer(value) => push(text, value),
        Value::Unsigned(value) => push(text, value),
        Value::Float(value) => text.push_str(&float(*value)),
        Value::Text(value) => text.push_str(value),
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, text);
                print(&item.value, text);
            }
            text.push(']');
        }
        Value::Map(entries) => {
            text.push('[');
            for (index, (key, value)) in entries.iter().enumerate() {
                separate(index, text);
                text.push('{');
                print(key, text);
                text.push(' ');
                print(value, text);
                text.push('}');
            }
            text.push(']');
        }
    }
}

fn separate(index: usize, text: &mut String) {
    if index > 0 {
        text.push(' ');
    }
}

fn push(text: &mut String, value: &impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{value}");
}

/// The fewest digits that read back as the same number. Of two that are equally near Go takes the even one, Rust the upper.
fn scientific(value: f64) -> String {
    let shortest = format!("{value:e}");
    let (digits, _) = shortest.split_once('e').unwrap_or((&shortest, ""));
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let even = format!("{value:.*e}", count.saturating_sub(1));
    match even.parse() == Ok(value) {
        true => even,
        false => shortest,
    }
}

/// Go's `%v` of a float: shortest digits, with an exponent below 1e-4 and from 1e6 on
/// (`strconv.FormatFloat(x, 'g', -1, 64)`).
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = scientific(value);
    let (digits, exponent) = scientific
        .split_once('e')
        .unwrap_or((scientific.as_str(), "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}
