//! Tokens that a `:` behind them would make keys.
//!
//! libyaml keeps one for the block and one for each open bracket; the last one is where the scanner is.

use super::YamlError;
use super::cursor::{Mark, invalid};

/// An implicit key is at most this long, in characters.
const KEY_LIMIT: usize = 1024;

/// A token that becomes a key if a `:` follows on its line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PossibleKey {
    possible: bool,
    /// It stands at the indentation of its mapping, so that it must be a key.
    required: bool,
    pub(super) token_number: usize,
    pub(super) mark: Mark,
    /// The scanner waits for its `:` before it gives the token away.
    awaited: bool,
}

/// Those of the block and of each open bracket.
#[derive(Debug, Default)]
pub(super) struct PossibleKeys {
    block: PossibleKey,
    brackets: Vec<PossibleKey>,
}

impl PossibleKey {
    /// Whether a `:` here makes it a key.
    fn is_valid(&mut self, here: Mark) -> Result<bool, YamlError> {
        if !self.possible {
            return Ok(false);
        }
        let gone =
            self.mark.line < here.line || self.mark.index.saturating_add(KEY_LIMIT) < here.index;
        if gone && self.required {
            return Err(self.missing_colon());
        }
        self.possible = !gone;
        Ok(!gone)
    }

    fn missing_colon(&self) -> YamlError {
        invalid(self.mark, "a `:` is missing after this key")
    }
}

impl PossibleKeys {
    /// How many brackets are open.
    pub(super) const fn brackets(&self) -> usize {
        self.brackets.len()
    }

    /// A bracket opens, with the token of that number.
    pub(super) fn open(&mut self, token_number: usize) {
        self.brackets.push(PossibleKey {
            token_number,
            ..PossibleKey::default()
        });
    }

    /// A bracket closes, if one is open.
    pub(super) fn close(&mut self) {
        let Some(closed) = self.brackets.pop() else {
            return;
        };
        // yaml.v2 2.4 forgets here to wait for the `:` behind an empty `{}` or `[]`.
        for key in self.all() {
            key.awaited &= key.token_number != closed.token_number;
        }
    }

    /// The token of that number may be a key.
    pub(super) fn save(
        &mut self,
        token_number: usize,
        mark: Mark,
        required: bool,
    ) -> Result<(), YamlError> {
        self.remove()?;
        *self.last() = PossibleKey {
            possible: true,
            required,
            token_number,
            mark,
            awaited: true,
        };
        Ok(())
    }

    /// What came before can no longer be a key.
    pub(super) fn remove(&mut self) -> Result<(), YamlError> {
        let key = self.last();
        if key.possible && key.required {
            return Err(key.missing_colon());
        }
        key.awaited &= !key.possible;
        key.possible = false;
        Ok(())
    }

    /// What a `:` here makes a key.
    pub(super) fn take(&mut self, here: Mark) -> Result<Option<PossibleKey>, YamlError> {
        let key = self.last();
        if !key.is_valid(here)? {
            return Ok(None);
        }
        let taken = *key;
        key.possible = false;
        key.awaited = false;
        Ok(Some(taken))
    }

    /// Whether the token of that number can still turn out to be a key.
    pub(super) fn may_become_key(
        &mut self,
        token_number: usize,
        here: Mark,
    ) -> Result<bool, YamlError> {
        let found = self
            .all()
            .find(|key| key.awaited && key.token_number == token_number);
        found.map_or(Ok(false), |key| key.is_valid(here))
    }

    fn all(&mut self) -> impl Iterator<Item = &mut PossibleKey> {
        std::iter::once(&mut self.block).chain(&mut self.brackets)
    }

    fn last(&mut self) -> &mut PossibleKey {
        self.brackets.last_mut().unwrap_or(&mut self.block)
    }
}
