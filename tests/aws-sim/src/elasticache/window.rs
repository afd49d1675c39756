//! Maintenance windows (weekly) and snapshot windows (daily), in UTC.

use jiff::{Timestamp, tz::TimeZone};

use super::rules::{invalid_combination, invalid_value};
use crate::error::AwsError;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;

/// The weekly window of a `ddd:hh24:mi-ddd:hh24:mi`, in minutes since Monday 00:00 UTC.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/maintenance-window.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintenance {
    opens: i64,
    lasts: i64,
}

impl Maintenance {
    /// Reads a window and holds it against AWS's rules: the form, and at least 60 minutes.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let minutes = |part: &str| {
            let (day, time) = part.split_once(':')?;
            let day = DAYS.iter().position(|name| day.eq_ignore_ascii_case(name))?;
            Some(i64::try_from(day).ok()? * DAY + clock(time)?)
        };
        let window = text.split_once('-').and_then(|(opens, closes)| {
            let (opens, closes) = (minutes(opens)?, minutes(closes)?);
            Some(Maintenance { opens, lasts: (closes - opens).rem_euclid(WEEK) })
        });
        match window {
            None => Err(invalid_value(format!(
                "Invalid maintenance window {text:?}: the format is ddd:hh24:mi-ddd:hh24:mi (24H clock, UTC)."
            ))),
            Some(window) if window.lasts < 60 => Err(invalid_value("Maintenance window must be at least 60 minutes.")),
            Some(window) => Ok(window),
        }
    }

    /// When it opens next, strictly after `from`.
    pub fn next_opening(self, from: Timestamp) -> Timestamp {
        let zoned = from.to_zoned(TimeZone::UTC);
        let day = i64::from(zoned.weekday().to_monday_zero_offset());
        let second =
            (day * DAY + i64::from(zoned.hour()) * 60 + i64::from(zoned.minute())) * 60 + i64::from(zoned.second());
        let ahead = match (self.opens * 60 - second).rem_euclid(WEEK * 60) {
            0 => WEEK * 60,
            ahead => ahead,
        };
        Timestamp::from_second(from.as_second() + ahead).expect("a week ahead is still a date")
    }
}

/// The daily window of a `hh24:mi-hh24:mi`, in minutes since midnight UTC.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-automatic.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshots {
    opens: i64,
    lasts: i64,
}

impl Snapshots {
    /// Reads a window and holds it against AWS's rules: the form, and at least 60 minutes.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let window = text.split_once('-').and_then(|(opens, closes)| {
            let (opens, closes) = (clock(opens)?, clock(closes)?);
            Some(Snapshots { opens, lasts: (closes - opens).rem_euclid(DAY) })
        });
        match window {
            None => Err(invalid_value(format!(
                "Invalid snapshot window {text:?}: the format is hh24:mi-hh24:mi (24H clock, UTC)."
            ))),
            Some(window) if window.lasts < 60 => Err(invalid_value("Snapshot window must be at least 60 minutes.")),
            Some(window) => Ok(window),
        }
    }

    fn overlaps(self, maintenance: Maintenance) -> bool {
        // From the day before Monday to the day after Sunday, so that windows around midnight and the week's end count.
        (-1..=7).any(|day| {
            let opens = day * DAY + self.opens;
            [-WEEK, 0, WEEK].iter().any(|week| {
                let other = maintenance.opens + week;
                opens < other + maintenance.lasts && other < opens + self.lasts
            })
        })
    }
}

/// The two windows of a group or cluster, those not given chosen so that they stay clear of the other (AWS picks them
/// from a block of hours of the region). They may not overlap, also while no snapshots are made.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/backups-automatic.html>
pub fn both(maintenance: Option<&str>, snapshots: Option<&str>) -> Result<(String, String), AwsError> {
    for (own_maintenance, own_snapshots) in [
        ("sat:06:00-sat:07:00", "03:00-04:00"),
        ("sat:12:00-sat:13:00", "09:00-10:00"),
        ("sun:18:00-sun:19:00", "21:00-22:00"),
    ] {
        let weekly = maintenance.unwrap_or(own_maintenance);
        let daily = snapshots.unwrap_or(own_snapshots);
        if !Snapshots::parse(daily)?.overlaps(Maintenance::parse(weekly)?) {
            return Ok((weekly.to_ascii_lowercase(), daily.to_owned()));
        }
    }
    Err(invalid_combination("The snapshot window and maintenance window must not overlap."))
}

/// Minutes since midnight of an `hh:mm`.
fn clock(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let number = |part: &str, below: i64| {
        (part.len() == 2).then(|| part.parse().ok()).flatten().filter(|value| (0..below).contains(value))
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_a_form_and_last_an_hour() {
        for (text, good) in [
            ("sun:23:00-mon:01:30", true),
            ("Sun:05:00-Sun:06:00", true),
            ("sun:05:00-sun:05:59", false),
            ("sun:05:00", false),
            ("sun:5:00-sun:06:00", false),
            ("day:05:00-sun:06:00", false),
            ("sun:24:00-mon:01:00", false),
        ] {
            assert_eq!(Maintenance::parse(text).is_ok(), good, "{text}");
        }
        for (text, good) in [("03:00-04:00", true), ("23:30-00:30", true), ("03:00-03:59", false), ("3-4", false)] {
            assert_eq!(Snapshots::parse(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn the_next_opening_is_ahead_even_at_the_opening_itself() {
        // 2026-11-25 is a Wednesday.
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let window = Maintenance::parse("thu:05:00-thu:06:00").unwrap();
        for (from, opens) in [
            ("2026-11-25T04:00:00Z", "2026-11-26T05:00:00Z"),
            ("2026-11-26T04:59:59Z", "2026-11-26T05:00:00Z"),
            ("2026-11-26T05:00:00Z", "2026-12-03T05:00:00Z"),
            ("2026-11-26T05:30:00Z", "2026-12-03T05:00:00Z"),
        ] {
            assert_eq!(window.next_opening(at(from)), at(opens), "{from}");
        }
    }

    #[test]
    fn windows_do_not_overlap() {
        assert!(both(Some("sun:03:30-sun:04:30"), Some("03:00-04:00")).is_err());
        assert!(both(Some("sun:04:00-sun:05:00"), Some("03:00-04:00")).is_ok());
        assert!(both(Some("sun:23:30-mon:00:30"), Some("00:00-01:00")).is_err());
        assert!(both(Some("mon:00:00-mon:01:00"), Some("23:30-00:30")).is_err());
        let (maintenance, snapshots) = both(None, Some("06:30-07:30")).unwrap();
        assert_eq!((maintenance.as_str(), snapshots.as_str()), ("sat:12:00-sat:13:00", "06:30-07:30"));
    }
}
