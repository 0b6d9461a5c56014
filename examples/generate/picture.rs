//! A terminal's text with its colours, as a picture. The text is what k3warden printed on an emulated machine
//! (`tests/machine/pictures`), so that the README shows nothing that the program would not print.

use std::fmt::Write;

const CHARACTER_WIDTH_PX: f64 = 7.8;
const LINE_HEIGHT_PX: usize = 18;
const MARGIN_PX: usize = 14;

/// A text with colour codes.
pub fn picture(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let columns = lines.iter().map(|line| visible(line)).max().unwrap_or(0);
    let width = pixels(columns) + 2.0 * pixels_of(MARGIN_PX);
    let height = lines.len() * LINE_HEIGHT_PX + 2 * MARGIN_PX;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height}\" width=\"{width:.0}\" height=\"{height}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1d2129\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\" fill=\"#d7dae0\" \
         xml:space=\"preserve\">\n"
    );
    for (row, line) in lines.iter().enumerate() {
        let y = MARGIN_PX + row * LINE_HEIGHT_PX + LINE_HEIGHT_PX * 3 / 4;
        let mut column = 0;
        for (code, part) in parts(line) {
            if !part.trim().is_empty() {
                let x = pixels_of(MARGIN_PX) + pixels(column);
                let length = pixels(part.chars().count());
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{y}\" textLength=\"{length:.1}\"{}>{}</text>",
                    look(code),
                    escaped(part)
                );
            }
            column += part.chars().count();
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// The parts of a line with the code that stands before each.
fn parts(line: &str) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    for (index, piece) in line.split("\u{1b}[").enumerate() {
        match piece.split_once('m') {
            Some((code, text)) if index > 0 => parts.push((code, text)),
            _ => parts.push(("0", piece)),
        }
    }
    parts
}

fn visible(line: &str) -> usize {
    parts(line)
        .iter()
        .map(|(_, text)| text.chars().count())
        .sum()
}

/// The colours of our tables and of journalctl; what none of them names is plain.
fn look(code: &str) -> &'static str {
    const LOOKS: &[(&str, &str)] = &[
        ("31", " fill=\"#f47067\""),
        ("32", " fill=\"#6bc46d\""),
        ("33", " fill=\"#d9a840\""),
        ("2", " fill=\"#8b93a1\""),
        ("245", " fill=\"#8b93a1\""),
        ("1", " font-weight=\"bold\" fill=\"#ffffff\""),
    ];
    let has = |number: &str| code.split(';').any(|part| part == number);
    let found = LOOKS.iter().find(|(number, _)| has(number));
    found.map_or("", |(_, look)| look)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn pixels(characters: usize) -> f64 {
    pixels_of(characters) * CHARACTER_WIDTH_PX
}

fn pixels_of(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
