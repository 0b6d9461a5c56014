//! Turns the built-in catalogue into what the program carries: the data of `src/catalogue/*.toml`, which people read and
//! write, as JSON, which is read in a tenth of the time. TOML's reader took a quarter of a whole `apply`.

#![allow(
    clippy::disallowed_methods,
    reason = "runs where the program is built, on files of the source"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

const CONTROLS: &str = "src/catalogue/controls";
const EDITIONS: &str = "src/catalogue/editions.toml";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={CONTROLS}");
    println!("cargo:rerun-if-changed={EDITIONS}");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let entries = fs::read_dir(CONTROLS)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    files.sort();
    let mut controls = Vec::new();
    for file in &files {
        match read(file)?.remove("control") {
            Some(Value::Array(listed)) => controls.extend(listed),
            _ => return Err(format!("{}: no controls", file.display()).into()),
        }
    }
    let all = Table::from_iter([("control".to_owned(), Value::Array(controls))]);
    fs::write(out.join("controls.json"), serde_json::to_string(&all)?)?;

    let editions = read(Path::new(EDITIONS))?;
    fs::write(out.join("editions.json"), serde_json::to_string(&editions)?)?;
    Ok(())
}

fn read(file: &Path) -> Result<Table, Box<dyn Error>> {
    let text = fs::read_to_string(file)?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()).into())
}
