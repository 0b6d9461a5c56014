//! What stands in braces in the texts of the catalogue.

/// The places of a node that are filled in for `{NAME}`, see `setting::Places`.
pub const PLACES: [&str; 5] = ["data_dir", "config_dir", "config_file", "unit", "unit_file"];

/// As the whole `set` of an argument: the value that K3s itself gives the flag, in the place of the one that an operator gave it.
pub const K3S_DEFAULT: &str = "{k3s_default}";

/// A `{` and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placeholder<'t> {
    /// Where it begins, in bytes.
    pub start: usize,
    /// With its braces.
    pub text: &'t str,
    /// Without; `None` if it is not closed.
    pub name: Option<&'t str>,
}

/// The placeholders of a text, in their order.
#[derive(Debug)]
pub struct Placeholders<'t> {
    text: &'t str,
    from: usize,
}

impl<'t> Placeholders<'t> {
    /// The same for a text.
    pub const fn of(text: &'t str) -> Self {
        Self { text, from: 0 }
    }
}

impl<'t> Iterator for Placeholders<'t> {
    type Item = Placeholder<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.text.get(self.from..)?;
        let start = self.from + rest.find('{')?;
        let rest = self.text.get(start..)?;
        let length = rest.find('}').map_or(rest.len(), |end| end + 1);
        let text = rest.get(..length)?;
        self.from = start + length;
        let name = text.strip_prefix('{')?.strip_suffix('}');
        Some(Placeholder { start, text, name })
    }
}

/// `{each:PARAMETER}` in the name of a manifest: one file for each name of a parameter, which stands in its content too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Each<'t> {
    /// The parameter.
    pub parameter: &'t str,
}

impl<'t> Each<'t> {
    /// The one in a name, if there is one.
    pub fn of(name: &'t str) -> Option<Self> {
        let (_, rest) = name.split_once("{each:")?;
        let (parameter, _) = rest.split_once('}')?;
        Some(Self { parameter })
    }

    /// A text with one of the names in its place.
    pub fn filled(self, text: &str, name: &str) -> String {
        text.replace(&format!("{{each:{}}}", self.parameter), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_brace_that_opens_is_found_with_what_it_encloses() {
        let found: Vec<_> = Placeholders::of("{a}/x{b:c}{d")
            .map(|found| (found.start, found.name))
            .collect();
        assert_eq!(found, [(0, Some("a")), (5, Some("b:c")), (10, None)]);
        assert_eq!(Placeholders::of("none}").count(), 0);
    }
}
