//! Tables with a section for each component: `[kubelet]` on a line, then its lines.

/// The lines of a table by the names of its components, still as text.
#[derive(Debug)]
pub(super) struct Sections(Vec<(&'static str, &'static str)>);

impl Sections {
    /// Finds the sections; what stands before the first is no section.
    pub(super) fn of(table: &'static str) -> Self {
        let sections = table.split("\n[").skip(1);
        Self(
            sections
                .filter_map(|section| section.split_once("]\n"))
                .collect(),
        )
    }

    /// The lines of a component; none where the table does not know it.
    pub(super) fn lines_of(&self, component: &str) -> &'static str {
        let named = self.0.iter().find(|(name, _)| *name == component);
        named.map_or("", |(_, lines)| lines)
    }

    /// All sections with their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(&'static str, &'static str)> {
        self.0.iter()
    }
}
