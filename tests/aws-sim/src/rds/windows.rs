//! Backup and maintenance windows.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_UpgradeDBInstance.Maintenance.html#Concepts.DBMaintenance>

use jiff::{SignedDuration, Timestamp};

use super::rules::{combination, invalid, matches};
use crate::error::AwsError;

const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A daily window `hh24:mi-hh24:mi` of at least 30 minutes.
pub(super) fn backup(window: &str) -> Result<String, AwsError> {
    let wrong =
        || invalid(format!("Invalid backup window '{window}': it must be hh24:mi-hh24:mi, at least 30 minutes long."));
    let (start, end) = backup_minutes(window).ok_or_else(wrong)?;
    if (end - start).rem_euclid(DAY) < 30 {
        return Err(wrong());
    }
    Ok(window.to_owned())
}

/// A weekly window `ddd:hh24:mi-ddd:hh24:mi` of 30 minutes to a day. AWS
/// answers it in lower case.
pub(super) fn maintenance(window: &str) -> Result<String, AwsError> {
    let wrong = || {
        invalid(format!(
            "Invalid maintenance window '{window}': it must be ddd:hh24:mi-ddd:hh24:mi, from 30 \
             minutes to 24 hours long."
        ))
    };
    let window = window.to_ascii_lowercase();
    let (start, length) = maintenance_minutes(&window).ok_or_else(wrong)?;
    debug_assert!(start < WEEK);
    if !(30..=DAY).contains(&length) {
        return Err(wrong());
    }
    Ok(window)
}

/// Both windows must not meet on any day.
pub(super) fn apart(backup: &str, maintenance: &str) -> Result<(), AwsError> {
    let (Some((from, to)), Some((start, length))) = (backup_minutes(backup), maintenance_minutes(maintenance)) else {
        return Ok(());
    };
    let lasts = (to - from).rem_euclid(DAY);
    let meet = (-1..8).any(|day| {
        let from = day * DAY + from;
        let overlap = |start: i64| from < start + length && start < from + lasts;
        overlap(start) || overlap(start - WEEK)
    });
    if meet {
        return Err(combination("The backup window and maintenance window must not overlap."));
    }
    Ok(())
}

/// When a maintenance window opens, at `time` or after it.
pub(super) fn opens(window: &str, time: Timestamp) -> Timestamp {
    let (start, _) = maintenance_minutes(window).unwrap_or_default();
    let minute = time.as_second().div_euclid(60);
    // 1970 began on a Thursday.
    let of_week = (minute + 3 * DAY).rem_euclid(WEEK);
    let wait = (start - of_week).rem_euclid(WEEK);
    let opens = Timestamp::from_second((minute + wait) * 60).unwrap_or(time);
    if opens < time { opens + SignedDuration::from_mins(WEEK) } else { opens }
}

/// Whether a maintenance window is open at `time`.
pub(super) fn is_open(window: &str, time: Timestamp) -> bool {
    maintenance_minutes(window).is_some_and(|(_, length)| {
        let opened = opens(window, time - SignedDuration::from_mins(length));
        opened <= time && time < opened + SignedDuration::from_mins(length)
    })
}

/// The windows of an instance for which none are given: AWS picks them from a
/// block of eight hours for each region. Here the seed picks the hour.
pub(super) fn defaults(seed: u64) -> (String, String) {
    let hour = seed % 8;
    let day = DAYS[usize::try_from(seed / 8 % 7).unwrap_or_default()];
    (format!("{hour:02}:00-{hour:02}:30"), format!("{day}:{:02}:00-{day}:{:02}:30", hour + 1, hour + 1))
}

fn clock(text: &str) -> Option<i64> {
    if !matches("^([01][0-9]|2[0-3]):[0-5][0-9]$", text) {
        return None;
    }
    let (hours, minutes) = text.split_once(':')?;
    Some(hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?)
}

fn backup_minutes(window: &str) -> Option<(i64, i64)> {
    let (start, end) = window.split_once('-')?;
    Some((clock(start)?, clock(end)?))
}

fn maintenance_minutes(window: &str) -> Option<(i64, i64)> {
    let point = |text: &str| {
        let (day, time) = text.split_once(':')?;
        let day = DAYS.iter().position(|name| *name == day)?;
        Some(i64::try_from(day).ok()? * DAY + clock(time)?)
    };
    let (start, end) = window.split_once('-')?;
    let (start, end) = (point(start)?, point(end)?);
    Some((start, (end - start).rem_euclid(WEEK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn windows_have_their_form() {
        assert!(backup("23:45-00:15").is_ok());
        for wrong in ["03:00-03:15", "3:00-4:00", "24:00-01:00", "03:00", "03:00-03:00"] {
            assert_eq!(backup(wrong).unwrap_err().code, "InvalidParameterValue", "{wrong}");
        }
        assert_eq!(maintenance("Sun:23:45-Mon:00:15").unwrap(), "sun:23:45-mon:00:15");
        for wrong in ["sun:03:00-sun:03:15", "sun:03:00-tue:03:00", "so:03:00-so:04:00", "03:00-04:00"] {
            assert_eq!(maintenance(wrong).unwrap_err().code, "InvalidParameterValue", "{wrong}");
        }
    }

    #[test]
    fn windows_must_not_overlap() {
        assert!(apart("03:00-04:00", "sun:04:00-sun:05:00").is_ok());
        assert!(apart("03:00-04:01", "sun:04:00-sun:05:00").is_err());
        assert!(apart("23:30-00:30", "mon:00:00-mon:01:00").is_err());
        assert!(apart("00:00-00:30", "sun:23:45-mon:00:15").is_err());
    }

    #[test]
    fn the_next_window_is_found() {
        // 2026-11-24 is a Tuesday.
        let tuesday = time("2026-11-24T10:00:00Z");
        assert_eq!(opens("tue:10:00-tue:11:00", tuesday), tuesday);
        assert_eq!(opens("tue:11:30-tue:12:00", tuesday), time("2026-11-24T11:30:00Z"));
        assert_eq!(opens("mon:02:00-mon:03:00", tuesday), time("2026-11-30T02:00:00Z"));
        assert_eq!(opens("tue:10:00-tue:11:00", time("2026-11-24T10:00:01Z")), time("2026-12-01T10:00:00Z"));
        assert!(is_open("tue:09:30-tue:10:30", tuesday));
        assert!(is_open("tue:10:00-tue:10:30", tuesday));
        assert!(!is_open("tue:10:30-tue:11:30", tuesday));
        assert!(!is_open("tue:09:30-tue:10:00", tuesday));
    }

    #[test]
    fn default_windows_are_valid_and_apart() {
        for seed in 0..60 {
            let (nightly, weekly) = defaults(seed);
            backup(&nightly).unwrap();
            maintenance(&weekly).unwrap();
            apart(&nightly, &weekly).unwrap();
        }
    }
}
