//! Snapshots: manual, final and automated ones.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_CreateSnapshot.html>

use jiff::Timestamp;
use serde_json::{Value, json};

use super::describe::{filters, page};
use super::instance::{Effect, Instance};
use super::rules::{self, Tags, tag_list};
use super::{Answer, Region};
use crate::call::Call;
use crate::clock::after;
use crate::error::AwsError;

/// How many manual snapshots a region holds:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html>
const QUOTA: usize = 100;

/// A snapshot, which keeps what its instance was.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    identifier: String,
    automated: bool,
    instance: Instance,
    available_from: Timestamp,
    taken: Timestamp,
    pub(super) tags: Tags,
}

impl Snapshot {
    fn status(&self, now: Timestamp) -> &'static str {
        if now < self.available_from { "creating" } else { "available" }
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBSnapshot.html>
    fn show(&self, call: &Call<'_>) -> Value {
        let instance = &self.instance;
        let done = self.status(call.now) == "available";
        let mut shown = json!({
            "DBSnapshotIdentifier": self.identifier,
            "DBSnapshotArn": call.arn("rds", &format!("snapshot:{}", self.identifier)),
            "DBInstanceIdentifier": instance.identifier,
            "DbiResourceId": instance.resource_id,
            "SnapshotType": if self.automated { "automated" } else { "manual" },
            "Status": self.status(call.now),
            "PercentProgress": if done { 100 } else { 0 },
            "Engine": "postgres",
            "EngineVersion": instance.engine_version,
            "LicenseModel": "postgresql-license",
            "AllocatedStorage": instance.storage.allocated,
            "StorageType": instance.storage.kind,
            "StorageThroughput": instance.storage.throughput.unwrap_or(0),
            "Port": instance.port,
            "AvailabilityZone": instance.zone,
            "MasterUsername": instance.master_username,
            "Encrypted": instance.kms_key.is_some(),
            "IAMDatabaseAuthenticationEnabled": instance.iam_authentication,
            "OptionGroupName": format!("default:postgres-{}", super::catalog::parts(&instance.engine_version).0),
            "SnapshotTarget": "region",
            "DedicatedLogVolume": false,
            "TagList": tag_list(&self.tags),
        });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                shown[name] = value;
            }
        };
        set("KmsKeyId", instance.kms_key.clone().map(Value::from));
        set("Iops", instance.storage.iops.map(Value::from));
        set("InstanceCreateTime", instance.created.map(|time| time.to_string().into()));
        let taken = || Value::from(self.taken.to_string());
        set("SnapshotCreateTime", done.then(taken));
        set("OriginalSnapshotCreateTime", done.then(taken));
        shown
    }
}

impl Instance {
    /// The tags that its snapshots get.
    pub(super) fn tags_to_copy(&self) -> Tags {
        if self.copy_tags { self.tags.clone() } else { Tags::new() }
    }
}

impl Region {
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html>
    pub(super) fn create_db_snapshot(&mut self, call: &Call<'_>) -> Answer {
        let instance = self.named(call)?.clone();
        instance.must_be(&["available", "storage-optimization"], call.now)?;
        let mut tags = instance.tags_to_copy();
        tags.extend(rules::tags(call.list("Tags"))?);
        rules::tag_count(&tags)?;
        let name = call.text("DBSnapshotIdentifier").unwrap_or_default();
        self.take_snapshot(call, name, &instance, &tags)?;
        let lasts = call.durations.create_db_snapshot;
        self.named(call)?.then("backing-up", call.now, lasts, Effect::Nothing);
        let shown = self.snapshot(name)?.show(call);
        Ok(json!({"DBSnapshot": shown}))
    }

    /// Begins a manual snapshot of an instance, and tells when it will be there.
    pub(super) fn take_snapshot(
        &mut self,
        call: &Call<'_>,
        name: &str,
        instance: &Instance,
        tags: &Tags,
    ) -> Result<Timestamp, AwsError> {
        let identifier = rules::identifier("DBSnapshotIdentifier", name, 255)?;
        if self.snapshots.contains_key(&identifier) {
            return Err(AwsError::new(
                "DBSnapshotAlreadyExists",
                format!(
                    "Cannot create the snapshot because a snapshot with the identifier {identifier} already exists."
                ),
            ));
        }
        if self.snapshots.values().filter(|snapshot| !snapshot.automated).count() >= QUOTA {
            return Err(AwsError::new(
                "SnapshotQuotaExceeded",
                format!("The quota of {QUOTA} manual snapshots in {} is reached.", call.region),
            ));
        }
        let available_from = after(call.now, call.durations.create_db_snapshot);
        let snapshot = Snapshot {
            identifier: identifier.clone(),
            automated: false,
            instance: instance.clone(),
            available_from,
            taken: call.now,
            tags: tags.clone(),
        };
        self.snapshots.insert(identifier, snapshot);
        Ok(available_from)
    }

    /// What an automated backup leaves: `rds:<instance>-<time>`.
    pub(super) fn keep_automated_snapshot(&mut self, instance: &str, at: Timestamp) {
        let Some(instance) = self.instances.get(instance) else { return };
        let identifier = format!("rds:{}-{}", instance.identifier, at.strftime("%Y-%m-%d-%H-%M"));
        let snapshot = Snapshot {
            identifier: identifier.clone(),
            automated: true,
            instance: instance.clone(),
            available_from: at,
            taken: at,
            tags: instance.tags_to_copy(),
        };
        self.snapshots.insert(identifier, snapshot);
    }

    /// The automated snapshots go with their instance.
    pub(super) fn drop_automated_snapshots(&mut self, resource_id: &str) {
        self.snapshots.retain(|_, snapshot| !snapshot.automated || snapshot.instance.resource_id != resource_id);
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBSnapshots.html>
    pub(super) fn describe_db_snapshots(&mut self, call: &Call<'_>) -> Answer {
        let known = ["db-instance-id", "db-snapshot-id", "dbi-resource-id", "snapshot-type", "engine"];
        let mut wanted = filters(call, &known)?;
        let mut also = |filter: &str, parameter: &str| {
            if let Some(value) = call.text(parameter) {
                wanted.push((filter.to_owned(), vec![value.to_owned()]));
            }
        };
        also("db-instance-id", "DBInstanceIdentifier");
        also("dbi-resource-id", "DbiResourceId");
        match call.text("SnapshotType") {
            None | Some("automated" | "manual") => also("snapshot-type", "SnapshotType"),
            Some(other) => {
                return Err(AwsError::not_implemented(format!("the snapshot type {other} of rds")));
            }
        }
        if let Some(name) = call.text("DBSnapshotIdentifier") {
            self.snapshot(name)?;
            also("db-snapshot-id", "DBSnapshotIdentifier");
        }
        let fits = |snapshot: &Snapshot| {
            wanted.iter().all(|(name, values)| {
                let own = match name.as_str() {
                    "db-instance-id" => &snapshot.instance.identifier,
                    "db-snapshot-id" => &snapshot.identifier,
                    "dbi-resource-id" => &snapshot.instance.resource_id,
                    "snapshot-type" if snapshot.automated => "automated",
                    "snapshot-type" => "manual",
                    _ => "postgres",
                };
                values.iter().any(|value| value == own || rules::identifier_of(value) == own)
            })
        };
        let snapshots = self.snapshots.iter().filter(|(_, snapshot)| fits(snapshot));
        let snapshots = snapshots.map(|(name, snapshot)| (name.clone(), snapshot)).collect();
        page(call, "DBSnapshots", snapshots, |snapshot| snapshot.show(call))
    }

    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSnapshot.html>
    pub(super) fn delete_db_snapshot(&mut self, call: &Call<'_>) -> Answer {
        let snapshot = self.snapshot(call.text("DBSnapshotIdentifier").unwrap_or_default())?;
        if snapshot.automated || snapshot.status(call.now) != "available" {
            return Err(AwsError::new(
                "InvalidDBSnapshotState",
                format!("Snapshot {} is not a manual one that is available.", snapshot.identifier),
            ));
        }
        let (identifier, mut shown) = (snapshot.identifier.clone(), snapshot.show(call));
        shown["Status"] = "deleted".into();
        self.snapshots.remove(&identifier);
        Ok(json!({"DBSnapshot": shown}))
    }

    pub(super) fn snapshot(&mut self, name: &str) -> Result<&mut Snapshot, AwsError> {
        let name = rules::identifier_of(name);
        self.snapshots
            .get_mut(&name)
            .ok_or_else(|| AwsError::new("DBSnapshotNotFound", format!("DBSnapshot {name} not found.")))
    }
}
