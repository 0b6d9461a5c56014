//! Controls that the operator accepts as not held, for a while.

use jiff::ToSpan;
use jiff::civil::Date;
use toml::de::DeTable;

use super::keys;
use super::reader::{Key, Reader, names_of};
use super::value::{self, Value};
use super::{Policy, PolicyPlace};
use crate::catalogue::{Catalogue, ControlId};

/// A control that the operator accepts as not held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The control.
    pub control: ControlId,
    /// Why it is not held.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it stands, in local time.
    pub expires: Date,
    /// Where it begins in the policy.
    pub place: PolicyPlace,
}

impl Exception {
    /// Whether it stands on a day, its last day included.
    #[must_use]
    pub fn is_active(&self, today: Date) -> bool {
        today <= self.expires
    }

    /// Whether it still stands and its last day is no more than so many days away.
    #[must_use]
    pub fn expires_within(&self, today: Date, days: u16) -> bool {
        // At the end of the calendar every day is near.
        let horizon = today
            .checked_add(i32::from(days).days())
            .unwrap_or(Date::MAX);
        self.is_active(today) && self.expires <= horizon
    }
}

/// Reads `[[exception]]`.
pub(super) fn read_all(
    reader: &mut Reader<'_, '_>,
    key: &Key<'_>,
    entries: &Value<'_>,
    catalogue: &Catalogue,
    policy: &mut Policy,
) {
    let Some(list) = entries.get_ref().as_array() else {
        let hint = Some("write [[exception]], once for each".to_owned());
        return reader.problem(key.span(), "`exception` is a list".to_owned(), hint);
    };
    for entry in list {
        if reader.is_full() {
            return;
        }
        match entry.get_ref().as_table() {
            Some(table) => read(reader, table, entry, catalogue, policy),
            None => {
                let hint = Some("write [[exception]], once for each".to_owned());
                reader.problem(entry.span(), "this is no exception".to_owned(), hint);
            }
        }
    }
}

#[derive(Default)]
struct Parts {
    control: Option<ControlId>,
    reason: Option<String>,
    owner: Option<String>,
    expires: Option<Date>,
}

fn read(
    reader: &mut Reader<'_, '_>,
    table: &DeTable<'_>,
    entry: &Value<'_>,
    catalogue: &Catalogue,
    policy: &mut Policy,
) {
    let mut parts = Parts::default();
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "control" => {
                let text = reader.take(key, value, value::text);
                parts.control =
                    text.and_then(|id| reader.known_control(&id, value.span(), catalogue));
            }
            "reason" => parts.reason = reader.take(key, value, value::text),
            "owner" => parts.owner = reader.take(key, value, value::text),
            "expires" => parts.expires = reader.take(key, value, value::date),
            other => reader.unknown_key(key, "in an exception", names_of(other, keys::EXCEPTION)),
        }
    }
    for (name, mend) in [
        ("control", "name the control that is not held"),
        ("reason", "say why the control is not held"),
        ("owner", "say who answers for it"),
        ("expires", "give its last day, such as expires = 2027-01-31"),
    ] {
        if !table.contains_key(name) {
            let message = format!("this exception has no `{name}`");
            reader.problem(entry.span(), message, Some(mend.to_owned()));
        }
    }
    if let Some(exception) = parts.complete(reader.place(entry.span())) {
        insert(reader, exception, table, policy);
    }
}

impl Parts {
    fn complete(self, place: PolicyPlace) -> Option<Exception> {
        Some(Exception {
            control: self.control?,
            reason: self.reason?,
            owner: self.owner?,
            expires: self.expires?,
            place,
        })
    }
}

fn insert(
    reader: &mut Reader<'_, '_>,
    exception: Exception,
    table: &DeTable<'_>,
    policy: &mut Policy,
) {
    if let Some(first) = policy.exceptions.get(&exception.control) {
        let message = format!("control `{}` has an exception already", exception.control);
        let hint = format!("the first is at {}; keep one of them", first.place);
        let span = table.get("control").map_or(0..0, Value::span);
        return reader.problem(span, message, Some(hint));
    }
    policy
        .exceptions
        .insert(exception.control.clone(), exception);
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn an_exception_stands_through_its_last_day_and_warns_before_it() {
        let exception = Exception {
            control: ControlId::parse("sample").unwrap(),
            reason: "r".to_owned(),
            owner: "o".to_owned(),
            expires: date(2027, 1, 31),
            place: PolicyPlace {
                path: PathBuf::from("/p"),
                line: 1,
            },
        };
        assert!(exception.is_active(date(2027, 1, 31)));
        assert!(!exception.is_active(date(2027, 2, 1)));
        assert!(!exception.expires_within(date(2027, 1, 23), 7));
        assert!(exception.expires_within(date(2027, 1, 24), 7));
        assert!(exception.expires_within(date(2027, 1, 31), 7));
        assert!(!exception.expires_within(date(2027, 2, 1), 7), "expired");
        assert!(!exception.expires_within(Date::MAX, 7));
    }
}
