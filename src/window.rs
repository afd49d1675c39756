//! Weekly maintenance windows, as AWS writes them. Pure.

use k8s_openapi::jiff::{Timestamp, civil::Weekday, tz::TimeZone};

use crate::spec::Disruption;

const DAY: i32 = 24 * 60;
const WEEK: i32 = 7 * DAY;

/// Whether the store's users may be disturbed now.
pub fn may_disturb(disruption: Disruption, window: &str, now: Timestamp) -> bool {
    disruption == Disruption::Immediate || is_open(window, now)
}

/// Whether the weekly window (`sun:05:00-sun:06:00`, UTC) is open. A window that cannot be read is never open: a
/// disruptive change waits rather than happens at a time that nobody chose.
pub fn is_open(window: &str, now: Timestamp) -> bool {
    let Some((start, end)) = window.split_once('-').and_then(|(start, end)| Some((minute(start)?, minute(end)?)))
    else {
        return false;
    };
    let now = now.to_zoned(TimeZone::UTC);
    let minute =
        i32::from(now.weekday().to_monday_zero_offset()) * DAY + i32::from(now.hour()) * 60 + i32::from(now.minute());
    // A window may run over the end of the week.
    (minute - start).rem_euclid(WEEK) < (end - start).rem_euclid(WEEK)
}

/// Minutes since Monday 00:00 of `sun:05:00`.
fn minute(text: &str) -> Option<i32> {
    let mut parts = text.trim().split(':');
    let day = match parts.next()?.to_ascii_lowercase().as_str() {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return None,
    };
    let (hour, minute): (i32, i32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(i32::from(day.to_monday_zero_offset()) * DAY + hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_open_from_its_first_minute_to_before_its_last() {
        // 2026-11-22 is a Sunday.
        let table = [
            ("sun:05:00-sun:06:00", "2026-11-22T04:59:59Z", false),
            ("sun:05:00-sun:06:00", "2026-11-22T05:00:00Z", true),
            ("sun:05:00-sun:06:00", "2026-11-22T05:59:59Z", true),
            ("sun:05:00-sun:06:00", "2026-11-22T06:00:00Z", false),
            ("sun:05:00-sun:06:00", "2026-11-23T05:30:00Z", false),
            ("sun:23:30-mon:00:30", "2026-11-23T00:10:00Z", true),
            ("sun:23:30-mon:00:30", "2026-11-22T23:40:00Z", true),
            ("sun:23:30-mon:00:30", "2026-11-23T00:30:00Z", false),
            ("nonsense", "2026-11-23T00:30:00Z", false),
            ("sun:05:00-sun:05:00", "2026-11-22T05:00:00Z", false),
        ];
        for (window, now, open) in table {
            assert_eq!(is_open(window, now.parse().expect("a time")), open, "{window} at {now}");
        }
    }
}
