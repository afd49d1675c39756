//! Automatic rotation.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html>

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::keys::State;
use super::{Found, Kms};
use crate::call::Call;
use crate::error::AwsError;

/// Whether a key rotates by itself, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Period in days, and since when.
    pub every: Option<(i64, Timestamp)>,
}

impl Kms {
    /// 90 to 2,560 days (the model says so), 365 if none are given.
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html>
    pub(super) fn enable_key_rotation(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let key = self.key_to_change(call)?;
        key.must_not_be_pending()?;
        key.must_be_enabled()?;
        let now = call.integer("RotationPeriodInDays");
        let days = now.or(key.rotation.every.map(|(days, _)| days)).unwrap_or(365);
        key.rotation.every = Some((days, call.now));
        Ok(json!({}))
    }

    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKeyRotation.html>
    pub(super) fn disable_key_rotation(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let key = self.key_to_change(call)?;
        key.must_not_be_pending()?;
        key.must_be_enabled()?;
        key.rotation.every = None;
        Ok(json!({}))
    }

    /// AWS managed keys rotate every year; a key that waits for its deletion says `false` and remembers.
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html>
    pub(super) fn get_key_rotation_status(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let (arn, every) = match self.find(call, call.text("KeyId").unwrap_or_default())? {
            Found::Managed(service) => (call.managed_key(service), Some((365, Timestamp::UNIX_EPOCH))),
            Found::Customer(id) => {
                let key = self.customer_key(call, &id)?;
                let pending = matches!(key.state, State::PendingDeletion { .. });
                (key.arn.clone(), key.rotation.every.filter(|_| !pending))
            }
        };
        let mut answer = json!({"KeyRotationEnabled": every.is_some(), "KeyId": arn});
        if let Some((days, since)) = every {
            answer["RotationPeriodInDays"] = days.into();
            answer["NextRotationDate"] = next(days, since, call.now).to_string().into();
        }
        Ok(answer)
    }
}

/// The first whole period after now.
fn next(days: i64, since: Timestamp, now: Timestamp) -> Timestamp {
    let period = Duration::from_hours(24 * days.unsigned_abs());
    let mut at = since + period;
    while at <= now {
        at += period;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_rotation_is_ahead() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let since = at("2026-01-01T00:00:00Z");
        assert_eq!(next(90, since, since), at("2026-04-01T00:00:00Z"));
        assert_eq!(next(90, since, at("2026-04-01T00:00:00Z")), at("2026-06-30T00:00:00Z"));
    }
}
