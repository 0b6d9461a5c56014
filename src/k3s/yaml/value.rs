//! What a document comes to: typed values with their places.

/// A typed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, and what YAML 1.1 takes for it.
    Bool(bool),
    /// A number in 64 bits.
    Integer(i64),
    /// A number above that.
    Unsigned(u64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Everything else.
    Text(String),
    /// A list.
    List(Vec<Located>),
    /// A mapping below the top level.
    Map(Vec<(Value, Value)>),
}

/// A value and the line where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The value.
    pub value: Value,
    /// Line, counted from 1.
    pub line: usize,
}

/// One key of the document, as text, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as K3s prints it, a trailing `+` included.
    pub key: String,
    /// Line of the key.
    pub line: usize,
    /// Its value.
    pub value: Located,
}

/// The keys of a document in order; a key can come twice.
pub type Decoded = Vec<Entry>;
