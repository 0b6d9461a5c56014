//! Patterns of keys, as glob(3) with `GLOB_BRACE` matches them below `/proc/sys`.

/// No pattern that anybody writes is as long; a longer one matches nothing.
const PATTERN_LIMIT_BYTES: usize = 1024;

/// Braces multiply; a pattern that takes more steps to expand than anybody writes matches nothing.
const EXPANSION_LIMIT: usize = 512;

/// A pattern ready to match.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    /// The alternatives of its braces, each by components.
    alternatives: Vec<Vec<Vec<Token>>>,
}

/// One element of a component's pattern.
#[derive(Debug, Clone)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    /// `[a-z]`, `[!a-z]`
    Set { negated: bool, items: Vec<Item> },
    /// Itself.
    Literal(char),
}

/// What a bracket expression lists.
#[derive(Debug, Clone)]
enum Item {
    Range(char, char),
    Class(Class),
}

/// Whether a character is in a class such as `[:digit:]`.
type Class = fn(&char) -> bool;

impl Glob {
    /// Takes a normalised pattern. One that is longer or wider than anybody writes matches nothing.
    pub(super) fn new(pattern: &str) -> Self {
        let mut expanded = Vec::new();
        if pattern.len() > PATTERN_LIMIT_BYTES || !expand(pattern.to_owned(), &mut expanded) {
            expanded.clear();
        }
        let alternatives = expanded
            .iter()
            .map(|alternative| {
                let components = alternative.split('/').filter(|part| !part.is_empty());
                components.map(tokens).collect()
            })
            .collect();
        Self { alternatives }
    }

    /// Whether a normalised key is matched.
    pub(super) fn matches(&self, key: &str) -> bool {
        self.alternatives.iter().any(|components| {
            let mut parts = key.split('/');
            let all = components.iter().all(|tokens| {
                parts
                    .next()
                    .is_some_and(|part| component_matches(tokens, part))
            });
            all && parts.next().is_none()
        })
    }
}

/// Expands the braces of a pattern; `false` when that takes too long.
fn expand(pattern: String, into: &mut Vec<String>) -> bool {
    let mut waiting = vec![pattern];
    for _ in 0..EXPANSION_LIMIT {
        let Some(next) = waiting.pop() else {
            return true;
        };
        match alternatives(&next) {
            Some(several) => waiting.extend(several),
            None => into.push(next),
        }
    }
    false
}

/// The alternatives of the first brace; `None` without a brace, or with one that is not closed.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let open = unescaped(pattern, 0).find(|(_, c)| *c == '{')?.0;
    let mut depth = 0_usize;
    let mut cuts = vec![open];
    let mut close = None;
    for (index, character) in unescaped(pattern, open) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => cuts.push(index),
            _ => {}
        }
        if depth == 0 {
            close = Some(index);
            break;
        }
    }
    let close = close?;
    cuts.push(close);
    let (before, after) = (pattern.get(..open)?, pattern.get(close + 1..)?);
    cuts.windows(2)
        .map(|pair| match pair {
            [from, to] => Some(format!("{before}{}{after}", pattern.get(from + 1..*to)?)),
            _ => None,
        })
        .collect()
}

/// Characters from an index on that no backslash escapes.
fn unescaped(pattern: &str, from: usize) -> impl Iterator<Item = (usize, char)> {
    let mut escaped = false;
    pattern
        .char_indices()
        .skip_while(move |(index, _)| *index < from)
        .filter(move |(_, character)| {
            let taken = escaped;
            escaped = !escaped && *character == '\\';
            !taken && !escaped
        })
}

fn tokens(component: &str) -> Vec<Token> {
    let characters: Vec<char> = component.chars().collect();
    let mut tokens = Vec::with_capacity(characters.len());
    // A bracket that is never closed is looked for only once.
    let mut closable = true;
    let mut at = 0;
    while let Some(character) = characters.get(at) {
        at += 1;
        tokens.push(match character {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => {
                at += 1;
                Token::Literal(characters.get(at - 1).copied().unwrap_or('\\'))
            }
            '[' if closable => match set(characters.get(at..).unwrap_or_default()) {
                Some((token, length)) => {
                    at += length;
                    token
                }
                None => {
                    closable = false;
                    Token::Literal('[')
                }
            },
            other => Token::Literal(*other),
        });
    }
    tokens
}

/// A bracket expression after its opening bracket, with the characters that it takes; `None` if it is not closed.
fn set(characters: &[char]) -> Option<(Token, usize)> {
    let negated = matches!(characters.first(), Some('!' | '^'));
    let mut at = usize::from(negated);
    let first = at;
    let mut items = Vec::new();
    loop {
        match characters.get(at)? {
            ']' if at > first => break,
            '[' if characters.get(at + 1) == Some(&':') => {
                if let Some((class, length)) = class(characters.get(at + 2..)?) {
                    items.push(Item::Class(class));
                    at += 2 + length;
                    continue;
                }
            }
            _ => {}
        }
        let (low, taken) = member(characters, at)?;
        at += taken;
        let mut high = low;
        if characters.get(at) == Some(&'-') && characters.get(at + 1).is_some_and(|c| *c != ']') {
            let (end, taken) = member(characters, at + 1)?;
            high = end;
            at += 1 + taken;
        }
        items.push(Item::Range(low, high));
    }
    Some((Token::Set { negated, items }, at + 1))
}

/// A member of a set, a backslash before it taken away, with the characters that it takes.
fn member(characters: &[char], at: usize) -> Option<(char, usize)> {
    match characters.get(at)? {
        '\\' => characters.get(at + 1).map(|escaped| (*escaped, 2)),
        other => Some((*other, 1)),
    }
}

/// A class after its `[:`, with the characters that it takes.
fn class(characters: &[char]) -> Option<(Class, usize)> {
    let name: String = characters
        .iter()
        .take(8)
        .take_while(|c| **c != ':')
        .collect();
    let length = name.len() + 2;
    if characters.get(length - 1) != Some(&']') {
        return None;
    }
    let class: Class = match name.as_str() {
        "alnum" => char::is_ascii_alphanumeric,
        "alpha" => char::is_ascii_alphabetic,
        "digit" => char::is_ascii_digit,
        "lower" => char::is_ascii_lowercase,
        "punct" => char::is_ascii_punctuation,
        "upper" => char::is_ascii_uppercase,
        "xdigit" => char::is_ascii_hexdigit,
        "graph" | "print" => char::is_ascii_graphic,
        // Blanks, which no key has.
        "blank" | "cntrl" | "space" => |_| false,
        _ => return None,
    };
    Some((class, length))
}

/// Matches one component; a star is retried from its last position only, so the time is bounded by the product.
fn component_matches(tokens: &[Token], component: &str) -> bool {
    // FNM_PERIOD: a leading dot is matched by a dot alone.
    if component.starts_with('.') && !matches!(tokens.first(), Some(Token::Literal('.'))) {
        return false;
    }
    let characters: Vec<char> = component.chars().collect();
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = characters.get(at) {
        match tokens.get(token) {
            Some(Token::Any) => {
                token += 1;
                star = Some((token, at));
            }
            Some(other) if other.matches(*character) => {
                token += 1;
                at += 1;
            }
            _ => {
                let Some((after, from)) = star else {
                    return false;
                };
                star = Some((after, from + 1));
                (token, at) = (after, from + 1);
            }
        }
    }
    tokens
        .get(token..)
        .unwrap_or_default()
        .iter()
        .all(|rest| matches!(rest, Token::Any))
}

impl Token {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Literal(literal) => *literal == character,
            Self::Set { negated, items } => {
                let listed = items.iter().any(|item| match item {
                    Item::Range(low, high) => (*low..=*high).contains(&character),
                    Item::Class(class) => class(&character),
                });
                listed != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, key: &str) -> bool {
        Glob::new(pattern).matches(key)
    }

    #[test]
    fn a_star_stays_within_a_component() {
        assert!(matches(
            "net/ipv4/conf/*/rp_filter",
            "net/ipv4/conf/eth0.200/rp_filter"
        ));
        assert!(!matches("net/*/rp_filter", "net/ipv4/conf/rp_filter"));
        assert!(matches("k*l/p*c*", "kernel/panic_on_oops"));
        assert!(!matches("kernel/*/x", "kernel/panic"));
    }

    #[test]
    fn a_leading_dot_is_matched_by_a_dot_only() {
        assert!(!matches("a/*", "a/.b"));
        assert!(matches("a/.*", "a/.b"));
    }

    #[test]
    fn sets_ranges_and_classes_match_one_character() {
        assert!(matches("vm/[o-q]anic_on_oo?", "vm/panic_on_oom"));
        assert!(!matches("vm/[!p]anic_on_oom", "vm/panic_on_oom"));
        assert!(!matches("vm/[^p]*", "vm/panic_on_oom"));
        assert!(matches("net/eth[[:digit:]]", "net/eth0"));
        assert!(matches("a/[]]*", "a/]b"));
        assert!(matches("a/[b*", "a/[bc"));
    }

    #[test]
    fn braces_give_alternatives_across_components() {
        let pattern = "{net/ipv4,vm}/{panic_on_o*,{overcommit,swap}?memory}";
        assert!(matches(pattern, "vm/panic_on_oom"));
        assert!(matches(pattern, "vm/overcommit_memory"));
        assert!(matches(pattern, "net/ipv4/swap_memory"));
        assert!(!matches(pattern, "kernel/swap_memory"));
        assert!(matches("vm/{a*", "vm/{abc"));
    }

    #[test]
    fn a_bomb_of_braces_or_stars_matches_nothing_and_costs_nothing() {
        assert!(!matches(&"{a,b}".repeat(40), &"a".repeat(40)));
        assert!(!matches(&"*a".repeat(500), &"b".repeat(255)));
        assert!(!matches(&"[".repeat(4000), "a"));
        assert!(!matches(&"{".repeat(4000), "a"));
    }

    proptest! {
        #[test]
        fn no_pattern_makes_matching_panic(pattern in r"[a{},*?\[\]!:\\/.-]{0,24}|.{0,12}", key in "[a./]{1,8}") {
            let _ = matches(&pattern, &key);
        }
    }
}
