//! Every field of every kind, changed behind the operator's back: reported with field, desired, observed and since, then
//! corrected by the call that the field table names, or reported as not correctable with the way out.
//!
//! A kind's table is in `drift/<kind>.rs`: a case for each row of its field table that is compared with AWS.

use std::collections::BTreeSet;

use harness::{History, Test};
use serde_json::Value;
use showcore_operator::field::{Corrected, Row};

use crate::look::{self, assert_drift, calls, drift, last_drift, message, settled};

mod bucket;
mod cache;
mod database;

/// A field changed behind the operator's back.
pub struct Case {
    /// The field, as the status names it.
    pub field: &'static str,
    /// Who changes it, and how.
    pub change: By,
    /// What the report says is desired; `NAME` and `ACCOUNT` as for [`By::Python`].
    pub desired: &'static str,
    /// What it says was observed.
    pub observed: &'static str,
    /// What becomes of it.
    pub then: Then,
}

/// How a field is changed.
#[derive(Clone, Copy)]
pub enum By {
    /// A person with boto3. `NAME` is the resource's name, `ACCOUNT` its account.
    Python(&'static str),
    /// AWS itself, by a back door of the stand-in: what no call changes.
    Aws(fn(&Test, &str)),
}

/// What becomes of a drift.
pub enum Then {
    /// It is corrected at once.
    Corrected,
    /// It is corrected in the maintenance window, Sundays at 05:00.
    InWindow,
    /// The operator does not correct it: the row says these words, and this is how it is undone.
    Blocked(&'static [&'static str], By),
}

/// A kind's table, and an object on which it is tried.
struct Table {
    kind: &'static str,
    rows: &'static [&'static Row],
    name: &'static str,
    spec: &'static str,
    /// The resource's name in AWS; `{account}` is replaced.
    identifier: &'static str,
    cases: &'static [Case],
}

impl Table {
    fn row(&self, field: &str) -> &'static Row {
        let covering = self.rows.iter().filter(|row| row.covers(field));
        covering.max_by_key(|row| row.name.len()).unwrap_or_else(|| panic!("{}: no row for {field}", self.kind))
    }

    async fn run(&self) {
        let test = look::ready(self.kind, self.name, self.spec).await;
        // Six hours in AWS; nothing here is about them.
        let minutes = std::time::Duration::from_mins(2);
        (test.account.durations().optimize_storage, test.account.durations().rest_storage) = (minutes, minutes);
        // A new store's first backup is over, and nothing is under way.
        test.advance(std::time::Duration::from_hours(1));
        let history = test.history(self.kind, self.name);
        let mut corrected = 0;
        for case in self.cases {
            let before = std::time::Instant::now();
            self.try_case(&test, &history, case).await;
            corrected += usize::from(!matches!(case.then, Then::Blocked(..)));
            println!("{} {}: reported, as said ({} ms)", self.kind, case.field, before.elapsed().as_millis());
        }
        println!("{}: {} fields drifted and reported, {corrected} corrected", self.kind, self.cases.len());
    }

    async fn try_case(&self, test: &Test, history: &History, case: &Case) {
        test.settle(self.kind, self.name, &format!("in sync before {}", case.field), settled).await;
        // What AWS does in the background, such as optimising storage, is over: then it takes a person's changes. And the
        // maintenance window is closed.
        test.advance(std::time::Duration::from_hours(2));
        history.clear();
        self.change(test, case.change).await;
        let found = |object: &Value| drift(object, case.field).is_some_and(|row| row["observed"] == case.observed);
        let what = format!("the report of {}: {}", case.field, case.observed);
        test.settle(self.kind, self.name, &what, |_| history.find(found).is_some()).await;
        let told = history.find(found).unwrap();
        let name = self.identifier.replace("{account}", test.account_id());
        let desired = case.desired.replace("NAME", &name).replace("ACCOUNT", test.account_id());
        assert_drift(&told, case.field, &desired, case.observed);
        let row = drift(&told, case.field).unwrap();
        let since = row["since"].clone();
        match &case.then {
            Then::Corrected => {
                assert_eq!(row["action"], "Pending", "{}: {row}", case.field);
                self.planned(test, history, case).await;
            }
            Then::InWindow => {
                let held =
                    |object: &Value| drift(object, case.field).is_some_and(|row| row["action"] == "AwaitingWindow");
                test.settle(self.kind, self.name, &format!("{} held", case.field), held).await;
                self.planned(test, history, case).await;
                look::advance_to_sunday(test, 5, 1);
            }
            Then::Blocked(words, undo) => {
                assert_eq!(row["action"], "Blocked", "{}: {row}", case.field);
                for word in *words {
                    assert!(message(&told, "Drifted").contains(word), "{word}: {}", message(&told, "Drifted"));
                }
                self.change(test, *undo).await;
            }
        }
        let gone = |object: &Value| {
            settled(object) && last_drift(object, case.field).is_some_and(|past| past["found"] == since)
        };
        let object = test.settle(self.kind, self.name, &format!("{} corrected", case.field), gone).await;
        let past = last_drift(&object, case.field).unwrap();
        assert_eq!((&past["desired"], &past["observed"]), (&row["desired"], &row["observed"]), "{}", case.field);
        assert!(past["corrected"].as_str() >= past["found"].as_str(), "{past}");
    }

    /// A plan stands beside the report, at the latest once AWS is not busy any more: it makes one of the calls that the
    /// field table names, and disturbs as it says.
    async fn planned(&self, test: &Test, history: &History, case: &Case) {
        let row = self.row(case.field);
        let Corrected::By(calls) = row.corrected else { panic!("{}: by no call, says the table", case.field) };
        let impact = serde_json::to_value(row.impact).unwrap();
        let planned = |object: &Value| {
            let steps = object["status"]["plan"]["steps"].as_array().cloned().unwrap_or_default();
            let by_call = |step: &Value| calls.iter().any(|call| step["call"] == *call) && step["disruption"] == impact;
            drift(object, case.field).is_some() && steps.iter().any(by_call)
        };
        let what = format!("a plan for {} by {calls:?}, which disturbs as the table says", case.field);
        test.settle(self.kind, self.name, &what, |_| history.find(planned).is_some()).await;
    }

    async fn change(&self, test: &Test, by: By) {
        let name = self.identifier.replace("{account}", test.account_id());
        match by {
            By::Python(code) => {
                test.boto3(&format!("NAME, ACCOUNT = '{name}', '{}'\n{code}", test.account_id())).await;
            }
            By::Aws(change) => change(test, &name),
        }
    }
}

#[test]
fn no_row_without_a_drift_test() {
    let tables = [vec![bucket::TABLE, bucket::LOCKED], vec![cache::TABLE, cache::OPEN], vec![database::TABLE]];
    for tables in tables {
        let first = &tables[0];
        let cases = tables.iter().flat_map(|table| table.cases);
        let tried: BTreeSet<_> = cases.map(|case| first.row(case.field).name).collect();
        let compared = first.rows.iter().filter(|row| row.is_compared()).map(|row| row.name);
        let missing: Vec<_> = compared.filter(|row| !tried.contains(row)).collect();
        assert_eq!(missing, Vec::<&str>::new(), "{}: rows without a drift case", first.kind);
    }
}

#[tokio::test]
async fn every_field_of_a_bucket_that_drifts_is_reported_then_corrected_or_explained() {
    bucket::TABLE.run().await;
    bucket::LOCKED.run().await;
}

#[tokio::test]
async fn every_field_of_a_cache_that_drifts_is_reported_then_corrected_or_explained() {
    cache::TABLE.run().await;
    cache::OPEN.run().await;
}

#[tokio::test]
async fn every_field_of_a_database_that_drifts_is_reported_then_corrected_or_explained() {
    database::TABLE.run().await;
}

#[tokio::test]
async fn drift_that_comes_back_three_times_is_fought_over_said_and_left_alone_for_an_hour() {
    let kind = "ShowCoreBucket";
    let test = look::ready(kind, "fought", "bucketName: 'fought-{accountID}', purpose: Backups").await;
    let bucket = format!("fought-{}", test.account_id());
    let suspend = format!(
        "client('s3').put_bucket_versioning(Bucket='{bucket}', VersioningConfiguration={{'Status': 'Suspended'}})"
    );
    for times in 1..=3 {
        test.boto3(&suspend).await;
        let corrected = |object: &Value| {
            settled(object) && last_drift(object, "versioning").is_some_and(|past| past["times"] == times)
        };
        test.wait(kind, "fought", "corrected", corrected).await;
    }
    let corrections = calls(&test, "PutBucketVersioning");
    test.boto3(&suspend).await;
    let object = test.wait(kind, "fought", "Fought", |object| look::reason(object, "Drifted") == Some("Fought")).await;
    assert_eq!(drift(&object, "versioning").unwrap()["action"], "Fought");
    assert!(message(&object, "Drifted").contains("corrected 3 times and changed back each time"), "{object:#}");
    look::told(&test, "Fought", &["versioning", "corrected again at"]).await;
    look::three_looks(&test, "GetBucketTagging").await;
    assert_eq!(calls(&test, "PutBucketVersioning"), corrections, "it is left alone");
    let version = look::version(&test.get(kind, "fought").await.unwrap()).to_owned();
    look::three_looks(&test, "GetBucketTagging").await;
    assert_eq!(look::version(&test.get(kind, "fought").await.unwrap()), version, "and said once");
    test.advance(std::time::Duration::from_mins(61));
    test.wait(kind, "fought", "corrected after an hour", settled).await;
    assert_eq!(calls(&test, "PutBucketVersioning"), corrections + 1);
    // Public access is never left open, however often somebody opens it.
    let open = format!("client('s3').delete_public_access_block(Bucket='{bucket}')");
    for times in 1..=5 {
        test.boto3(&open).await;
        let closed = |object: &Value| {
            settled(object) && last_drift(object, "publicAccessBlock").is_some_and(|past| past["times"] == times)
        };
        test.wait(kind, "fought", "closed again", closed).await;
    }
}
