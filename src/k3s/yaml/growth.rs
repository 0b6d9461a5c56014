//! How much a document becomes through its aliases.

use super::cursor::{Mark, invalid};
use super::{REPEATED_LIMIT_BYTES, YamlError};

/// What was decoded so far.
#[derive(Debug, Default)]
pub(super) struct Growth {
    values: usize,
    values_through_aliases: usize,
    bytes_through_aliases: usize,
}

/// What one came through to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// It is read where it is written.
    Nothing,
    /// An alias, or several.
    Alias,
}

impl Growth {
    /// Counts a value: the guard of yaml.v2 against documents that grow (`decode.go` allowedAliasRatio).
    pub(super) fn count(&mut self, mark: Mark, through: Through) -> Result<(), YamlError> {
        const LOW: usize = 400_000;
        const HIGH: usize = 4_000_000;
        self.values = self.values.saturating_add(1);
        if through == Through::Alias {
            self.values_through_aliases = self.values_through_aliases.saturating_add(1);
        }
        if self.values_through_aliases <= 100 || self.values <= 1000 {
            return Ok(());
        }
        // In parts of ten thousand: 9900 for small documents, down to 1000 for very large ones.
        let allowed = match self.values {
            ..=LOW => 9900,
            HIGH.. => 1000,
            values => 9900usize.saturating_sub((values - LOW).saturating_mul(8900) / (HIGH - LOW)),
        };
        let repeated = self.values_through_aliases.saturating_mul(10_000);
        if repeated > self.values.saturating_mul(allowed) {
            return Err(invalid(mark, "document contains excessive aliasing"));
        }
        Ok(())
    }

    /// Counts text, which is copied here where it comes through an alias, and shared in K3s.
    pub(super) fn count_text(
        &mut self,
        mark: Mark,
        text: &str,
        through: Through,
    ) -> Result<(), YamlError> {
        if through == Through::Alias {
            self.bytes_through_aliases = self.bytes_through_aliases.saturating_add(text.len());
        }
        if self.bytes_through_aliases <= REPEATED_LIMIT_BYTES {
            return Ok(());
        }
        Err(YamlError::TooLarge {
            line: mark.line_number(),
            limit_bytes: REPEATED_LIMIT_BYTES,
        })
    }
}
