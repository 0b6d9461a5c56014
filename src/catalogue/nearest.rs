//! The valid name that somebody probably meant.

/// Words longer than this are no misspelt names.
const LONGEST: usize = 64;

/// The nearest of some names, if one is near: a typo or two away, or begun but not finished.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = normalised(word)?;
    let tolerated = (written.len() / 3).max(1);
    names
        .filter_map(|name| {
            let valid = normalised(name)?;
            let begun = written.len() >= 3 && valid.starts_with(&written);
            let distance = if begun {
                1
            } else {
                typos(&written, &valid, tolerated)?
            };
            Some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `did you mean ...?` for a near name.
pub(crate) fn did_you_mean<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(word, names).map(|name| format!("did you mean `{name}`?"))
}

/// Lower case, and one kind of dash, since kebab and snake case are the commonest mix-up.
fn normalised(word: &str) -> Option<Vec<char>> {
    let is_short = word.chars().nth(LONGEST).is_none();
    is_short.then(|| {
        let lower = word.chars().flat_map(char::to_lowercase);
        lower
            .map(|character| if character == '-' { '_' } else { character })
            .collect()
    })
}

/// Characters to insert, drop, replace or swap with their neighbour; `None` above the limit.
fn typos(from: &[char], to: &[char], limit: usize) -> Option<usize> {
    if from.len().abs_diff(to.len()) > limit {
        return None;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, &written) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, &valid) in to.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column).saturating_add(usize::from(written != valid));
            let dropped = at(&last, column + 1).saturating_add(1);
            let inserted = at(&current, column).saturating_add(1);
            let mut best = replaced.min(dropped).min(inserted);
            let left = column.checked_sub(1).and_then(|index| to.get(index));
            if previous == Some(valid) && left == Some(&written) && column >= 1 {
                best = best.min(at(&before_last, column - 1).saturating_add(1));
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(written);
    }
    last.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_swaps_other_dashes_and_beginnings_find_the_name() {
        let names = ["mode", "role", "metrics_file", "full_pass_interval"];
        for (written, meant) in [
            ("mdoe", Some("mode")),
            ("Mode", Some("mode")),
            ("rol", Some("role")),
            ("metrics-file", Some("metrics_file")),
            ("metrics", Some("metrics_file")),
            ("full_pas_intervall", Some("full_pass_interval")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names.into_iter()), meant, "{written}");
        }
        assert_eq!(nearest(&"m".repeat(100_000), names.into_iter()), None);
    }
}
