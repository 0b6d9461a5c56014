//! What K3s, or its stand-in, wrote to its log, and whether that is what was expected.

#![allow(dead_code)]

/// The messages of all lines that logrus wrote with quotes.
pub fn messages(log: &str) -> Vec<String> {
    let quoted = log
        .lines()
        .filter_map(|line| line.split_once(" msg=\"")?.1.strip_suffix('"'));
    quoted
        .map(|text| text.replace("\\\"", "\"").replace("\\\\", "\\"))
        .collect()
}

/// Whether two lines of arguments are the same, but for values that one of them hides or cannot know.
pub fn same(expected: &[&str], found: &str) -> bool {
    let found: Vec<&str> = found.split(' ').collect();
    let agree = |(expected, found): (&&str, &&str)| {
        *expected == *found || is_free(expected, found) || is_free(found, expected)
    };
    expected.len() == found.len() && expected.iter().zip(&found).all(agree)
}

fn is_free(shown: &str, other: &str) -> bool {
    shown.split_once('=').is_some_and(|(flag, value)| {
        value.starts_with('{') && other.split('=').next() == Some(flag)
    })
}

/// The components that were announced, in their order.
pub fn announced(messages: &[String]) -> Vec<&str> {
    let names = messages
        .iter()
        .filter_map(|message| message.strip_prefix("Running ")?.split(' ').next());
    names.collect()
}

/// The line with which a component was announced.
pub fn line_of<'a>(messages: &'a [String], component: &str) -> Option<&'a str> {
    let start = format!("Running {component} ");
    messages
        .iter()
        .find_map(|message| message.strip_prefix(&start))
}

/// K3s, or a component of it, says why it ends.
pub fn is_end(message: &str) -> bool {
    message.starts_with("Shutdown request received: ")
        || message.contains("panicked")
        || message.contains(" exited: ")
        || message.starts_with("Error: ")
}
