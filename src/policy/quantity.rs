//! Durations and sizes as people write them.

use std::fmt;
use std::time::Duration;

/// No rule of a policy runs longer than a year, and sums of such durations never overflow a clock.
const LONGEST_SECONDS: u64 = 366 * 86_400;

/// Reads `10s`, `5m`, `1h30m` or `7d`: whole numbers, the larger unit first, at most 366 days.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds: u64 = 0;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() || last_unit == u64::MAX {
        let (number, after) = number_and_rest(rest)?;
        let mut characters = after.chars();
        let unit = match characters.next()? {
            'd' => 86_400,
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = characters.as_str();
    }
    (seconds <= LONGEST_SECONDS).then(|| Duration::from_secs(seconds))
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Reads `8MiB`, `512KiB`, `1GiB` or `4096B`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_rest(text)?;
        let factor = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        number.checked_mul(factor).map(Self)
    }
}

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |factor: u64| self.0 >= factor && self.0.is_multiple_of(factor);
        match UNITS.iter().find(|(_, factor)| fits(*factor)) {
            Some((name, factor)) => write!(formatter, "{}{name}", self.0 / factor),
            None => write!(formatter, "{}B", self.0),
        }
    }
}

fn number_and_rest(text: &str) -> Option<(u64, &str)> {
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_units_in_falling_order() {
        for (text, seconds) in [
            ("10s", Some(10)),
            ("0s", Some(0)),
            ("5m", Some(300)),
            ("1h30m", Some(5_400)),
            ("7d", Some(604_800)),
            ("366d", Some(31_622_400)),
            ("367d", None),
            ("10", None),
            ("", None),
            ("s", None),
            ("-5s", None),
            ("1.5h", None),
            ("5 m", None),
            ("30m1h", None),
            ("5m5m", None),
            ("10ms", None),
            ("99999999999999999999s", None),
            ("9999999999999999999d", None),
        ] {
            assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary_and_print_as_they_are_written() {
        for text in ["8MiB", "512KiB", "1GiB", "4095B", "0B"] {
            assert_eq!(ByteSize::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ByteSize::parse("8MiB"), Some(ByteSize::new(8_388_608)));
        for text in ["8", "8MB", "MiB", "8 MiB", "-8MiB", "99999999999GiB", ""] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
    }
}
