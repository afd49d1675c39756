//! RDS's behaviour, through the whole account, so that every parameter and
//! answer is held against AWS's model on the way.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{Account, AwsError, Options, Sim};

mod changing;
mod creating;
mod ending;
mod groups;

const REGION: &str = "eu-central-1";
const NAME: &str = "showcore-database-production-rds";

/// An account whose time stands still until it is pushed.
struct Bench {
    sim: Sim,
    account: Account,
}

#[expect(clippy::needless_pass_by_value, reason = "so that a test passes `json!` as it is")]
impl Bench {
    fn new() -> Self {
        let sim = Sim::new(Options::default());
        let account = sim.account("AKIASIM00111122223333");
        Self { sim, account }
    }

    fn call(&self, operation: &str, parameters: Value) -> Result<Value, AwsError> {
        let answer = self.account.execute("rds", REGION, operation, &parameters, "");
        assert_eq!(self.sim.violations(), [""; 0]);
        answer
    }

    fn code(&self, operation: &str, parameters: Value) -> String {
        match self.call(operation, parameters.clone()) {
            Ok(answer) => panic!("{operation} {parameters} should be refused, and answers {answer}"),
            Err(error) => error.code,
        }
    }

    /// The wishes of the Phase 1 estate, with changes.
    fn wishes(changes: Value) -> Value {
        let mut wishes = json!({
            "DBInstanceIdentifier": NAME,
            "DBInstanceClass": "db.t3.micro",
            "Engine": "postgres",
            "EngineVersion": "16.9",
            "AllocatedStorage": 20,
            "MasterUsername": "showcore",
            "MasterUserPassword": "correct-horse",
            "StorageEncrypted": true,
            "BackupRetentionPeriod": 7,
            "PreferredBackupWindow": "01:00-02:00",
            "PreferredMaintenanceWindow": "sun:03:00-sun:04:00",
            "Tags": [{"Key": "owner", "Value": "us"}],
        });
        overlay(&mut wishes, changes);
        wishes
    }

    fn create(&self, changes: Value) -> Value {
        self.call("CreateDBInstance", Self::wishes(changes)).unwrap()["DBInstance"].clone()
    }

    /// Creates it and lets time pass until it is available.
    fn available(&self, changes: Value) {
        self.create(changes);
        self.pass(Duration::from_mins(9));
        assert_eq!(self.show()["DBInstanceStatus"], "available");
    }

    fn show(&self) -> Value {
        self.describe(json!({"DBInstanceIdentifier": NAME})).unwrap()["DBInstances"][0].clone()
    }

    fn status(&self) -> String {
        self.show()["DBInstanceStatus"].as_str().unwrap().to_owned()
    }

    fn describe(&self, parameters: Value) -> Result<Value, AwsError> {
        self.call("DescribeDBInstances", parameters)
    }

    fn modify(&self, changes: Value) -> Result<Value, AwsError> {
        let mut parameters = json!({"DBInstanceIdentifier": NAME});
        overlay(&mut parameters, changes);
        self.call("ModifyDBInstance", parameters)
    }

    fn modify_code(&self, changes: Value) -> String {
        self.modify(changes.clone()).map(|answer| panic!("{changes}: {answer}")).unwrap_err().code
    }

    fn pass(&self, time: Duration) {
        self.account.advance(time);
    }
}

/// Sets members; null removes one.
fn overlay(value: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, change);
        }
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}
