//! How long a server asks to wait.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Longer waits count as this: a server's mistake must not silence a provider for good.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The wait of `retry-after-ms` (OpenAI), else of `Retry-After`: seconds or an HTTP date.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let wait = text("retry-after-ms")
        .and_then(|value| number(value, 1000.0))
        .or_else(|| {
            let value = text(RETRY_AFTER.as_str())?;
            number(value, 1.0).or_else(|| until(value, now))
        })?;
    Some(wait.min(LONGEST))
}

/// Seconds as text, no longer than a server may silence a provider.
pub(super) fn wait(seconds: &str) -> Option<Duration> {
    Some(number(seconds, 1.0)?.min(LONGEST))
}

fn number(value: &str, units_a_second: f64) -> Option<Duration> {
    let seconds = value.trim().parse::<f64>().ok()? / units_a_second;
    if seconds >= 0.0 {
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST))
    } else {
        None
    }
}

fn until(value: &str, now: SystemTime) -> Option<Duration> {
    let then = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(http_date(value)?))?;
    Some(then.duration_since(now).unwrap_or_default())
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that servers may send (RFC 9110, 5.6.7).
fn http_date(value: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (_, rest) = value.trim().split_once(", ")?;
    let mut words = rest.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let valid = words.next() == Some("GMT")
        && (1..=31).contains(&day)
        && (1970..=9999).contains(&year)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then(|| ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 in the Gregorian calendar; years begin in March, so that the leap day is the last one.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        retry_after(
            &headers,
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777 - 30),
        )
    }

    #[test]
    fn seconds_milliseconds_and_dates_are_read() {
        let cases = [
            ("retry-after", "2", 2000),
            ("retry-after", "1.5", 1500),
            ("retry-after-ms", "250", 250),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", 30_000),
            ("retry-after", "Sun, 06 Nov 1983 08:49:37 GMT", 0),
            ("retry-after", "99999999999999999999999", 86_400_000),
        ];
        for (name, value, millis) in cases {
            assert_eq!(
                wait(&[(name, value)]),
                Some(Duration::from_millis(millis)),
                "{value}"
            );
        }
    }

    #[test]
    fn milliseconds_win_over_seconds() {
        let both = wait(&[("retry-after", "9"), ("retry-after-ms", "1")]);
        assert_eq!(both, Some(Duration::from_millis(1)));
    }

    #[test]
    fn nonsense_is_no_wait() {
        for value in [
            "",
            "-1",
            "soon",
            "NaN",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
        ] {
            assert_eq!(wait(&[("retry-after", value)]), None, "{value}");
        }
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn leap_days_count() {
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        assert_eq!(http_date("Fri, 01 Mar 2024 00:00:00 GMT"), Some(1_709_251_200));
    }
}
