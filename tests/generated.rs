//! What is generated from the code and committed is what the code would generate now.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

// The generator's own files, so that there is one definition of what is generated.
#[path = "../examples/generate/completions.rs"]
mod completions;
#[path = "../examples/generate/controls.rs"]
mod controls;
#[path = "../examples/generate/manual.rs"]
mod manual;
#[path = "../examples/generate/output.rs"]
mod output;
#[path = "../examples/generate/picture.rs"]
mod picture;

#[test]
fn generated_files_are_current() {
    let stale: Vec<&str> = output::all()
        .iter()
        .filter_map(output::Output::stale)
        .collect();
    assert!(
        stale.is_empty(),
        "not current: {}; run `cargo run --example generate`",
        stale.join(", ")
    );
}
