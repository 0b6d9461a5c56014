//! TOML values read as the types of the policy.

use std::num::NonZeroU32;
use std::ops::Range;
use std::path::{Component, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::{ByteSize, Window, quantity};
use crate::catalogue::{Control, ParameterKind, ParameterValue, did_you_mean, shown};
use crate::host::systemd::UnitName;
use crate::k3s::{K3sVersion, is_k3s_name, is_label};

/// A value as the parser hands it out, with the bytes that it stands on.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// A value that is not what its key takes.
#[derive(Debug)]
pub(super) struct Complaint {
    pub span: Range<usize>,
    /// What the key takes: `true or false`.
    pub takes: String,
    /// What stands there.
    pub found: String,
    pub hint: Option<String>,
}

impl Complaint {
    pub(super) fn new(value: &Value<'_>, takes: impl Into<String>) -> Self {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("\"{}\"", shown(text)),
            DeValue::Integer(number) => shown(number.as_str()),
            DeValue::Float(number) => format!("the number {}", shown(number.as_str())),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(stamp) => shown(&stamp.to_string()),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a section".to_owned(),
        };
        Self {
            span: value.span(),
            takes: takes.into(),
            found,
            hint: None,
        }
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &Value<'_>, choices: &[(&str, T)]) -> Result<T, Complaint> {
    let text = value.get_ref().as_str();
    let chosen = text.and_then(|text| choices.iter().find(|(name, _)| *name == text));
    if let Some((_, choice)) = chosen {
        return Ok(*choice);
    }
    let names: Vec<String> = choices
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let mut complaint = Complaint::new(value, names.join(" or "));
    complaint.hint =
        text.and_then(|text| did_you_mean(text, choices.iter().map(|(name, _)| *name)));
    Err(complaint)
}

pub(super) fn boolean(value: &Value<'_>) -> Result<bool, Complaint> {
    let boolean = value.get_ref().as_bool();
    boolean.ok_or_else(|| Complaint::new(value, "true or false"))
}

/// A text with something in it, on one line.
pub(super) fn text(value: &Value<'_>) -> Result<String, Complaint> {
    let text = value.get_ref().as_str().map(str::trim);
    let fits = text.filter(|text| !text.is_empty() && !text.contains(char::is_control));
    fits.map(str::to_owned)
        .ok_or_else(|| Complaint::new(value, "a text of one line that is not empty"))
}

pub(super) fn unit(value: &Value<'_>) -> Result<UnitName, Complaint> {
    let takes = "\"k3s.service\", \"k3s-agent.service\" or \"k3s-NAME.service\"";
    let named = parsed(value, takes, |text| {
        text.parse().ok().filter(|_| is_k3s_name(text))
    });
    named.map_err(|complaint| Complaint {
        hint: Some(
            "K3s is looked for in units of these names alone, and k3warden's door has drop-ins for no others"
                .to_owned(),
        ),
        ..complaint
    })
}

pub(super) fn version(value: &Value<'_>) -> Result<K3sVersion, Complaint> {
    parsed(
        value,
        "a K3s version such as \"1.36.3\" or \"v1.36.3+k3s1\"",
        |text| text.parse().ok(),
    )
}

pub(super) fn duration(value: &Value<'_>) -> Result<Duration, Complaint> {
    let takes = "a duration of at most 366 days such as \"30s\", \"10m\" or \"1h30m\"";
    parsed(value, takes, quantity::duration)
}

/// A duration between two looks or acts; zero would be a busy loop.
pub(super) fn interval(value: &Value<'_>) -> Result<Duration, Complaint> {
    let takes = "a duration between one second and 366 days such as \"10s\" or \"5m\"";
    parsed(value, takes, |text| {
        quantity::duration(text).filter(|duration| !duration.is_zero())
    })
}

/// A size that leaves the ledger room for what was there before our first touch.
pub(super) fn ledger_size(value: &Value<'_>) -> Result<ByteSize, Complaint> {
    let least = ByteSize::new(64 << 10);
    parsed(value, "a size of at least 64KiB such as \"8MiB\"", |text| {
        ByteSize::parse(text).filter(|size| *size >= least)
    })
}

/// A whole number of at least one.
pub(super) fn count(value: &Value<'_>) -> Result<NonZeroU32, Complaint> {
    let number = value.get_ref().as_integer().and_then(integer_of);
    number
        .and_then(|number| u32::try_from(number).ok())
        .and_then(NonZeroU32::new)
        .ok_or_else(|| Complaint::new(value, "a whole number of at least 1"))
}

pub(super) fn absolute_path(value: &Value<'_>) -> Result<PathBuf, Complaint> {
    parsed(value, "an absolute path without `..`", |text| {
        let path = PathBuf::from(text);
        let fits = path.is_absolute()
            && path.file_name().is_some()
            && !path.components().any(|part| part == Component::ParentDir)
            && !text.contains(char::is_control);
        fits.then_some(path)
    })
}

/// A date alone, of TOML's own type.
pub(super) fn date(value: &Value<'_>) -> Result<Date, Complaint> {
    let date = match value.get_ref() {
        DeValue::Datetime(stamp) if stamp.time.is_none() => stamp.date.and_then(|date| {
            let year = i16::try_from(date.year).ok()?;
            let (month, day) = (i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?);
            Date::new(year, month, day).ok()
        }),
        _ => None,
    };
    date.ok_or_else(|| {
        let mut complaint = Complaint::new(value, "a date such as 2027-01-31");
        let is_date = |text: &str| text.parse::<Date>().is_ok();
        if value.get_ref().as_str().is_some_and(is_date) {
            complaint.hint = Some("write it without quotes".to_owned());
        }
        complaint
    })
}

pub(super) fn windows(value: &Value<'_>) -> Result<Vec<Window>, Complaint> {
    let takes = "a window such as \"Mon-Fri 02:00-04:00\" or \"03:00-05:00\"";
    each(
        value,
        "a list of windows such as [\"Mon-Fri 02:00-04:00\"]",
        |entry| parsed(entry, takes, Window::parse),
    )
}

/// A value for a parameter. A number with which the control itself would not hold is refused: it would never be in force.
pub(super) fn parameter(
    value: &Value<'_>,
    name: &str,
    control: &Control,
) -> Result<ParameterValue, Complaint> {
    let given = of_kind(value, control, name)?;
    if let ParameterValue::Integer(number) = given
        && let Some(bound) = control
            .requirements_of(name)
            .find_map(|require| require.bound_missed(number))
    {
        let mut complaint = Complaint::new(value, bound);
        complaint.hint = Some(
            "the control asks for that; for another value make an [[exception]] and set it in K3s's own configuration"
                .to_owned(),
        );
        return Err(complaint);
    }
    refused(value, name, control).map_or(Ok(given), Err)
}

/// The first name of a list that another control answers for: what is right for further ones would be wrong for it.
fn refused(value: &Value<'_>, name: &str, control: &Control) -> Option<Complaint> {
    let refuses = &control.parameters.get(name)?.refuses;
    let is_refused = |entry: &&Value<'_>| {
        let text = entry.get_ref().as_str();
        text.is_some_and(|text| refuses.iter().any(|refused| refused == text))
    };
    let entry = value.get_ref().as_array()?.iter().find(is_refused)?;
    let mut complaint = Complaint::new(entry, format!("names other than {}", refuses.join(", ")));
    complaint.hint = Some("another control answers for that one".to_owned());
    Some(complaint)
}

fn of_kind(value: &Value<'_>, control: &Control, name: &str) -> Result<ParameterValue, Complaint> {
    let kind = control.parameters.get(name).map(|parameter| parameter.kind);
    match kind.unwrap_or(ParameterKind::Text) {
        ParameterKind::Boolean => boolean(value).map(ParameterValue::Boolean),
        ParameterKind::Text => text(value).map(ParameterValue::Text),
        ParameterKind::Integer => value
            .get_ref()
            .as_integer()
            .and_then(integer_of)
            .map(ParameterValue::Integer)
            .ok_or_else(|| Complaint::new(value, "a whole number")),
        ParameterKind::Names => each(
            value,
            "a list of names such as [\"one\", \"two\"]",
            self::name,
        )
        .map(ParameterValue::Names),
        ParameterKind::Namespaces => each(
            value,
            "a list of namespaces such as [\"kube-system\"]",
            namespace,
        )
        .map(ParameterValue::Names),
    }
}

/// A namespace, as its name is valid: what the apiserver reads as another ends K3s.
fn namespace(value: &Value<'_>) -> Result<String, Complaint> {
    let takes = "a namespace's name: at most 63 lower-case letters, digits and `-`, which neither begins nor ends it";
    parsed(value, takes, |text| is_label(text).then(|| text.to_owned()))
}

/// A name of something in Kubernetes. Names go into YAML, so nothing that YAML would take for its own passes.
fn name(value: &Value<'_>) -> Result<String, Complaint> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.:/@".contains(character);
    parsed(value, "a name of letters, digits and `-_.:/@`", |text| {
        let begins_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        (begins_well && text.chars().all(fits)).then(|| text.to_owned())
    })
}

fn parsed<T>(
    value: &Value<'_>,
    takes: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Complaint> {
    let text = value.get_ref().as_str();
    text.and_then(parse)
        .ok_or_else(|| Complaint::new(value, takes))
}

fn each<T>(
    value: &Value<'_>,
    takes: &str,
    read: impl Fn(&Value<'_>) -> Result<T, Complaint>,
) -> Result<Vec<T>, Complaint> {
    let Some(entries) = value.get_ref().as_array() else {
        return Err(Complaint::new(value, takes));
    };
    entries.iter().map(read).collect()
}

fn integer_of(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
