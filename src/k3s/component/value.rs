//! What Go's flag types take as a value, with the words in which they refuse.

use crate::k3s::go_value::{parse_duration, why_no_duration};
use std::net::IpAddr;

/// The kinds of flags, as `data/flags.txt` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true`, `false`, `1`, `0` and the like.
    Bool,
    /// A signed number of that many bits.
    Int(u32),
    /// An unsigned number of that many bits.
    Uint(u32),
    /// How much is logged: a decimal number of 31 bits (component-base `logs/api/v1` VerbosityLevelPflag).
    Verbosity,
    /// A number with a fraction.
    Float,
    /// `1h30m`.
    Duration,
    /// Any text; the last counts.
    Text,
    /// Words split at commas; several flags unite.
    List,
    /// One word a flag; several flags unite.
    Array,
    /// Whole numbers split at commas; several flags unite.
    Ints,
    /// `key=value` pairs; several flags unite.
    Pairs,
    /// One `key=value` pair a flag, commas and all; several flags unite.
    Pair,
    /// `key:value` pairs; several flags unite.
    ColonPairs,
    /// `certificate,key` with names behind a colon; several flags unite.
    CertificateAndKey,
    /// Pairs in which the value may be missing; several flags unite.
    LoosePairs,
    /// `key<value` pairs; several flags unite.
    LessPairs,
    /// Feature gates: `Gate=true`; several flags unite.
    Gates,
    /// An IP address.
    Ip,
    /// An IP address with or without port.
    IpPort,
    /// `30000-32767`, `30000+100` or one port.
    PortRange,
    /// Anything that is not judged here.
    Any,
    /// `--version`: prints and ends the process.
    Version,
    /// `--help`: prints and ends the component.
    Help,
}

impl Kind {
    /// Reads the name that the table uses.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "bool" => Self::Bool,
            "int" | "int64" => Self::Int(64),
            "int32" | "level" => Self::Int(32),
            "verbosity" => Self::Verbosity,
            "uint" | "uint64" => Self::Uint(64),
            "uint32" => Self::Uint(32),
            "float" => Self::Float,
            "duration" => Self::Duration,
            "string" => Self::Text,
            "list" => Self::List,
            "array" => Self::Array,
            "ints" => Self::Ints,
            "map" => Self::Pairs,
            "pair" => Self::Pair,
            "map-colon" => Self::ColonPairs,
            "cert-key" => Self::CertificateAndKey,
            "map-loose" => Self::LoosePairs,
            "map-less" => Self::LessPairs,
            "gates" | "map-bool" => Self::Gates,
            "ip" => Self::Ip,
            "ipport" => Self::IpPort,
            "port-range" => Self::PortRange,
            "version" => Self::Version,
            "help" => Self::Help,
            _ => Self::Any,
        }
    }

    /// Whether several flags of that name unite; otherwise the last one counts.
    pub(super) const fn unites(self) -> bool {
        matches!(
            self,
            Self::List
                | Self::Array
                | Self::Ints
                | Self::Pairs
                | Self::Pair
                | Self::ColonPairs
                | Self::CertificateAndKey
                | Self::LoosePairs
                | Self::LessPairs
                | Self::Gates
        )
    }

    /// Why the flag would refuse a value, in Go's words.
    pub(super) fn refuses(self, value: &str) -> Option<String> {
        let syntax = |function: &str| {
            Some(format!(
                "strconv.{function}: parsing {value:?}: invalid syntax"
            ))
        };
        match self {
            Self::Bool if boolean(value).is_none() => syntax("ParseBool"),
            Self::Int(bits) if integer(value).is_none_or(|number| !fits(number, bits)) => {
                syntax("ParseInt")
            }
            Self::Verbosity if !is_verbosity(value) => syntax("ParseUint"),
            Self::Uint(_) if value.starts_with('+') => syntax("ParseUint"),
            Self::Uint(bits)
                if integer(value).is_none_or(|number| !fits_unsigned(number, bits)) =>
            {
                syntax("ParseUint")
            }
            Self::Float if float(value).is_none() => syntax("ParseFloat"),
            Self::Duration => nanoseconds(value).is_none().then(|| why_no_duration(value)),
            Self::Ints => value
                .split(',')
                .any(|word| integer(word).is_none_or(|number| !fits(number, 32)))
                .then(|| "not a list of numbers".to_owned()),
            Self::List => csv(value)
                .is_none()
                .then(|| "parse error: a quote out of place".to_owned()),
            Self::Pair => {
                (!value.contains('=')).then(|| "malformed pair, expect string=string".to_owned())
            }
            Self::ColonPairs => malformed(value, ':'),
            Self::CertificateAndKey => (!value.contains(','))
                .then(|| "expected comma separated certificate and key file paths".to_owned()),
            Self::Pairs => malformed(value, '='),
            Self::LessPairs => malformed(value, '<'),
            Self::Gates => gates(value),
            Self::Ip => (!value.trim().is_empty() && value.trim().parse::<IpAddr>().is_err())
                .then(|| format!("failed to parse IP: {value:?}")),
            Self::IpPort => ip_port(value),
            Self::PortRange => (!is_port_range(value)).then(|| "not a valid port range".to_owned()),
            _ => None,
        }
    }
}

/// Go's `strconv.ParseBool`.
#[must_use]
pub fn boolean(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.ParseInt` with base 0: prefixes and single underscores between digits are taken.
#[must_use]
pub fn integer(value: &str) -> Option<i128> {
    let (negative, rest) = match value.as_bytes().first()? {
        b'-' => (true, value.get(1..)?),
        b'+' => (false, value.get(1..)?),
        _ => (false, value),
    };
    let lower = rest.to_ascii_lowercase();
    let (base, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?)
    } else {
        (10, lower.as_str())
    };
    let prefixed = digits.len() < lower.len();
    let underscores =
        digits.contains("__") || digits.ends_with('_') || (digits.starts_with('_') && !prefixed);
    if underscores || digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i128::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if negative { -number } else { number })
}

fn fits(number: i128, bits: u32) -> bool {
    let limit = 1_i128 << (bits - 1);
    (-limit..limit).contains(&number)
}

/// The fields of a line as Go's csv reader takes it: a quote opens a field at its start only, and is closed at its end.
/// `None` where it would refuse the line. Two quotes within a field, which stand for one, are left as they are.
fn csv(value: &str) -> Option<Vec<&str>> {
    let mut fields = Vec::new();
    let mut rest = value;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let after = behind_quote(quoted)?;
                (quoted.get(..quoted.len() - after.len() - 1)?, after)
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at_checked(end)?;
                if field.contains('"') {
                    return None;
                }
                (field, after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// The fields of a line of comma-separated values; of one that Go would refuse, what stands between its commas.
pub(super) fn csv_fields(value: &str) -> Vec<&str> {
    csv(value).unwrap_or_else(|| value.split(',').collect())
}

/// Go's `strconv.ParseFloat`, which takes `0x1p-10` too.
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

/// What follows the quote that closes a field; two quotes in it are one.
fn behind_quote(mut quoted: &str) -> Option<&str> {
    loop {
        let (_, after) = quoted.split_once('"')?;
        match after.strip_prefix('"') {
            Some(more) => quoted = more,
            None => return Some(after),
        }
    }
}

fn fits_unsigned(number: i128, bits: u32) -> bool {
    (0..1_i128 << bits).contains(&number)
}

/// A duration as Go reads it, in nanoseconds.
pub(super) fn nanoseconds(value: &str) -> Option<i128> {
    parse_duration(value).map(i128::from)
}

fn malformed(value: &str, separator: char) -> Option<String> {
    value
        .split(',')
        .any(|pair| !pair.is_empty() && !pair.contains(separator))
        .then(|| format!("malformed pair, expect string{separator}string"))
}

/// The pairs of a feature-gates value; since 1.31 a gate may be written `kube:Gate=true`.
pub fn gate_pairs(value: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    value
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = match pair.split_once('=') {
                Some((name, value)) => (name, Some(value.trim())),
                None => (pair, None),
            };
            (name.rsplit(':').next().unwrap_or(name).trim(), value)
        })
}

fn gates(value: &str) -> Option<String> {
    gate_pairs(value).find_map(|(name, value)| match value {
        None => Some(format!("missing bool value for {name}")),
        Some(value) if boolean(value).is_none() => Some(format!(
            "invalid value of {name}={value}, err: strconv.ParseBool"
        )),
        Some(_) => None,
    })
}

fn ip_port(value: &str) -> Option<String> {
    let address = value.trim();
    let good = address.is_empty()
        || address.parse::<IpAddr>().is_ok()
        || address.rsplit_once(':').is_some_and(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<IpAddr>().is_ok() && port.parse::<u16>().is_ok()
        });
    (!good).then(|| format!("{value:?} is not a valid IP address with or without port"))
}

/// `30000-32767`, `30000+100` or one port (apimachinery `net.PortRange`).
pub(super) fn is_port_range(value: &str) -> bool {
    value.trim().is_empty() || port_range(value).is_some()
}

/// The first and the last port of `30000-32767`, `30000+100` or one port (apimachinery `util/net/port_range.go`).
pub(super) fn port_range(value: &str) -> Option<(u16, u16)> {
    let value = value.trim();
    let port = |text: &str| text.parse::<u16>().ok();
    let (first, last) = match (value.split_once('-'), value.split_once('+')) {
        (Some((first, last)), None) => (port(first)?, port(last)?),
        (None, Some((first, more))) => (port(first)?, port(first)?.checked_add(port(more)?)?),
        (None, None) => (port(value)?, port(value)?),
        (Some(_), Some(_)) => return None,
    };
    (first <= last).then_some((first, last))
}

fn is_verbosity(value: &str) -> bool {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    is_number && value.parse::<i32>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        assert_eq!(integer("0x1F"), Some(31));
        assert_eq!(integer("010"), Some(8));
        assert_eq!(integer("-7"), Some(-7));
        assert_eq!(integer("1_000"), Some(1000));
        for bad in ["", "abc", "1__0", "_1", "1_", "1.5", "--1", "0x", "09"] {
            assert_eq!(integer(bad), None, "{bad}");
        }
        assert!(Kind::Int(32).refuses("2147483648").is_some());
        assert!(Kind::Uint(64).refuses("-1").is_some());
    }

    #[test]
    fn quotes_open_and_close_whole_words_of_a_list() {
        for good in ["", "a,b", "\"a,b\",c", "\"a\"\"b\""] {
            assert!(csv(good).is_some(), "{good}");
        }
        for bad in ["\"", "a\"", "\"a\"b", "a,\"b"] {
            assert!(csv(bad).is_none(), "{bad}");
        }
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

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(nanoseconds("1h30m"), Some(5_400_000_000_000));
        assert_eq!(nanoseconds("-1.5s"), Some(-1_500_000_000));
        assert_eq!(nanoseconds("0"), Some(0));
        for bad in ["", "5", "5x", "m", "1.s.s"] {
            assert_eq!(nanoseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn pairs_gates_addresses_and_port_ranges_are_checked() {
        assert!(Kind::Pairs.refuses("a=b,c=").is_none());
        assert!(Kind::Pairs.refuses("a").is_some());
        assert!(Kind::Gates.refuses("A=true, B=0").is_none());
        assert!(Kind::Gates.refuses("A=yes").is_some());
        assert!(Kind::Gates.refuses("A").is_some());
        assert!(Kind::Ip.refuses("0.0.0.0").is_none());
        assert!(Kind::Ip.refuses("localhost").is_some());
        assert!(Kind::IpPort.refuses("127.0.0.1:10249").is_none());
        assert!(Kind::IpPort.refuses("nowhere").is_some());
        assert!(Kind::PortRange.refuses("30000-31000").is_none());
        assert!(Kind::PortRange.refuses("31000-30000").is_some());
    }
}
