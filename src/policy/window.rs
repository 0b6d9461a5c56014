//! Windows of the week, in local time, in which K3s may be restarted.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Weekday};

const DAY_MINUTES: u16 = 24 * 60;
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// A window of the week in local time: `Mon-Fri 02:00-04:00`, `Sat,Sun 22:00-05:00`, `03:00-05:00` (every day).
///
/// The first minute is inside, the last is not. A window that ends before it begins runs over midnight and belongs
/// to the day on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// By weekday, Monday first.
    days: [bool; 7],
    start_minute: u16,
    /// Up to two days, when the window runs over midnight.
    end_minute: u16,
}

impl Window {
    /// Reads a window; `None` if the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let first = words.next()?;
        let (days, hours) = match words.next() {
            Some(hours) => (parse_days(first)?, hours),
            None => ([true; 7], first),
        };
        let (start, end) = hours.split_once('-')?;
        let start_minute = parse_minute(start)?;
        let mut end_minute = parse_minute(end)?;
        if words.next().is_some() || start_minute == end_minute || start_minute == DAY_MINUTES {
            return None;
        }
        if end_minute < start_minute {
            end_minute += DAY_MINUTES;
        }
        Some(Self {
            days,
            start_minute,
            end_minute,
        })
    }

    /// Whether the window is open at a local time.
    #[must_use]
    pub fn contains(&self, local: DateTime) -> bool {
        let minute = minute_of_day(local);
        let yesterday = local.date().yesterday().ok();
        self.covers(local.date(), minute)
            || yesterday.is_some_and(|date| self.covers(date, minute + DAY_MINUTES))
    }

    /// The local time at which the window is open next: `after` itself while it is open, else its next first minute.
    ///
    /// In the night when clocks go forward that minute may not exist; whoever waits for it asks again then. `None` only
    /// at the end of the calendar.
    #[must_use]
    pub fn next_opening(&self, after: DateTime) -> Option<DateTime> {
        if self.contains(after) {
            return Some(after);
        }
        let minute = minute_of_day(after);
        (0..=7_i32).find_map(|days| {
            let date = after.date().checked_add(days.days()).ok()?;
            let begins = self.is_day(date) && (days > 0 || self.start_minute > minute);
            begins.then(|| self.start_on(date)).flatten()
        })
    }

    fn is_day(&self, date: Date) -> bool {
        let index = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
        self.days.get(index).copied().unwrap_or(false)
    }

    fn covers(&self, date: Date, minute: u16) -> bool {
        self.is_day(date) && (self.start_minute..self.end_minute).contains(&minute)
    }

    fn start_on(&self, date: Date) -> Option<DateTime> {
        let midnight = date.to_datetime(jiff::civil::Time::midnight());
        midnight
            .checked_add(i64::from(self.start_minute).minutes())
            .ok()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != [true; 7] {
            let chosen = DAYS.iter().zip(self.days).filter(|(_, open)| *open);
            let names: Vec<&str> = chosen.map(|((name, _), _)| *name).collect();
            write!(formatter, "{} ", names.join(","))?;
        }
        let end = if self.end_minute > DAY_MINUTES {
            self.end_minute - DAY_MINUTES
        } else {
            self.end_minute
        };
        let (start_hour, start_minute) = (self.start_minute / 60, self.start_minute % 60);
        write!(formatter, "{start_hour:02}:{start_minute:02}-")?;
        write!(formatter, "{:02}:{:02}", end / 60, end % 60)
    }
}

fn minute_of_day(local: DateTime) -> u16 {
    let (hour, minute) = (local.hour().unsigned_abs(), local.minute().unsigned_abs());
    u16::from(hour) * 60 + u16::from(minute)
}

/// `Mon-Fri`, `Sat,Sun`, `Fri-Mon` (over the weekend), `Mon-Wed,Sat`.
fn parse_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (parse_day(first)?, parse_day(last)?);
        let length = (last + 7 - first) % 7;
        for day in first..=first + length {
            *days.get_mut(day % 7)? = true;
        }
    }
    Some(days)
}

fn parse_day(text: &str) -> Option<usize> {
    DAYS.iter()
        .position(|(name, _)| name.eq_ignore_ascii_case(text))
}

/// Minutes since midnight of `HH:MM`, up to `24:00`.
fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| {
        let all_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        all_digits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY_MINUTES).then_some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2027-01-04 is a Monday.
    fn at(day: i8, hour: i8, minute: i8) -> DateTime {
        jiff::civil::date(2027, 1, day).at(hour, minute, 0, 0)
    }

    #[test]
    fn a_window_holds_its_first_minute_and_not_its_last() {
        let window = Window::parse("Mon-Fri 02:00-04:00").unwrap();
        assert!(!window.contains(at(4, 1, 59)));
        assert!(window.contains(at(4, 2, 0)));
        assert!(window.contains(at(4, 3, 59)));
        assert!(!window.contains(at(4, 4, 0)));
        assert!(!window.contains(at(9, 3, 0)), "Saturday");
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let window = Window::parse("Sat,Sun 22:00-05:00").unwrap();
        assert!(!window.contains(at(9, 4, 0)), "Saturday morning");
        assert!(window.contains(at(9, 22, 0)));
        assert!(window.contains(at(10, 4, 59)));
        assert!(window.contains(at(11, 4, 59)), "Monday morning");
        assert!(!window.contains(at(11, 5, 0)));
        assert!(!window.contains(at(11, 22, 0)));
    }

    #[test]
    fn the_next_opening_is_now_or_the_next_first_minute() {
        let window = Window::parse("Mon 02:00-04:00").unwrap();
        assert_eq!(window.next_opening(at(4, 1, 0)), Some(at(4, 2, 0)));
        assert_eq!(window.next_opening(at(4, 3, 0)), Some(at(4, 3, 0)));
        assert_eq!(window.next_opening(at(4, 4, 0)), Some(at(11, 2, 0)));
        let daily = Window::parse("03:00-05:00").unwrap();
        assert_eq!(daily.next_opening(at(4, 5, 0)), Some(at(5, 3, 0)));
        assert_eq!(daily.next_opening(DateTime::MAX), None);
    }

    #[test]
    fn windows_print_as_they_are_read_and_others_are_refused() {
        for (text, printed) in [
            ("Mon-Fri 02:00-04:00", "Mon,Tue,Wed,Thu,Fri 02:00-04:00"),
            ("fri-mon 23:00-01:00", "Mon,Fri,Sat,Sun 23:00-01:00"),
            ("Mon-Wed,Sat 00:00-24:00", "Mon,Tue,Wed,Sat 00:00-24:00"),
            ("03:00-05:00", "03:00-05:00"),
            ("Mon-Sun 03:00-05:00", "03:00-05:00"),
        ] {
            assert_eq!(Window::parse(text).unwrap().to_string(), printed);
        }
        for text in [
            "",
            "Mon",
            "02:00",
            "Mon 02:00",
            "02:00-02:00",
            "24:00-02:00",
            "2:00-4:00",
            "02:60-04:00",
            "25:00-26:00",
            "Mond 02:00-04:00",
            "Mon, 02:00-04:00",
            "Mon 02:00-04:00 UTC",
            "+2:00-04:00",
        ] {
            assert_eq!(Window::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_open_between_a_time_and_its_next_opening(
            text in "(Mon|Tue|Sat,Sun|Fri-Mon) (0[0-9]|1[0-9]):[0-5][0-9]-(0[0-9]|2[0-3]):[0-5][0-9]",
            minutes in 0..20_160_i64,
        ) {
            let Some(window) = Window::parse(&text) else { return Ok(()) };
            let mut now = at(4, 0, 0).checked_add(minutes.minutes()).unwrap();
            let opening = window.next_opening(now).unwrap();
            prop_assert!(window.contains(opening));
            while now < opening {
                prop_assert!(!window.contains(now));
                now = now.checked_add(7.minutes()).unwrap();
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = Window::parse(&text);
        }
    }
}
