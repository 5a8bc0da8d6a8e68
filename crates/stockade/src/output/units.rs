//! Times, ages and sizes in the words that Docker's users know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An age in one or two words: `5 minutes`, `About an hour`.
pub(crate) fn duration(age: Duration) -> String {
    let seconds = age.as_secs();
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600; // to the nearest
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (2..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, 2..60, _) => format!("{minutes} minutes"),
        (_, _, 0..=1) => "About an hour".to_owned(),
        (_, _, 2..48) => format!("{hours} hours"),
        (_, _, 48..336) => format!("{} days", hours / 24),
        (_, _, 336..1440) => format!("{} weeks", hours / 24 / 7),
        (_, _, 1440..17520) => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// How long ago `then` was: `5 minutes ago`. A time to come counts as now.
pub(crate) fn ago(then: SystemTime, now: SystemTime) -> String {
    format!("{} ago", since(then, now))
}

/// How long `then` has been past: `5 minutes`. A time to come counts as now.
pub(crate) fn since(then: SystemTime, now: SystemTime) -> String {
    duration(now.duration_since(then).unwrap_or_default())
}

/// A size in powers of 1024, with four digits: `12.34MiB`.
pub(crate) fn binary_size(bytes: u64) -> String {
    size(
        bytes,
        1024.0,
        4,
        &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"],
    )
}

/// A size in powers of 1000, with three digits: `1.23MB`.
pub(crate) fn decimal_size(bytes: u64) -> String {
    size(bytes, 1000.0, 3, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

fn size(bytes: u64, base: f64, digits: usize, units: &[&str]) -> String {
    // Rounding to a float is rounding that the few digits shown would do anyway.
    let mut value = bytes as f64;
    let mut text = significant(value, digits);
    for (i, unit) in units.iter().enumerate() {
        if i + 1 == units.len() || (value < base && !text.contains('e')) {
            return text + unit;
        }
        value /= base;
        text = significant(value, digits);
    }
    text
}

/// A share of something, in percent: `0.07%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// A number with so many significant digits and no zeros at its end, as C's `%g` writes it.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let most = i32::try_from(digits).unwrap_or(i32::MAX);
    if (-4..most).contains(&exponent) {
        let decimals = usize::try_from(most - 1 - exponent).unwrap_or(0);
        return without_zeros(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!(
        "{}e{sign}{:02}",
        without_zeros(mantissa),
        exponent.unsigned_abs()
    )
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

/// A date and a time of day in UTC.
struct Civil {
    date: String,
    time: String,
    nanos: u32,
}

/// The calendar of a moment; moments before 1970 count as its start.
fn civil(moment: SystemTime) -> Civil {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    Civil {
        date: format!("{year:04}-{month:02}-{day:02}"),
        time: format!(
            "{:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        ),
        nanos: since.subsec_nanos(),
    }
}

/// Year, month and day of the day `days` after 1 January 1970. Years are counted from 1 March, so
/// that a leap day is the last of its year, in eras of 400 years, which all have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 1 March 0000
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153; // 0 is March
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year_of_era + late, month, day)
}

/// Days from 1 January 1970 to a date, which is checked; `None` when there is no such day.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month.checked_add(9)?)
    };
    let (era, year_of_era) = (y / 400, y % 400);
    let day_of_year = (153 * m + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    (date(days) == (year, month, day)).then_some(days)
}

/// `2026-11-23T18:20:19.5Z`: RFC 3339 with the fraction that there is.
pub(crate) fn rfc3339(moment: SystemTime) -> String {
    let Civil { date, time, nanos } = civil(moment);
    let fraction = format!(".{nanos:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{date}T{time}{fraction}Z")
}

/// `2026-11-23T18:20:19.500000000Z`: RFC 3339 in columns of equal width, for logs.
pub(crate) fn rfc3339_full(moment: SystemTime) -> String {
    let Civil { date, time, nanos } = civil(moment);
    format!("{date}T{time}.{nanos:09}Z")
}

/// `2026-11-23 18:20:19 +0000 UTC`
pub(crate) fn date_and_time(moment: SystemTime) -> String {
    let Civil { date, time, .. } = civil(moment);
    format!("{date} {time} +0000 UTC")
}

/// A moment given as RFC 3339 (or a part of it: `2026-11-23`, `2026-11-23T18:20`, without a zone in
/// UTC), as seconds since 1970, or as an age (`10m`, `1h30m`).
///
/// # Errors
/// One line that names the text.
pub(crate) fn moment(text: &str, now: SystemTime) -> Result<SystemTime, String> {
    let fault = || format!("'{text}' is no time; hint: 2026-11-23T18:20:19Z, 1795450819 or 10m");
    if let Some(since) = unix_seconds(text) {
        return UNIX_EPOCH.checked_add(since).ok_or_else(fault);
    }
    if let Some(age) = age(text) {
        return now.checked_sub(age).ok_or_else(fault);
    }
    calendar(text)
        .and_then(|since| UNIX_EPOCH.checked_add(since))
        .ok_or_else(fault)
}

/// `1795450819.25`
fn unix_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    Some(Duration::new(number(whole)?, nanos(fraction)?))
}

/// The digits after a decimal point, in nanoseconds; none are zero.
fn nanos(digits: &str) -> Option<u32> {
    if digits.is_empty() {
        return Some(0);
    }
    let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
    number(digits).and_then(|_| nine.parse().ok())
}

/// Digits only, at most 18 of them.
fn number(digits: &str) -> Option<u64> {
    let plain =
        !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// `1h30m`, `1.5s`, `200ms`: as Go writes durations.
fn age(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let length = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (count, after) = rest.split_at(length);
        let length = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let unit = match unit {
            "h" => Duration::from_secs(3600),
            "m" => Duration::from_secs(60),
            "s" => Duration::from_secs(1),
            "ms" => Duration::from_millis(1),
            "us" => Duration::from_micros(1),
            "ns" => Duration::from_nanos(1),
            _ => return None,
        };
        let (whole, fraction) = count.split_once('.').unwrap_or((count, ""));
        let whole = unit.checked_mul(u32::try_from(number(whole)?).ok()?)?;
        let part = unit.as_nanos() * u128::from(nanos(fraction)?) / 1_000_000_000;
        sum = sum
            .checked_add(whole)?
            .checked_add(Duration::from_nanos(u64::try_from(part).ok()?))?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

/// `2026-11-23[T18:20[:19[.5]][Z|+01:00]]`, as time since 1970.
fn calendar(text: &str) -> Option<Duration> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || year > 9999 || month > 12 || day > 31 {
        return None;
    }
    let (time, offset) = zone(time)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = time.split(':').map(number);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Duration::new(
        seconds.checked_add_signed(-offset)?,
        nanos(fraction)?,
    ))
}

/// Splits a time of day from its zone, in seconds east of UTC.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix('Z') {
        return Some((time, 0));
    }
    let Some(sign) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (hours, minutes) = time[sign + 1..].split_once(':')?;
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let east = i64::try_from(hours * 3600 + minutes * 60).ok()?;
    Some((
        &time[..sign],
        if time[sign..].starts_with('-') {
            -east
        } else {
            east
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn ages_are_worded_as_docker_words_them() {
        let hour = 3600;
        let day = 24 * hour;
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (59 * 60 + 59, "59 minutes"),
            (hour, "About an hour"),
            (hour + 1799, "About an hour"),
            (hour + 1800, "2 hours"),
            (2 * day - 1801, "47 hours"),
            (2 * day, "2 days"),
            (13 * day, "13 days"),
            (14 * day, "2 weeks"),
            (59 * day, "8 weeks"),
            (60 * day, "2 months"),
            (729 * day, "24 months"),
            (730 * day, "2 years"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), words, "{seconds}");
        }
        assert_eq!(ago(at(0), at(300)), "5 minutes ago");
        assert_eq!(since(at(300), at(0)), "Less than a second");
    }

    #[test]
    fn sizes_have_few_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (12_345_678, "11.77MiB"),
            (1 << 30, "1GiB"),
            (u64::MAX, "16EiB"),
        ] {
            assert_eq!(binary_size(bytes), text);
        }
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1_000, "1kB"),
            (1_234_567, "1.23MB"),
            (999_900, "1MB"),
            (12_345, "12.3kB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(decimal_size(bytes), text);
        }
        assert_eq!(percent(0.000_7), "0.07%");
        assert_eq!(percent(1.5), "150.00%");
    }

    #[test]
    fn significant_digits_are_those_of_percent_g() {
        for (value, digits, text) in [
            (0.0, 4, "0"),
            (100.0, 2, "1e+02"),
            (0.000_012_3, 3, "1.23e-05"),
            (0.5, 3, "0.5"),
            (123.456, 4, "123.5"),
        ] {
            assert_eq!(significant(value, digits), text);
        }
    }

    #[test]
    fn moments_are_written_in_utc() {
        let moment = UNIX_EPOCH + Duration::new(1_795_458_019, 500_000_000);
        assert_eq!(rfc3339(moment), "2026-11-23T18:20:19.5Z");
        assert_eq!(rfc3339_full(moment), "2026-11-23T18:20:19.500000000Z");
        assert_eq!(date_and_time(moment), "2026-11-23 18:20:19 +0000 UTC");
        assert_eq!(rfc3339(UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(at(951_782_400)), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn every_day_of_four_centuries_goes_there_and_back() {
        for day in 0..146_097 {
            let (year, month, date) = date(day);
            assert_eq!(days(year, month, date), Some(day));
        }
    }

    #[test]
    fn moments_are_read_in_every_form() {
        let now = at(1_000_000);
        for (text, seconds) in [
            ("10m", 999_400.0),
            ("1h30m", 994_600.0),
            ("1.5s", 999_998.5),
            ("86400", 86_400.0),
            ("0.25", 0.25),
            ("1970-01-02", 86_400.0),
            ("1970-01-02T00:00:01.5Z", 86_401.5),
            ("1970-01-02T01:00:00+01:00", 86_400.0),
            ("1970-01-01 23:00:00-01:00", 86_400.0),
        ] {
            let since = moment(text, now)
                .unwrap()
                .duration_since(UNIX_EPOCH)
                .unwrap();
            assert_eq!(since.as_secs_f64(), seconds, "{text}");
        }
        for text in [
            "",
            "x",
            "10x",
            "m",
            "-5",
            "1.x",
            "1970-13-01",
            "1970-02-30",
            "1970-01-01T24:00",
            "1970-01-01T00:00+24:00",
            "1970-01-01T00:00:00:00",
            "1970-1-1-1",
            "99999999999999999999",
        ] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_moment_panics(text in "[0-9TZhms:.+-]{0,30}", any in ".*", seconds: u32) {
            let _ = (moment(&text, at(0)), moment(&any, at(0)));
            let then = at(u64::from(seconds));
            proptest::prop_assert_eq!(moment(&rfc3339(then), at(0)), Ok(then));
        }

        #[test]
        fn sizes_are_short(bytes: u64) {
            proptest::prop_assert!(binary_size(bytes).len() <= 8 && decimal_size(bytes).len() <= 6);
        }
    }
}
