//! Times as operators write them and as records have them: UTC.

use time::{Date, Duration, Month, OffsetDateTime, Time};

use super::super::Failure;
use super::super::arguments::Arguments;
use crate::record::timestamp;
use crate::words::Safe;

/// From when on. Records write times so that text sorts as time does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since(String);

impl Since {
    /// That of `--since`, if it is given.
    pub fn of(arguments: &Arguments) -> Result<Option<Since>, Failure> {
        arguments.flag("since").map(|text| Since::parse(&text.to_string_lossy(), OffsetDateTime::now_utc())).transpose()
    }

    fn parse(text: &str, now: OffsetDateTime) -> Result<Since, Failure> {
        let ago = duration(text).and_then(|time| now.checked_sub(time));
        let wrong = || {
            let text = Safe(text.as_bytes());
            Failure::Usage(format!(
                "--since {text}: expected a time in UTC (2026-11-21, 2026-11-21T03:12) or how long ago (90s, 15m, 2h, 7d)"
            ))
        };
        ago.or_else(|| moment(text)).map(|moment| Since(timestamp(moment))).ok_or_else(wrong)
    }

    /// Whether a time of a record is not before this.
    pub fn covers(&self, time: &str) -> bool {
        time >= self.0.as_str()
    }
}

fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| (0..=1_000_000_000).contains(count))?;
    match unit {
        's' => Some(Duration::seconds(count)),
        'm' => Some(Duration::minutes(count)),
        'h' => Some(Duration::hours(count)),
        'd' => Some(Duration::days(count)),
        _ => None,
    }
}

/// `2026-11-21`, then perhaps `T03:12`, `:44`, `.123`, `Z`.
pub fn moment(text: &str) -> Option<OffsetDateTime> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let date = Date::from_calendar_date(i32::from(year), Month::try_from(u8::try_from(month).ok()?).ok()?, u8::try_from(day).ok()?).ok()?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parts = clock.splitn(3, ':');
    let (hour, minute, second) =
        (number(parts.next()?, 2)?, number(parts.next()?, 2)?, parts.next().map_or(Some(0), |second| number(second, 2))?);
    let time = Time::from_hms(u8::try_from(hour).ok()?, u8::try_from(minute).ok()?, u8::try_from(second).ok()?).ok()?;
    Some(date.with_time(time).assume_utc())
}

fn number(text: &str, digits: usize) -> Option<u16> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `59s`, `12m`, `8h`, `3d`.
pub fn short(seconds: u64) -> String {
    match seconds {
        0..=99 => format!("{seconds}s"),
        100..=5_999 => format!("{}m", seconds / 60),
        6_000..=359_999 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// `1:02:03`, of milliseconds.
pub fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_a_moment_or_so_long_ago() {
        let now = OffsetDateTime::from_unix_timestamp(1_795_230_764).unwrap();
        for (text, expected) in [
            ("2026-11-21", Some("2026-11-21T00:00:00.000Z")),
            ("2026-11-21T03:12", Some("2026-11-21T03:12:00.000Z")),
            ("2026-11-21 03:12:44", Some("2026-11-21T03:12:44.000Z")),
            ("2026-11-21T03:12:44.123Z", Some("2026-11-21T03:12:44.000Z")),
            ("44s", Some("2026-11-21T03:12:00.000Z")),
            ("12m", Some("2026-11-21T03:00:44.000Z")),
            ("3h", Some("2026-11-21T00:12:44.000Z")),
            ("1d", Some("2026-11-20T03:12:44.000Z")),
            ("", None),
            ("yesterday", None),
            ("-3h", None),
            ("3", None),
            ("3w", None),
            ("9999999999d", None),
            ("2026-13-01", None),
            ("2026-11-21T3:12", None),
            ("2026-11-21T03:12:44.x", None),
        ] {
            assert_eq!(Since::parse(text, now).ok(), expected.map(|text| Since(text.to_owned())), "{text}");
        }
        assert!(Since("2026-11-21T00:00:00.000Z".to_owned()).covers("2026-11-21T00:00:00.001Z"));
    }

    #[test]
    fn durations_are_short() {
        assert_eq!([0, 99, 100, 6_000, 360_000].map(short), ["0s", "99s", "1m", "1h", "4d"]);
        assert_eq!(clock(3_723_999), "1:02:03");
    }
}
