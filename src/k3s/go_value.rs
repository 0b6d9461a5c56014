//! How Go reads and prints the values of flags: `strconv` and `time`.

use super::options::OptionKind;

/// What Go's parser says of a value that it does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Syntax,
    Range,
}

impl Refused {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Syntax => "parse error",
            Self::Range => "value out of range",
        }
    }
}

/// The value as K3s holds it, printed: `1` is `true` for a bool, `0x10` is `16` for a number.
pub(super) fn normalize(kind: OptionKind, text: &str) -> Result<String, Refused> {
    match kind {
        OptionKind::Text | OptionKind::List => Ok(text.to_owned()),
        OptionKind::Bool => parse_bool(text)
            .map(|value| value.to_string())
            .ok_or(Refused::Syntax),
        OptionKind::Integer => parse_integer(text).map(|value| value.to_string()),
        OptionKind::Duration => parse_duration(text)
            .map(print_duration)
            .ok_or(Refused::Syntax),
    }
}

/// `strconv.ParseBool`.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseInt(text, 0, 64)`.
fn parse_integer(text: &str) -> Result<i64, Refused> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = |prefixes: [&str; 2]| {
        prefixes
            .iter()
            .find_map(|prefix| unsigned.strip_prefix(prefix))
    };
    let (radix, digits) = if let Some(digits) = prefixed(["0x", "0X"]) {
        (16, digits)
    } else if let Some(digits) = prefixed(["0o", "0O"]) {
        (8, digits)
    } else if let Some(digits) = prefixed(["0b", "0B"]) {
        (2, digits)
    } else if let Some(digits) = unsigned.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        (8, digits)
    } else {
        (10, unsigned)
    };
    // An underscore may follow a base prefix and stand between digits.
    let has_prefix = digits.len() < unsigned.len();
    let underscores =
        digits.contains("__") || digits.ends_with('_') || (digits.starts_with('_') && !has_prefix);
    let digits = digits.replace('_', "");
    if underscores || digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err(Refused::Syntax);
    }
    let magnitude = u64::from_str_radix(&digits, radix).map_err(|_| Refused::Range)?;
    let value = if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    };
    value.ok_or(Refused::Range)
}

/// `time.ParseDuration`, in nanoseconds.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (part, after) = duration_part(rest)?;
        total = total.checked_add(part).filter(|sum| *sum <= 1 << 63)?;
        rest = after;
    }
    if negative {
        return 0i64.checked_sub_unsigned(total);
    }
    i64::try_from(total).ok()
}

/// What `time.ParseDuration` says of a text that is no duration.
pub(super) fn why_no_duration(text: &str) -> String {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    while !rest.is_empty() && rest != "0" {
        let after = rest.trim_start_matches(|digit: char| digit.is_ascii_digit() || digit == '.');
        if after.len() == rest.len() {
            break;
        }
        let end = after
            .find(|letter: char| letter == '.' || letter.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        match unit {
            "" => return format!("time: missing unit in duration {text:?}"),
            "ns" | "us" | "\u{b5}s" | "\u{3bc}s" | "ms" | "s" | "m" | "h" => rest = next,
            _ => return format!("time: unknown unit {unit:?} in duration {text:?}"),
        }
    }
    format!("time: invalid duration {text:?}")
}

/// One number with its unit, and what follows it.
fn duration_part(text: &str) -> Option<(u64, &str)> {
    let digits_end = |text: &str| {
        text.find(|digit: char| !digit.is_ascii_digit())
            .unwrap_or(text.len())
    };
    let (whole, rest) = text.split_at_checked(digits_end(text))?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(digits_end(rest))?,
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let unit_end = rest
        .find(|letter: char| letter == '.' || letter.is_ascii_digit())
        .unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(unit_end)?;
    let nanoseconds: u64 = match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let value = whole
        .checked_mul(nanoseconds)
        .filter(|value| *value <= 1 << 63)?
        .checked_add(fraction_of(fraction, nanoseconds))
        .filter(|value| *value <= 1 << 63)?;
    Some((value, rest))
}

/// Digits after the point, in nanoseconds, cut off as Go does.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go computes `f * (unit / scale)` in floats and truncates"
)]
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let mut value: u64 = 0;
    let mut scale = 1.0_f64;
    for digit in digits.bytes() {
        let next = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(digit.saturating_sub(b'0'))));
        let Some(next) = next.filter(|next| *next <= 1 << 63) else {
            break;
        };
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// `time.Duration.String`.
fn print_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    if total == 0 {
        return "0s".to_owned();
    }
    let (unit, name) = match total {
        ..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "\u{b5}s"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let fraction = match total % unit {
        0 => String::new(),
        rest => {
            let width = usize::try_from(unit.ilog10()).unwrap_or(0);
            let digits = format!("{rest:0width$}");
            format!(".{}", digits.trim_end_matches('0'))
        }
    };
    let whole = total / unit;
    if name != "s" {
        return format!("{sign}{whole}{fraction}{name}");
    }
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}{fraction}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}{fraction}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bool_takes_what_go_takes_and_nothing_else() {
        let bool = |text| normalize(OptionKind::Bool, text);
        assert_eq!(bool("1"), Ok("true".into()));
        assert_eq!(bool("F"), Ok("false".into()));
        assert_eq!(bool("yes"), Err(Refused::Syntax));
        assert_eq!(bool(""), Err(Refused::Syntax));
    }

    #[test]
    fn a_number_can_have_a_base_and_underscores() {
        let integer = |text| normalize(OptionKind::Integer, text);
        assert_eq!(integer("0x10"), Ok("16".into()));
        assert_eq!(integer("010"), Ok("8".into()));
        assert_eq!(integer("1_000"), Ok("1000".into()));
        assert_eq!(integer("0_7"), Ok("7".into()));
        assert_eq!(integer("-0b1"), Ok("-1".into()));
        for text in ["", "1__0", "_1", "1_", "08", "1.5", "0x"] {
            assert_eq!(integer(text), Err(Refused::Syntax), "{text}");
        }
        assert_eq!(integer("9223372036854775808"), Err(Refused::Range));
    }

    #[test]
    fn a_duration_is_read_and_printed_as_go_does() {
        for (written, printed) in [
            ("5m", "5m0s"),
            ("1h30m", "1h30m0s"),
            ("1.5s", "1.5s"),
            ("90s", "1m30s"),
            ("1500us", "1.5ms"),
            ("0", "0s"),
            ("-1.05h", "-1h3m0s"),
        ] {
            assert_eq!(normalize(OptionKind::Duration, written), Ok(printed.into()));
        }
        for text in ["", "5", "m", "5x", "-", "1h-1m"] {
            assert_eq!(
                normalize(OptionKind::Duration, text),
                Err(Refused::Syntax),
                "{text}"
            );
        }
    }
}
