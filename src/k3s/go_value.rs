//! How Go reads the values of flags: `strconv`.

use super::go_duration::{self, nanoseconds};
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
        OptionKind::Bool => boolean(text)
            .map(|value| value.to_string())
            .ok_or(Refused::Syntax),
        OptionKind::Integer => {
            let value = whole_number(text)?;
            let in_range = i64::try_from(value).map_err(|_| Refused::Range)?;
            Ok(in_range.to_string())
        }
        OptionKind::Duration => nanoseconds(text)
            .map(go_duration::print)
            .ok_or(Refused::Syntax),
    }
}

/// `strconv.ParseBool`.
#[must_use]
pub fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.ParseInt` with base 0: prefixes and single underscores between digits are taken. How many bits the number may
/// have is for the caller to say.
#[must_use]
pub fn integer(text: &str) -> Option<i128> {
    whole_number(text).ok()
}

fn whole_number(text: &str) -> Result<i128, Refused> {
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
    let magnitude = i128::from_str_radix(&digits, radix).map_err(|_| Refused::Range)?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// `strconv.ParseFloat`, which takes `0x1p-10` too.
pub(super) fn float(value: &str) -> Option<f64> {
    let value = value.replace('_', "").to_ascii_lowercase();
    let (sign, digits) = match value.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, value.strip_prefix('+').unwrap_or(&value)),
    };
    match digits.strip_prefix("0x") {
        Some(hex) => Some(sign * hexadecimal(hex)?),
        None => value.parse().ok(),
    }
}

/// `1.8p3`: the exponent, of two, is in decimals and may not be missing.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let add =
        |number: Option<f64>, digit: char| Some(number? * 16.0 + f64::from(digit.to_digit(16)?));
    let number = whole.chars().chain(part.chars()).fold(Some(0.0), add)?;
    let digits = i32::try_from(part.len()).ok()?;
    Some(number * 2_f64.powi(exponent.saturating_sub(digits.saturating_mul(4))))
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
        assert_eq!(
            integer("-9223372036854775808"),
            Ok("-9223372036854775808".into())
        );
        assert_eq!(integer("9223372036854775808"), Err(Refused::Range));
    }

    #[test]
    fn fractions_are_read_as_go_reads_them() {
        assert_eq!(float("0.5"), Some(0.5));
        assert_eq!(float("0x1p-10"), Some(1.0 / 1024.0));
        assert_eq!(float("-0X1.8P1"), Some(-3.0));
        assert!(float("NaN").is_some_and(f64::is_nan));
        for bad in ["", "x", "0x1", "0xp1", "0x1p", "0xgp1", "1,5"] {
            assert_eq!(float(bad), None, "{bad}");
        }
    }
}
