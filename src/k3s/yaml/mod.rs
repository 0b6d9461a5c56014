//! A configuration document as K3s reads it: YAML 1.1 through `gopkg.in/yaml.v2` into an ordered list of keys.
//!
//! K3s (`pkg/configfilearg/parser.go`) decodes into `yaml.MapSlice`: keys keep their order, a key may come twice,
//! only the first document counts, and scalars are typed before they become text again.

mod cursor;
mod decode;
mod encoding;
mod flow;
mod folding;
mod go_print;
mod growth;
mod lines;
mod map_slice;
mod merge_key;
mod parser;
mod possible_key;
mod scalar;
mod scanner;
mod tag;
mod token;
mod tree;
mod value;

/// Deeper than anybody nests a K3s configuration. K3s itself stops at 10000.
const DEPTH_LIMIT: usize = 100;

/// More keys and values than anybody writes: K3s has some three hundred options. A node of a few words of text takes
/// hundreds of bytes here, and the machine may have 512 MB.
const NODES_LIMIT: usize = 20_000;

/// More text than anybody repeats by aliases, or by handles of tags.
const REPEATED_LIMIT_BYTES: usize = 16 << 20;

pub use decode::decode_value;
pub use go_print::to_text;
pub use lines::key_lines;
pub use map_slice::decode;
pub use value::{Decoded, Entry, Located, Value};

/// Why a document cannot be used, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// K3s refuses the document too, and ends.
    #[error("line {line}, column {column}: {problem}")]
    Invalid {
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// More nesting than we follow; K3s might read it.
    #[error("line {line}: nested deeper than {limit} levels")]
    TooDeep {
        /// Line, counted from 1.
        line: usize,
        /// The limit in levels.
        limit: usize,
    },
    /// More keys and values than we keep; K3s might read it.
    #[error("line {line}: more than {limit} keys and values")]
    TooMany {
        /// Line, counted from 1.
        line: usize,
        /// The limit.
        limit: usize,
    },
    /// Aliases or handles of tags repeat more text than we copy; K3s shares the one, copies the other and might read it.
    #[error("line {line}: aliases and tags repeat more than {limit_bytes} bytes of text")]
    TooLarge {
        /// Line, counted from 1.
        line: usize,
        /// The limit in bytes.
        limit_bytes: usize,
    },
}

impl YamlError {
    fn invalid(line: usize, column: usize, problem: impl Into<String>) -> Self {
        Self::Invalid {
            line,
            column,
            problem: problem.into(),
        }
    }
}
