//! Units at random: what operators write, and what nobody should.

use super::dice::Dice;

/// The files of one unit.
pub struct UnitFiles {
    pub fragment: String,
    /// Name and text of each drop-in.
    pub drop_ins: Vec<(String, String)>,
    pub environment_file: String,
}

const WORDS: &[&str] = &[
    "a",
    "--x=y",
    "${HOME}/d",
    "$USER",
    "a${STATE_DIRECTORY}b",
    "${RUNTIME_DIRECTORY}",
    "${CREDENTIALS_DIRECTORY}/t",
    "'a b'",
    "\"a b\"",
    "\"it's\"",
    "'a\"b'",
    "'it'\\''s'",
    "'a\\'b'",
    "\"a\\tb\"",
    "a\\tb",
    "\\x41",
    "\\u00e9",
    "\\101",
    "\\\\",
    "a\\\\b",
    "'\\n'",
    "a\\sb",
    "a\\qb",
    "\"a\\qb\"",
    "$A",
    "${A}",
    "x${B}y",
    "$B",
    "$C",
    "${C}",
    "x$A",
    "'$C'",
    "\"${C}\"",
    "$$A",
    "$$",
    "$",
    "${",
    "${}",
    "$1",
    "${A:-b}",
    "${F}",
    "$F",
    "x${F}",
    "$A$B",
    "${A}${B}",
    "%n",
    "%N",
    "%p",
    "%i",
    "%j",
    "%%",
    "%t",
    "%S",
    "%E",
    "%C",
    "%L",
    "a%",
    "%z",
    "'%n'",
    "\"\"",
    "''",
    "a\"\"b",
    "'a'b\"c\"",
    "\\;",
    "#x",
    "a;b",
    "\u{e9}",
    "--tls-san='a b'",
    "--x=\"a b\"",
    "--x='${C}'",
    "a=b c=d",
    "\"a\\\"b\"",
    "a'b c'd",
    "@",
    "-",
    "+x",
    "*",
    "~",
    "\\$A",
    "\"\\$A\"",
    "%%n",
    "a\tb",
    "\\x2d",
];
/// These end the parsing of a command.
const BROKEN: &[&str] = &["'a", "\"a", "a\\x4", "\\u12", "\\400", "\\x00"];

const ENVIRONMENT: &[&str] = &[
    "A=1",
    "\"B=x y\" C=z",
    "'A=it s'",
    "A=$B",
    "A=a\\tb",
    "\"A=a\\tb\"",
    "1BAD=x",
    "A",
    "",
    "\"A=%n\"",
    "A=\"q r\"",
    "A=\\x41",
    "C='a b' D=e",
    "\"C=one 'two three' four\"",
    "C=one\\ two",
    "A=",
    "\"C=p  q\"",
    "A=%%",
    "A=a;b",
    "E=\u{e9}",
    "\"F=x\\\"y z\"",
    "F=-x",
    "a.b=c",
    "'A=x",
    "A=a B=b A=c",
    "B=#x",
    "\"B=$A ${A}\"",
];

const ASSIGNMENTS: &[&str] = &[
    "A=1",
    "B=\"x y\"",
    "C='it'\\''s'",
    "A=a b",
    "B = spaced",
    "  C=lead",
    "A=\"two\nlines\"",
    "# c=d",
    "; c",
    "B=a\\\nb",
    "C=\"a\\\"b\"",
    "A='a\\b'",
    "B=a#b",
    "C=a \"b\" c",
    "export A=1",
    "A=",
    "=x",
    "A=$B",
    "B=tab\\there",
    "A=crlf\r",
    "C=\"a\\$b\"",
    "C=trail   ",
    "F=\"a\"'b'c",
    "F='a' 'b'",
    "D=\"open",
    "E=a\\\\b",
    "E=\u{e9}",
    "A=x\t",
    "B='a\"b'",
    "C=\"a'b c\"",
    "1X=y",
    "F=a\\",
    "D=\"x\" y",
    "E=\"\\x41\"",
    "D=\"a\\nb\"",
    "D=a'b c'd",
    "A=\"x\"\\\ny",
    "F= \"s\"",
];

/// A unit of this name.
pub fn unit(seed: u64, name: &str) -> UnitFiles {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for _ in 0..4 {
        dice.below(2);
    }
    let mut fragment = String::new();
    if dice.one_in(10) {
        fragment.push_str("; a comment\n\n");
    }
    fragment.push_str("[Unit]\nDescription=x\n[Service]\nType=oneshot\n");
    fragment.push_str(&format!(
        "StandardOutput=truncate:/run/unit-oracle/{name}.said\n"
    ));
    for _ in 0..dice.below(4) {
        fragment.push_str(&setting(&mut dice, name));
    }
    fragment.push_str(&command(&mut dice));
    if dice.one_in(8) {
        fragment.push_str("[X-Other]\nEnvironment=A=other\n[Service]\n");
        fragment.push_str(&setting(&mut dice, name));
    }
    let mut drop_ins = Vec::new();
    for _ in 0..dice.below(3) {
        let drop_in = dice
            .pick(&["10-a.conf", "20-b.conf", "z.conf", "notes.txt"])
            .to_owned();
        let mut text = "[Service]\n".to_owned();
        for _ in 0..=dice.below(2) {
            text.push_str(&setting(&mut dice, name));
        }
        if dice.one_in(2) {
            text.push_str("ExecStart=\n");
            text.push_str(&command(&mut dice));
        }
        drop_ins.push((drop_in, text));
    }
    let assignments = (0..dice.below(6)).map(|_| format!("{}\n", dice.pick(ASSIGNMENTS)));
    let environment_file = assignments.collect();
    UnitFiles {
        fragment,
        drop_ins,
        environment_file,
    }
}

fn setting(dice: &mut Dice, name: &str) -> String {
    match dice.below(9) {
        8 => dice
            .pick(&[
                "User=root\n",
                "User=\n",
                "StateDirectory=k3so/%p other:link\n",
                "StateDirectory=\n",
                "RuntimeDirectory=%N\n",
                "SetCredential=t:x\n",
            ])
            .to_owned(),
        0..=3 => format!("Environment={}\n", dice.pick(ENVIRONMENT)),
        4 | 5 => format!("EnvironmentFile=-/run/unit-oracle/{name}.env\n"),
        6 => format!(
            "UnsetEnvironment={}\n",
            dice.pick(&["A", "B=1", "A B", "\"C=x y\"", "D=e", ""])
        ),
        _ => dice
            .pick(&[
                "no equals sign\n",
                "# note\n",
                "Foo=bar\n",
                "EnvironmentFile=\n",
                "PassEnvironment=A\n",
                "\n",
            ])
            .to_owned(),
    }
}

fn command(dice: &mut Dice) -> String {
    let key = dice.pick(&[
        "ExecStart=",
        "ExecStart=",
        "ExecStart=",
        "ExecStart = ",
        "  ExecStart=",
    ]);
    let prefix = dice.pick(&["", "", "", "", "", "-", ":", "+", "-:", "!!"]);
    let mut text = format!("{key}{prefix}/run/unit-oracle/words");
    for _ in 0..dice.below(7) {
        let word = match dice.one_in(60) {
            true => dice.pick(BROKEN),
            false => dice.pick(WORDS),
        };
        text.push_str(dice.pick(&[
            " ",
            " ",
            " ",
            "  ",
            "\t",
            " \\\n    ",
            " \\\n# within\n  ",
            " \\\n; within\n\t",
            "\\\n",
        ]));
        text.push_str(word);
    }
    text.push_str(dice.pick(&["", "", "", " ", " \\\n", "\t"]));
    text.push('\n');
    text
}
