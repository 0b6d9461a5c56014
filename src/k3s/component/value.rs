//! What Go's flag types take as a value, with the words in which they refuse.

use std::net::IpAddr;

use super::csv;
use crate::k3s::go_duration::{nanoseconds, why_no_duration};
use crate::k3s::go_value::{boolean, float, integer};
use crate::k3s::quantity::Quantity;

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
    /// An amount, such as `64Ki`.
    Quantity,
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
            "quantity" => Self::Quantity,
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
            Self::List => csv::fields(value)
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
            Self::Quantity => Quantity::parse(value)
                .err()
                .map(|why| why.words().to_owned()),
            Self::Ip => (!value.trim().is_empty() && value.trim().parse::<IpAddr>().is_err())
                .then(|| format!("failed to parse IP: {value:?}")),
            Self::IpPort => ip_port(value),
            Self::PortRange => (!is_port_range(value)).then(|| "not a valid port range".to_owned()),
            _ => None,
        }
    }
}

fn fits(number: i128, bits: u32) -> bool {
    let limit = 1_i128 << (bits - 1);
    (-limit..limit).contains(&number)
}

fn fits_unsigned(number: i128, bits: u32) -> bool {
    (0..1_i128 << bits).contains(&number)
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
    fn a_number_has_the_bits_of_its_kind() {
        let refuses = |kind: Kind, value| kind.refuses(value).unwrap_or_default();
        assert_eq!(refuses(Kind::Int(32), "2147483647"), "");
        let why = "strconv.ParseInt: parsing \"2147483648\": invalid syntax";
        assert_eq!(refuses(Kind::Int(32), "2147483648"), why);
        assert_eq!(refuses(Kind::Uint(64), "18446744073709551615"), "");
        let why = "strconv.ParseUint: parsing \"-1\": invalid syntax";
        assert_eq!(refuses(Kind::Uint(64), "-1"), why);
    }

    #[test]
    fn pairs_gates_addresses_and_port_ranges_are_checked() {
        for (kind, good, bad, why) in [
            (
                Kind::Pairs,
                "a=b,c=",
                "a",
                "malformed pair, expect string=string",
            ),
            (
                Kind::Gates,
                "A=true, B=0",
                "A=yes",
                "invalid value of A=yes, err: strconv.ParseBool",
            ),
            (Kind::Gates, "", "A", "missing bool value for A"),
            (
                Kind::Ip,
                "0.0.0.0",
                "localhost",
                "failed to parse IP: \"localhost\"",
            ),
            (
                Kind::IpPort,
                "127.0.0.1:10249",
                "nowhere",
                "\"nowhere\" is not a valid IP address with or without port",
            ),
            (
                Kind::PortRange,
                "30000-31000",
                "31000-30000",
                "not a valid port range",
            ),
        ] {
            assert_eq!(kind.refuses(good), None, "{good}");
            assert_eq!(kind.refuses(bad).as_deref(), Some(why), "{bad}");
        }
    }
}
