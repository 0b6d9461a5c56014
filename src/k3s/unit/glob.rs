//! File name patterns of `EnvironmentFile=`: `*`, `?` and `[…]`, as glob(7) has them.

/// Whether a name fits a pattern; a leading dot is never met by a wildcard.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut read) = (0, 0);
    // Where to go on after the last `*`, with one character more taken by it.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(character) = name.get(read) {
        match step(pattern.get(at..).unwrap_or_default(), *character) {
            Step::Star => {
                at += 1;
                retry = Some((at, read));
            }
            Step::Takes(length) => {
                at += length;
                read += 1;
            }
            Step::Fails => match retry.as_mut() {
                None => return false,
                Some((after_star, taken)) => {
                    *taken += 1;
                    (at, read) = (*after_star, *taken);
                }
            },
        }
    }
    pattern.iter().skip(at).all(|left| *left == '*')
}

enum Step {
    Star,
    /// One character fits this many characters of the pattern.
    Takes(usize),
    Fails,
}

fn step(pattern: &[char], character: char) -> Step {
    match pattern {
        ['*', ..] => Step::Star,
        ['?', ..] => Step::Takes(1),
        ['[', rest @ ..] => match class(rest, character) {
            Some((true, length)) => Step::Takes(length.saturating_add(1)),
            Some((false, _)) => Step::Fails,
            None if character == '[' => Step::Takes(1),
            None => Step::Fails,
        },
        ['\\', escaped, ..] if *escaped == character => Step::Takes(2),
        [plain, ..] if *plain == character => Step::Takes(1),
        _ => Step::Fails,
    }
}

/// Whether a class holds a character, and how long the class is behind its bracket.
fn class(rest: &[char], character: char) -> Option<(bool, usize)> {
    let negated = matches!(rest.first(), Some('!' | '^'));
    let start = usize::from(negated);
    let mut at = start;
    let mut found = false;
    loop {
        let first = *rest.get(at)?;
        if first == ']' && at > start {
            return Some((found != negated, at.saturating_add(1)));
        }
        match (rest.get(at + 1), rest.get(at + 2)) {
            (Some('-'), Some(last)) if *last != ']' => {
                found |= (first..=*last).contains(&character);
                at += 3;
            }
            _ => {
                found |= first == character;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name) in [
            ("*.env", "a.env"),
            ("a*b*c", "axbxbc"),
            ("[a-c]?", "bz"),
            ("[!a]", "b"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*", ".a"), ("a*b", "ac"), ("[a-c]", "d"), ("a", "ab")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
