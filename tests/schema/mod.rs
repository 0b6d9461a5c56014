//! As much of JSON Schema as our schemas use, and stricter in one thing: a field that no schema names is a difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use serde_json::{Map, Value};

/// Where a value is not what a schema says, each with its path.
pub fn differences(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(schema, value, "", &mut found);
    found
}

fn compare(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    for (keyword, says) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "type" if !is_of_type(says, value) => {
                found.push(format!("{path}: {value} is not {says}"));
                return;
            }
            "const" if says != value => found.push(format!("{path}: {value} is not {says}")),
            "enum" if !says.as_array().expect("a list").contains(value) => {
                found.push(format!("{path}: {value} is none of the values"));
            }
            "minimum" if value.as_i64() < says.as_i64() => {
                found.push(format!("{path}: {value} is below {says}"));
            }
            "pattern" if !fits(says.as_str().expect("a text"), value) => {
                found.push(format!("{path}: {value} does not fit {says}"));
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    compare(says, item, &format!("{path}[{index}]"), found);
                }
            }
            "type"
            | "const"
            | "enum"
            | "minimum"
            | "pattern"
            | "properties"
            | "required"
            | "additionalProperties"
            | "description"
            | "title"
            | "$schema"
            | "$id" => {}
            other => panic!("this validator does not know `{other}`"),
        }
    }
    if let Some(object) = value.as_object() {
        compare_fields(schema, object, path, found);
    }
}

fn compare_fields(
    schema: &Value,
    object: &Map<String, Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    let place = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    let named = schema["properties"].as_object();
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().expect("a name");
        if !object.contains_key(name) {
            found.push(format!("{}: missing", place(name)));
        }
    }
    for (name, value) in object {
        let schema = named
            .and_then(|named| named.get(name))
            .or_else(|| schema.get("additionalProperties"));
        match schema {
            Some(schema) => compare(schema, value, &place(name), found),
            None => found.push(format!("{}: no such field in the schema", place(name))),
        }
    }
}

fn is_of_type(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("this validator does not know the type `{other}`"),
    };
    match types {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().expect("a name"))),
        _ => panic!("a type is a name or a list of names"),
    }
}

/// The two patterns that our schemas use.
fn fits(pattern: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else {
        return false;
    };
    match pattern {
        "^[0-9a-f]{64}$" => {
            text.len() == 64
                && text
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        }
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" => text.parse::<jiff::civil::Date>().is_ok(),
        other => panic!("this validator does not know the pattern `{other}`"),
    }
}
