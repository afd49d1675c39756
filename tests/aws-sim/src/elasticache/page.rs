//! Listings in pages: `MaxRecords` and `Marker`.

use serde_json::{Value, json};

use super::rules::invalid_value;
use crate::call::Call;
use crate::error::AwsError;

/// The page of `items` (name and answer, in the order of names) that the call asks for, as
/// `{"<member>": […], "Marker": "…"}`. `MaxRecords` is 20 to `most`, and `most` if it is not given; a `Marker` is what
/// the answer before gave.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeReplicationGroups.html>
pub fn page(
    call: &Call<'_>,
    member: &str,
    most: i64,
    items: impl Iterator<Item = (String, Value)>,
) -> Result<Value, AwsError> {
    let size = call.integer("MaxRecords").unwrap_or(most);
    if !(20..=most).contains(&size) {
        return Err(invalid_value(format!("Invalid value for MaxRecords {size}: it must be between 20 and {most}.")));
    }
    let after = call.text("Marker").map(unmark).transpose()?;
    let mut rest = items.skip_while(|(name, _)| after.as_ref().is_some_and(|after| name <= after));
    let mut answers = Vec::new();
    let mut last = String::new();
    for _ in 0..size {
        let Some((name, answer)) = rest.next() else { break };
        last = name;
        answers.push(answer);
    }
    let mut answer = json!({member: answers});
    if rest.next().is_some() {
        answer["Marker"] = mark(&last).into();
    }
    Ok(answer)
}

/// Opaque to clients: the last name of the page, in hex.
fn mark(name: &str) -> String {
    use std::fmt::Write as _;
    name.bytes().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unmark(marker: &str) -> Result<String, AwsError> {
    let bytes: Option<Vec<u8>> =
        marker.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| invalid_value(format!("The parameter Marker {marker:?} is not a valid marker.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_come_back_as_the_name() {
        assert_eq!(unmark(&mark("showcore-a1")).unwrap(), "showcore-a1");
        assert_eq!(unmark("not one").unwrap_err().code, "InvalidParameterValue");
    }
}
