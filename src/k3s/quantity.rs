//! Amounts as Kubernetes writes them: `500Mi`, `0.1`, `100m`, `1e3` (apimachinery `pkg/api/resource/quantity.go` ParseQuantity).

/// What Kubernetes holds at the most, either way.
const MOST: i128 = i64::MAX as i128;
/// The smallest part that it holds.
const NANOS: i128 = 1_000_000_000;
/// Digits that fit a number of 64 bits whatever they are (`maxInt64Factors`).
const DIGITS: usize = 18;

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nanos: i128,
    /// Kubernetes holds it as a number of 64 bits and a power of ten that is not negative.
    is_integer: bool,
}

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoQuantity {
    /// It is no number, or more stands behind it than a suffix.
    Format,
    /// What stands behind the number is no suffix.
    Suffix,
}

impl NoQuantity {
    /// As Kubernetes says it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Suffix => "unable to parse quantity's suffix",
        }
    }
}

enum Scale {
    /// By powers of ten.
    Decimal(i32),
    /// By powers of two.
    Binary(u32),
}

impl Quantity {
    /// Reads a text.
    ///
    /// # Errors
    /// Where Kubernetes takes none in it.
    pub fn parse(text: &str) -> Result<Self, NoQuantity> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, rest) = digits(unsigned);
        let (part, rest) = match rest.strip_prefix('.') {
            Some(rest) => digits(rest),
            None => ("", rest),
        };
        if text.is_empty() {
            return Err(NoQuantity::Format);
        }
        let scale = scale(rest)?;
        let whole = whole.trim_start_matches('0');
        let is_integer = part.is_empty() && is_held_as_integer(whole, &scale);
        let nanos = Self::nanos(whole, part, &scale).min(MOST.saturating_mul(NANOS));
        let nanos = if text.starts_with('-') { -nanos } else { nanos };
        Ok(Self { nanos, is_integer })
    }

    /// What is too small to be held is rounded up, what is too great is the most there is.
    fn nanos(whole: &str, part: &str, scale: &Scale) -> i128 {
        let mut number: i128 = 0;
        let mut is_over = false;
        let mut shift: i32 = match scale {
            Scale::Decimal(exponent) => exponent.saturating_add(9),
            Scale::Binary(_) => 9,
        };
        for digit in whole.chars().chain(part.chars()) {
            let digit = i128::from(digit.to_digit(10).unwrap_or(0));
            let next = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(digit));
            match next {
                Some(next) => number = next,
                None => is_over = true,
            }
        }
        shift = shift.saturating_sub(i32::try_from(part.len()).unwrap_or(i32::MAX));
        if let Scale::Binary(exponent) = scale {
            number = number.checked_mul(1 << exponent).unwrap_or(i128::MAX);
        }
        if number == 0 {
            return 0;
        }
        if is_over {
            return i128::MAX;
        }
        let power = |exponent: i32| {
            u32::try_from(exponent)
                .ok()
                .and_then(|exponent| 10_i128.checked_pow(exponent))
        };
        match (shift >= 0, power(shift.saturating_abs())) {
            (true, Some(factor)) => number.checked_mul(factor).unwrap_or(i128::MAX),
            (true, None) => i128::MAX,
            (false, Some(divisor)) => {
                let up = i128::from(number % divisor != 0);
                (number / divisor).saturating_add(up)
            }
            (false, None) => 1,
        }
    }

    /// Less than nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// Nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether `AsInt64` gives its value: what is written with a fraction, or as a large power of two, it does not.
    #[must_use]
    pub const fn is_integer(self) -> bool {
        self.is_integer
    }

    /// As a number of bytes, a part of one as a whole; nothing where it is negative.
    #[must_use]
    pub fn bytes(self) -> u64 {
        let up = i128::from(self.nanos % NANOS > 0);
        u64::try_from((self.nanos / NANOS).saturating_add(up)).unwrap_or(0)
    }
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

fn is_held_as_integer(whole: &str, scale: &Scale) -> bool {
    match scale {
        Scale::Decimal(exponent) => *exponent >= 0 && whole.len() <= DIGITS,
        // Where ten digits of a power of two are counted as three.
        Scale::Binary(exponent) => {
            let room = exponent.saturating_mul(3) / 10 + 1;
            whole.len().saturating_add(room as usize) <= 15
        }
    }
}

fn scale(suffix: &str) -> Result<Scale, NoQuantity> {
    let letters = suffix.trim_start_matches(|letter: char| "eEinumkKMGTP".contains(letter));
    let number = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoQuantity::Format);
    }
    Ok(match suffix {
        "n" => Scale::Decimal(-9),
        "u" => Scale::Decimal(-6),
        "m" => Scale::Decimal(-3),
        "" => Scale::Decimal(0),
        "k" => Scale::Decimal(3),
        "M" => Scale::Decimal(6),
        "G" => Scale::Decimal(9),
        "T" => Scale::Decimal(12),
        "P" => Scale::Decimal(15),
        "E" => Scale::Decimal(18),
        "Ki" => Scale::Binary(10),
        "Mi" => Scale::Binary(20),
        "Gi" => Scale::Binary(30),
        "Ti" => Scale::Binary(40),
        "Pi" => Scale::Binary(50),
        "Ei" => Scale::Binary(60),
        other => {
            let exponent = other.strip_prefix(['e', 'E']).ok_or(NoQuantity::Suffix)?;
            let exponent: i64 = exponent.parse().map_err(|_| NoQuantity::Suffix)?;
            Scale::Decimal(i32::try_from(exponent).unwrap_or(i32::MAX))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_their_suffixes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("007", 7),
            ("500Mi", 500 << 20),
            ("1.5Gi", 3 << 29),
            ("1G", 1_000_000_000),
            ("1e3", 1000),
            ("1E+3", 1000),
            ("1E", 1_000_000_000_000_000_000),
            ("100m", 1),
            ("+1.", 1),
            (".5k", 500),
            ("m", 0),
            ("-1", 0),
            (
                "9999999999999999999999999999999999999999999",
                i64::MAX as u64,
            ),
            ("1e99999999999", i64::MAX as u64),
        ] {
            assert_eq!(
                Quantity::parse(text).map(Quantity::bytes),
                Ok(bytes),
                "{text}"
            );
        }
        assert!(Quantity::parse("-0.1").unwrap().is_negative());
        assert!(Quantity::parse("0.0").unwrap().is_zero());
        assert!(!Quantity::parse("1e-30").unwrap().is_zero());
    }

    #[test]
    fn what_kubernetes_takes_no_quantity_in_is_none() {
        for (text, why) in [
            ("", NoQuantity::Format),
            ("x", NoQuantity::Format),
            ("1 Gi", NoQuantity::Format),
            (" 1", NoQuantity::Format),
            ("50%", NoQuantity::Format),
            ("1GB", NoQuantity::Format),
            ("1gi", NoQuantity::Format),
            ("1KiB", NoQuantity::Format),
            ("1.1.M", NoQuantity::Format),
            ("1K", NoQuantity::Suffix),
            ("1i", NoQuantity::Suffix),
            ("1e", NoQuantity::Suffix),
            ("-3.01e-", NoQuantity::Suffix),
            ("1M3", NoQuantity::Suffix),
        ] {
            assert_eq!(Quantity::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn an_integer_is_what_kubernetes_holds_as_one() {
        let is_integer = |text: &str| Quantity::parse(text).unwrap().is_integer();
        for text in ["0", "10Mi", "100Gi", "1Ti", "-1", "10M", "1e6"] {
            assert!(is_integer(text), "{text}");
        }
        for text in ["1.5Gi", "1.0", "100m", "1Pi", "1000000Gi"] {
            assert!(!is_integer(text), "{text}");
        }
    }
}
