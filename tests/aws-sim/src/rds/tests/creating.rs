use super::*;

#[test]
fn an_instance_is_creating_then_backed_up_then_available() {
    let bench = Bench::new();
    let answered = bench.create(json!({}));
    assert_eq!(answered["DBInstanceStatus"], "creating");
    assert_eq!(answered["PendingModifiedValues"], json!({"MasterUserPassword": "****"}));
    assert_eq!(answered.get("Endpoint"), None);
    assert_eq!(answered.get("InstanceCreateTime"), None);

    bench.pass(minutes(4));
    assert_eq!(bench.status(), "creating");
    bench.pass(minutes(1));
    let shown = bench.show();
    assert_eq!(shown["DBInstanceStatus"], "backing-up");
    assert_eq!(shown["Endpoint"]["Port"], 5432);
    let address = shown["Endpoint"]["Address"].as_str().unwrap();
    assert!(address.starts_with(&format!("{NAME}.c")) && address.ends_with(".eu-central-1.rds.amazonaws.com"));
    bench.pass(minutes(3));
    assert_eq!(bench.status(), "available");
    let snapshots = bench.call("DescribeDBSnapshots", json!({"DBInstanceIdentifier": NAME})).unwrap();
    assert_eq!(snapshots["DBSnapshots"][0]["SnapshotType"], "automated");
    assert_eq!(snapshots["DBSnapshots"][0]["Encrypted"], true);
}

#[test]
fn an_instance_without_backups_is_available_at_once_after_its_creation() {
    let bench = Bench::new();
    bench.create(json!({"BackupRetentionPeriod": 0}));
    bench.pass(minutes(5));
    assert_eq!(bench.status(), "available");
    assert_eq!(bench.show().get("LatestRestorableTime"), None);
}

#[test]
fn what_is_not_asked_has_awss_defaults() {
    let bench = Bench::new();
    let changes = json!({"EngineVersion": "16", "BackupRetentionPeriod": null, "PreferredBackupWindow": null,
        "PreferredMaintenanceWindow": null, "StorageEncrypted": null});
    let shown = bench.create(changes);
    for (name, value) in [
        ("EngineVersion", json!("16.10")),
        ("BackupRetentionPeriod", json!(1)),
        ("StorageEncrypted", json!(false)),
        ("StorageType", json!("gp3")),
        ("Iops", json!(3000)),
        ("AutoMinorVersionUpgrade", json!(true)),
        ("DeletionProtection", json!(false)),
        ("CopyTagsToSnapshot", json!(false)),
        ("PubliclyAccessible", json!(true)),
        ("MultiAZ", json!(false)),
        ("CACertificateIdentifier", json!("rds-ca-rsa2048-g1")),
        (
            "DBParameterGroups",
            json!([{"DBParameterGroupName": "default.postgres16", "ParameterApplyStatus": "in-sync"}]),
        ),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    assert_eq!(shown.get("KmsKeyId"), None);
}

#[test]
fn a_key_not_given_is_the_accounts_own_and_shown_as_an_arn() {
    let bench = Bench::new();
    let key = bench.create(json!({}))["KmsKeyId"].as_str().unwrap().to_owned();
    assert!(key.starts_with("arn:aws:kms:eu-central-1:111122223333:key/"), "{key}");
    let second = bench.create(json!({"DBInstanceIdentifier": "second"}));
    assert_eq!(second["KmsKeyId"], key);
    let named = bench.create(json!({"DBInstanceIdentifier": "third", "KmsKeyId": "alias/aws/rds"}));
    assert_eq!(named["KmsKeyId"], key);
    let other = bench.sim.account("AKIASIM00111122224444");
    let other = other.execute("rds", REGION, "CreateDBInstance", &Bench::wishes(json!({})), "").unwrap();
    assert_ne!(other["DBInstance"]["KmsKeyId"], key);
}

#[test]
fn each_instance_has_a_resource_id_of_its_own_even_under_the_same_name() {
    let bench = Bench::new();
    let first = bench.create(json!({}))["DbiResourceId"].clone();
    bench.account.rds().drop_instance(REGION, NAME);
    assert_ne!(bench.create(json!({}))["DbiResourceId"], first);
}

#[test]
fn names_are_taken_once_and_in_lower_case() {
    let bench = Bench::new();
    let shown = bench.create(json!({"DBInstanceIdentifier": "Mixed-Case"}));
    assert_eq!(shown["DBInstanceIdentifier"], "mixed-case");
    let again = Bench::wishes(json!({"DBInstanceIdentifier": "MIXED-case"}));
    assert_eq!(bench.code("CreateDBInstance", again), "DBInstanceAlreadyExists");
    assert_eq!(
        bench.call("DescribeDBInstances", json!({"DBInstanceIdentifier": "MIXED-CASE"})).unwrap()["DBInstances"][0]["DBInstanceIdentifier"],
        "mixed-case"
    );
}

#[test]
fn what_aws_refuses_is_refused() {
    let many: Vec<Value> = (0..51).map(|n| json!({"Key": format!("k{n}"), "Value": ""})).collect();
    let cases = [
        ("InvalidParameterValue", json!({"DBInstanceIdentifier": "1st"})),
        ("InvalidParameterValue", json!({"DBInstanceIdentifier": "a--b"})),
        ("InvalidParameterValue", json!({"DBInstanceIdentifier": "a-"})),
        ("InvalidParameterValue", json!({"DBInstanceIdentifier": "a".repeat(64)})),
        ("InvalidParameterValue", json!({"DBInstanceClass": "db.t3.gigantic"})),
        ("InvalidParameterValue", json!({"Engine": "dbase"})),
        ("NotImplemented", json!({"Engine": "mysql"})),
        ("NotImplemented", json!({"Timezone": "UTC"})),
        ("NotImplemented", json!({"ManageMasterUserPassword": true, "MasterUserPassword": null})),
        ("InvalidParameterCombination", json!({"ManageMasterUserPassword": true})),
        ("InvalidParameterCombination", json!({"EngineVersion": "99"})),
        ("InvalidParameterValue", json!({"AllocatedStorage": 1})),
        ("MissingParameter", json!({"AllocatedStorage": null})),
        ("MissingParameter", json!({"DBInstanceClass": null})),
        ("InvalidParameterValue", json!({"StorageType": "floppy"})),
        ("InvalidParameterCombination", json!({"MaxAllocatedStorage": 21})),
        ("InvalidParameterValue", json!({"BackupRetentionPeriod": 36})),
        ("InvalidParameterValue", json!({"BackupRetentionPeriod": -1})),
        ("InvalidParameterValue", json!({"MasterUserPassword": null})),
        ("InvalidParameterValue", json!({"MasterUserPassword": "short"})),
        ("InvalidParameterValue", json!({"MasterUserPassword": "x".repeat(129)})),
        ("InvalidParameterValue", json!({"MasterUserPassword": "with/slash"})),
        ("InvalidParameterValue", json!({"MasterUserPassword": "with@sign"})),
        ("InvalidParameterValue", json!({"MasterUserPassword": "with\"quote"})),
        ("InvalidParameterValue", json!({"MasterUserPassword": "with space"})),
        ("InvalidParameterValue", json!({"MasterUserPassword": "umläutig"})),
        ("InvalidParameterValue", json!({"MasterUsername": null})),
        ("InvalidParameterValue", json!({"MasterUsername": "rdsadmin"})),
        ("InvalidParameterValue", json!({"MasterUsername": "1st"})),
        ("InvalidParameterValue", json!({"DBName": "my-db"})),
        ("InvalidParameterValue", json!({"Port": 80})),
        ("InvalidParameterValue", json!({"VpcSecurityGroupIds": ["default"]})),
        ("InvalidParameterValue", json!({"PreferredBackupWindow": "1-2"})),
        ("InvalidParameterCombination", json!({"PreferredBackupWindow": "03:30-04:30"})),
        ("InvalidParameterCombination", json!({"MultiAZ": true, "AvailabilityZone": "eu-central-1a"})),
        ("InvalidParameterCombination", json!({"StorageEncrypted": false, "KmsKeyId": "alias/aws/rds"})),
        ("InvalidParameterCombination", json!({"EnableCloudwatchLogsExports": ["audit"]})),
        ("KMSKeyNotAccessibleFault", json!({"KmsKeyId": "alias/nowhere"})),
        ("CertificateNotFound", json!({"CACertificateIdentifier": "rds-ca-2015"})),
        ("DBSubnetGroupNotFoundFault", json!({"DBSubnetGroupName": "nowhere"})),
        ("DBParameterGroupNotFound", json!({"DBParameterGroupName": "nowhere"})),
        ("InvalidParameterCombination", json!({"DBParameterGroupName": "default.postgres15"})),
        ("InvalidParameterValue", json!({"Tags": many})),
        ("InvalidParameterValue", json!({"Tags": [{"Key": "aws:own", "Value": ""}]})),
        ("InvalidParameterValue", json!({"Tags": [{"Key": "k".repeat(129), "Value": ""}]})),
        ("InvalidParameterValue", json!({"Tags": [{"Key": "k", "Value": "v".repeat(257)}]})),
        ("InvalidParameterValue", json!({"Tags": [{"Key": "k;", "Value": ""}]})),
    ];
    let bench = Bench::new();
    for (code, changes) in cases {
        assert_eq!(bench.code("CreateDBInstance", Bench::wishes(changes.clone())), code, "{changes}");
    }
    assert_eq!(bench.describe(json!({})).unwrap(), json!({"DBInstances": []}));
}

#[test]
fn one_window_given_the_other_is_chosen_apart_from_it() {
    let bench = Bench::new();
    for hour in 0..24 {
        let name = format!("night-{hour}");
        let window = format!("{hour:02}:00-{:02}:00", (hour + 1) % 24);
        let shown = bench.create(json!({"DBInstanceIdentifier": name, "PreferredBackupWindow": window,
            "PreferredMaintenanceWindow": null}));
        assert_eq!(shown["PreferredBackupWindow"], window);
    }
}

#[test]
fn the_quota_ends_it() {
    let bench = Bench::new();
    bench.account.rds().set_instance_quota(1);
    bench.create(json!({}));
    let second = Bench::wishes(json!({"DBInstanceIdentifier": "second"}));
    assert_eq!(bench.code("CreateDBInstance", second), "InstanceQuotaExceeded");
}

#[test]
fn listings_come_in_pages_and_can_be_filtered() {
    let bench = Bench::new();
    for n in 0..45 {
        bench.account.rds().set_instance_quota(100);
        bench.create(json!({"DBInstanceIdentifier": format!("db-{n:02}")}));
    }
    for wrong in [19, 101] {
        assert_eq!(bench.code("DescribeDBInstances", json!({"MaxRecords": wrong})), "InvalidParameterValue");
    }
    let mut names = Vec::new();
    let mut sizes = Vec::new();
    let mut parameters = json!({"MaxRecords": 20});
    loop {
        let page = bench.describe(parameters.clone()).unwrap();
        let instances = page["DBInstances"].as_array().unwrap();
        sizes.push(instances.len());
        names.extend(instances.iter().map(|instance| instance["DBInstanceIdentifier"].clone()));
        match page.get("Marker") {
            Some(marker) => parameters["Marker"] = marker.clone(),
            None => break,
        }
    }
    assert_eq!(sizes, [20, 20, 5]);
    names.dedup();
    assert_eq!(names.len(), 45);
    let filter = |name: &str| json!({"Filters": [{"Name": name, "Values": ["db-07", "db-08"]}]});
    assert_eq!(bench.describe(filter("db-instance-id")).unwrap()["DBInstances"].as_array().unwrap().len(), 2);
    assert_eq!(bench.code("DescribeDBInstances", filter("colour")), "InvalidParameterValue");
    assert_eq!(bench.code("DescribeDBInstances", json!({"Marker": "?"})), "InvalidParameterValue");
    assert_eq!(bench.code("DescribeDBInstances", json!({"DBInstanceIdentifier": "none"})), "DBInstanceNotFound");
}

#[test]
fn regions_and_accounts_are_apart() {
    let bench = Bench::new();
    bench.create(json!({}));
    let empty = json!({"DBInstances": []});
    let describe = |account: &Account, region: &str| {
        account.execute("rds", region, "DescribeDBInstances", &json!({}), "").unwrap()
    };
    assert_ne!(describe(&bench.account, REGION), empty);
    assert_eq!(describe(&bench.account, "us-east-1"), empty);
    assert_eq!(describe(&bench.sim.account("AKIASIM00111122224444"), REGION), empty);
}
