//! An instance's storage: sizes, kinds and figures, and what a modification may make of them.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html> has the figures,
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIOPS.ModifyingExisting.html> the modification.

use serde_json::{Map, Value};

use super::instance::Instance;
use super::rules::{combination, invalid};
use crate::call::Call;
use crate::error::AwsError;

/// The storage of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) kind: String,
    /// GiB.
    pub(super) allocated: i64,
    pub(super) iops: Option<i64>,
    /// MiB a second.
    pub(super) throughput: Option<i64>,
}

impl Storage {
    /// What results from these wishes, by the rules of
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Storage.html>.
    pub(super) fn new(
        kind: Option<&str>,
        allocated: Option<i64>,
        iops: Option<i64>,
        throughput: Option<i64>,
    ) -> Result<Self, AwsError> {
        let kind = kind.unwrap_or(if iops.is_some() { "io1" } else { "gp3" });
        let allocated = allocated.ok_or_else(|| {
            AwsError::new("MissingParameter", "The request must contain the parameter AllocatedStorage.")
        })?;
        let (least, most) = match kind {
            "gp2" | "gp3" => (20, 65536),
            "io1" | "io2" => (100, 65536),
            "standard" => (5, 3072),
            other => return Err(invalid(format!("Invalid storage type: {other}"))),
        };
        if !(least..=most).contains(&allocated) {
            return Err(invalid(format!(
                "Invalid storage size for engine name postgres and storage type {kind}: {allocated}"
            )));
        }
        let (iops, throughput) = match kind {
            "gp3" => gp3(allocated, iops, throughput)?,
            "io1" | "io2" => (Some(provisioned(kind, allocated, iops)?), None),
            _ if iops.is_some() || throughput.is_some() => {
                return Err(combination(format!(
                    "You can't specify IOPS or storage throughput for storage type {kind}."
                )));
            }
            _ => (None, None),
        };
        Ok(Self { kind: kind.to_owned(), allocated, iops, throughput })
    }
}

/// Baseline 3,000 IOPS and 125 MiB/s; four volumes from 400 GiB on, and only
/// then to be chosen.
fn gp3(allocated: i64, iops: Option<i64>, throughput: Option<i64>) -> Result<(Option<i64>, Option<i64>), AwsError> {
    if allocated < 400 {
        if iops.is_some() || throughput.is_some() {
            return Err(combination(
                "You can't specify IOPS or storage throughput for engine postgres and a storage size \
                 less than 400.",
            ));
        }
        return Ok((Some(3000), Some(125)));
    }
    let (iops, throughput) = (iops.unwrap_or(12000), throughput.unwrap_or(500));
    // At most a MiB a second for each four operations.
    if !(12000..=64000).contains(&iops) || !(500..=4000).contains(&throughput) || throughput * 4 > iops {
        return Err(combination(format!(
            "Invalid IOPS or storage throughput for storage type gp3: {iops}, {throughput}"
        )));
    }
    Ok((Some(iops), Some(throughput)))
}

fn provisioned(kind: &str, allocated: i64, iops: Option<i64>) -> Result<i64, AwsError> {
    let iops = iops.ok_or_else(|| combination(format!("You must specify Iops when the storage type is {kind}.")))?;
    let most = if kind == "io2" { 1000 } else { 50 };
    if !(1000..=256_000).contains(&iops) || iops * 2 < allocated || iops > allocated * most {
        return Err(combination(format!("The IOPS to GiB ratio of {iops} to {allocated} is not allowed.")));
    }
    Ok(iops)
}

/// The parameters of a modification that are about storage.
const PARAMETERS: [&str; 4] = ["AllocatedStorage", "StorageType", "Iops", "StorageThroughput"];

/// Whether a modification is about storage.
pub(super) fn is_asked(call: &Call<'_>) -> bool {
    PARAMETERS.iter().any(|name| call.parameters.get(name).is_some())
}

/// A full instance takes more storage, and nothing else beside it.
pub(super) fn only_grows(call: &Call<'_>) -> bool {
    let harmless = ["DBInstanceIdentifier", "ApplyImmediately", "MaxAllocatedStorage"];
    let mut names = call.parameters.as_object().into_iter().flat_map(Map::keys);
    names.all(|name| PARAMETERS.contains(&name.as_str()) || harmless.contains(&name.as_str()))
        && call.integer("AllocatedStorage").is_some()
}

/// After a change of the storage there is no other for six hours, and none while it is still being optimised.
pub(super) fn may_change(call: &Call<'_>, instance: &Instance) -> Result<(), AwsError> {
    let rests = instance.is_optimizing(call.now) || instance.storage_rests_until.is_some_and(|until| call.now < until);
    if !is_asked(call) || !rests {
        return Ok(());
    }
    let mut wanted = Map::new();
    grow(call, instance, &mut wanted)?;
    if wanted.iter().all(|(name, value)| holds(&instance.storage, name, value)) {
        return Ok(());
    }
    Err(combination(
        "You can't currently modify the storage of this DB instance because the previous storage \
         change is being optimized.",
    ))
}

/// Whether the storage is what this wish says.
pub(super) fn holds(now: &Storage, name: &str, value: &Value) -> bool {
    match name {
        "AllocatedStorage" => value.as_i64() == Some(now.allocated),
        "StorageType" => value.as_str() == Some(&now.kind),
        "Iops" => value.as_i64() == now.iops,
        "StorageThroughput" => value.as_i64() == now.throughput,
        _ => false,
    }
}

/// Storage only grows, by a tenth at least: less is rounded up. Where there is a figure to be chosen, size and figure are
/// given together; AWS's words are those of people's reports, such as
/// <https://github.com/hashicorp/terraform-provider-aws/issues/28589>.
pub(super) fn grow(call: &Call<'_>, instance: &Instance, wanted: &mut Map<String, Value>) -> Result<(), AwsError> {
    let now = &instance.storage;
    let mut gib = call.integer("AllocatedStorage").unwrap_or(now.allocated);
    if gib < now.allocated {
        return Err(combination(format!(
            "Invalid storage size for engine name postgres and storage type {}: {gib}; the allocated \
             storage of {} GiB cannot be reduced.",
            now.kind, now.allocated
        )));
    }
    if gib > now.allocated {
        gib = gib.max(now.allocated + (now.allocated + 9) / 10);
    }
    let kind = call.text("StorageType").unwrap_or(&now.kind);
    let chosen = ["io1", "io2"].contains(&now.kind.as_str()) || (now.kind == "gp3" && now.allocated >= 400);
    let (sized, figured) = (call.integer("AllocatedStorage").is_some(), call.integer("Iops").is_some());
    if chosen && kind == now.kind && sized != figured {
        return Err(combination(
            "You must specify both the storage size and iops when modifying the storage size or iops on a DB \
             instance that has iops.",
        ));
    }
    // Of the same type and above gp3's threshold the present figures go on.
    let keep = |figure: Option<i64>| figure.filter(|_| kind == now.kind && (kind != "gp3" || now.allocated >= 400));
    let iops = call.integer("Iops").or(keep(now.iops));
    let throughput = call.integer("StorageThroughput").or(keep(now.throughput));
    let storage = Storage::new(Some(kind), Some(gib), iops, throughput)?;
    wanted.insert("AllocatedStorage".into(), storage.allocated.into());
    wanted.insert("StorageType".into(), storage.kind.into());
    for (name, figure) in [("Iops", storage.iops), ("StorageThroughput", storage.throughput)] {
        if let Some(figure) = figure {
            wanted.insert(name.into(), figure.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_has_a_floor_and_its_baseline() {
        let code = |kind, gib, iops| Storage::new(Some(kind), Some(gib), iops, None).map_err(|error| error.code);
        assert_eq!(code("gp3", 1, None), Err("InvalidParameterValue".into()));
        assert_eq!(code("floppy", 20, None), Err("InvalidParameterValue".into()));
        assert_eq!(code("gp3", 20, Some(6000)), Err("InvalidParameterCombination".into()));
        assert_eq!(code("io1", 100, None), Err("InvalidParameterCombination".into()));
        assert_eq!(code("gp2", 20, None).unwrap().iops, None);
        assert_eq!(code("gp3", 20, None).unwrap().iops, Some(3000));
        assert_eq!(code("gp3", 400, None).unwrap().throughput, Some(500));
        assert_eq!(Storage::new(None, None, None, None).unwrap_err().code, "MissingParameter");
    }
}
