//! Tags of keys.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/tagging-keys.html>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Found, Kms, page};
use crate::call::Call;
use crate::error::AwsError;

impl Kms {
    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_TagResource.html>
    pub(super) fn tag_resource(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let key = self.key_to_change(call)?;
        key.must_not_be_pending()?;
        key.tags = checked(call, &key.tags)?;
        Ok(json!({}))
    }

    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_UntagResource.html>
    pub(super) fn untag_resource(&mut self, call: &Call<'_>) -> Result<Value, AwsError> {
        let key = self.key_to_change(call)?;
        key.must_not_be_pending()?;
        for name in call.list("TagKeys").into_iter().flatten().filter_map(Value::as_str) {
            key.tags.remove(name);
        }
        Ok(json!({}))
    }

    /// <https://docs.aws.amazon.com/kms/latest/APIReference/API_ListResourceTags.html>
    pub(super) fn list_resource_tags(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        let none = BTreeMap::new();
        let tags = match self.find(call, call.text("KeyId").unwrap_or_default())? {
            Found::Customer(id) => &self.customer_key(call, &id)?.tags,
            Found::Managed(_) => &none,
        };
        let items = tags.iter().map(|(name, value)| (name.clone(), json!({"TagKey": name, "TagValue": value})));
        page(call, "Tags", 50, items.collect())
    }
}

/// The tags of the request beside those there are: no key twice, none of AWS's own, at most 50.
pub(super) fn checked(
    call: &Call<'_>,
    already: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, AwsError> {
    let mut given = BTreeMap::new();
    for tag in call.list("Tags").into_iter().flatten() {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        let name = text("TagKey");
        if name.to_ascii_lowercase().starts_with("aws:") {
            return Err(AwsError::new("TagException", "Tag keys may not begin with aws:."));
        }
        if given.insert(name, text("TagValue")).is_some() {
            return Err(AwsError::new("TagException", "Duplicate tag keys."));
        }
    }
    let mut all = already.clone();
    all.extend(given);
    if all.len() > 50 {
        return Err(AwsError::new("LimitExceededException", "A key can have at most 50 tags."));
    }
    Ok(all)
}
