//! When the kubelet begins to evict pods because the node's file system is full.
//!
//! kubernetes `pkg/kubelet/eviction`: a hard threshold `nodefs.available<5%` or `<1Gi`. K3s sets 5 %, up to 1.31 by flag,
//! from 1.32 on in its file; the flag replaces the whole map, a drop-in its keys (K3s pkg/daemons/agent/agent.go).

use super::dropins::DropIn;
use crate::k3s::component::Argument;
use crate::k3s::component::document::Document;
use crate::k3s::component::flags::Flags;
use crate::k3s::quantity::Quantity;

const SIGNAL: &str = "nodefs.available";
/// K3s's own.
const K3S: Eviction = Eviction::Share { basis_points: 500 };

/// The free room of the node's file system below which pods are evicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// A share of its size.
    Share {
        /// Hundredths of a percent, 0 to 10000.
        basis_points: u16,
    },
    /// A number of bytes.
    Bytes(u64),
}

impl Default for Eviction {
    fn default() -> Self {
        K3S
    }
}

impl Eviction {
    /// The threshold on a file system of this size, in bytes.
    #[must_use]
    pub fn bytes_of(self, total_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Share { basis_points } => {
                let share = u128::from(total_bytes) * u128::from(basis_points) / 10_000;
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        }
    }

    /// Reads `5%` or a quantity.
    fn parse(text: &str) -> Option<Self> {
        if let Some(percent) = text.strip_suffix('%') {
            let (whole, part) = percent
                .trim()
                .split_once('.')
                .unwrap_or((percent.trim(), ""));
            let hundredths: u16 = format!("{part:0<2}").get(..2)?.parse().ok()?;
            let basis_points = whole
                .parse::<u16>()
                .ok()?
                .checked_mul(100)?
                .checked_add(hundredths)?;
            return (basis_points <= 10_000).then_some(Self::Share { basis_points });
        }
        let quantity = Quantity::parse(text).ok()?;
        let is_threshold = !quantity.is_negative() && !quantity.is_zero();
        is_threshold.then(|| Self::Bytes(quantity.bytes()))
    }

    /// The threshold of the kubelet's command line, else of the files, else K3s's.
    pub(super) fn of(line: &[Argument], flags: &Flags, files: &[DropIn]) -> Self {
        if let Some(argument) = flags.last(line, "eviction-hard") {
            let mut pairs = argument
                .value
                .split(',')
                .filter_map(|pair| pair.split_once('<'));
            // A map without the signal has no threshold for it.
            return pairs
                .find(|(signal, _)| signal.trim() == SIGNAL)
                .map_or(Self::Bytes(0), |(_, value)| {
                    Self::parse(value.trim()).unwrap_or_default()
                });
        }
        let of_file = |file: &DropIn| match file.content.get("evictionHard")?.get(SIGNAL)? {
            Document::Text(text) | Document::Number(text) => Self::parse(text),
            _ => None,
        };
        let later = files.iter().filter(|file| !file.before_defaults);
        later.filter_map(of_file).next_back().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_quantities_are_read() {
        assert_eq!(
            Eviction::parse("5%"),
            Some(Eviction::Share { basis_points: 500 })
        );
        assert_eq!(
            Eviction::parse("7.5%"),
            Some(Eviction::Share { basis_points: 750 })
        );
        assert_eq!(Eviction::parse("101%"), None);
        assert_eq!(Eviction::parse("500Mi"), Some(Eviction::Bytes(500 << 20)));
        assert_eq!(Eviction::parse("1000"), Some(Eviction::Bytes(1000)));
        assert_eq!(Eviction::parse("5 apples"), None);
        assert_eq!(
            Eviction::Share { basis_points: 500 }.bytes_of(1_000_000),
            50_000
        );
    }
}
