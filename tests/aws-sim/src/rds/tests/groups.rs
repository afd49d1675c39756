use super::*;

fn with_group(bench: &Bench, changes: Value) {
    bench
        .call(
            "CreateDBParameterGroup",
            json!({"DBParameterGroupName": "own", "DBParameterGroupFamily": "postgres16", "Description": "d"}),
        )
        .unwrap();
    let mut wishes = json!({"DBParameterGroupName": "own"});
    overlay(&mut wishes, changes);
    bench.available(wishes);
}

fn set(bench: &Bench, name: &str, value: &str, method: &str) -> Result<Value, AwsError> {
    bench.call(
        "ModifyDBParameterGroup",
        json!({"DBParameterGroupName": "own", "Parameters": [
            {"ParameterName": name, "ParameterValue": value, "ApplyMethod": method}]}),
    )
}

fn apply_status(bench: &Bench) -> String {
    bench.show()["DBParameterGroups"][0]["ParameterApplyStatus"].as_str().unwrap().to_owned()
}

fn value(bench: &Bench, group: &str, name: &str) -> Value {
    let all = bench.call("DescribeDBParameters", json!({"DBParameterGroupName": group})).unwrap();
    let found = all["Parameters"].as_array().unwrap().iter().find(|shown| shown["ParameterName"] == name);
    found.unwrap().clone()
}

#[test]
fn default_groups_force_tls_and_cannot_be_changed() {
    let bench = Bench::new();
    assert_eq!(value(&bench, "default.postgres16", "rds.force_ssl")["ParameterValue"], "1");
    let change = json!({"DBParameterGroupName": "default.postgres16", "Parameters": [
        {"ParameterName": "rds.force_ssl", "ParameterValue": "0", "ApplyMethod": "immediate"}]});
    assert_eq!(bench.code("ModifyDBParameterGroup", change), "InvalidParameterValue");
    let named = json!({"DBParameterGroupName": "default.postgres16"});
    assert_eq!(bench.code("ResetDBParameterGroup", named.clone()), "InvalidParameterValue");
    assert_eq!(bench.code("DeleteDBParameterGroup", named), "InvalidDBParameterGroupState");
}

#[test]
fn a_dynamic_parameter_is_applied_and_a_static_one_waits_for_a_reboot() {
    let bench = Bench::new();
    with_group(&bench, json!({}));
    assert_eq!(apply_status(&bench), "in-sync");
    set(&bench, "rds.force_ssl", "0", "immediate").unwrap();
    assert_eq!(apply_status(&bench), "applying");
    bench.pass(minutes(1));
    assert_eq!(apply_status(&bench), "in-sync");
    assert_eq!(value(&bench, "own", "rds.force_ssl")["ParameterValue"], "0");
    assert_eq!(value(&bench, "own", "rds.force_ssl")["Source"], "user");

    set(&bench, "max_connections", "100", "pending-reboot").unwrap();
    bench.pass(minutes(1));
    assert_eq!(apply_status(&bench), "pending-reboot");
    // A maintenance window does not do it.
    bench.pass(Duration::from_hours(14 * 24));
    assert_eq!(apply_status(&bench), "pending-reboot");
    bench.call("RebootDBInstance", json!({"DBInstanceIdentifier": NAME})).unwrap();
    bench.pass(minutes(1));
    assert_eq!(apply_status(&bench), "in-sync");
}

#[test]
fn another_group_holds_after_a_reboot() {
    let bench = Bench::new();
    bench.available(json!({}));
    bench
        .call(
            "CreateDBParameterGroup",
            json!({"DBParameterGroupName": "own", "DBParameterGroupFamily": "postgres16", "Description": "d"}),
        )
        .unwrap();
    bench.modify(json!({"DBParameterGroupName": "own"})).unwrap();
    assert_eq!(
        bench.show()["DBParameterGroups"][0],
        json!({"DBParameterGroupName": "own", "ParameterApplyStatus": "applying"})
    );
    bench.pass(minutes(1));
    assert_eq!(apply_status(&bench), "pending-reboot");
    let named = json!({"DBParameterGroupName": "own"});
    assert_eq!(bench.code("DeleteDBParameterGroup", named.clone()), "InvalidDBParameterGroupState");
    bench.modify(json!({"DBParameterGroupName": "default.postgres16"})).unwrap();
    bench.call("DeleteDBParameterGroup", named.clone()).unwrap();
    assert_eq!(bench.code("DescribeDBParameterGroups", named), "DBParameterGroupNotFound");
}

#[test]
fn a_major_upgrade_needs_a_group_of_the_new_family() {
    let bench = Bench::new();
    with_group(&bench, json!({}));
    let upgrade = json!({"EngineVersion": "17", "AllowMajorVersionUpgrade": true});
    assert_eq!(bench.modify_code(upgrade), "InvalidParameterCombination");
}

#[test]
fn parameters_have_rules() {
    let bench = Bench::new();
    with_group(&bench, json!({}));
    for (code, name, value, method) in [
        ("InvalidParameterValue", "colour", "red", "immediate"),
        ("InvalidParameterValue", "fsync", "0", "pending-reboot"),
        ("InvalidParameterValue", "rds.force_ssl", "5", "immediate"),
        ("InvalidParameterCombination", "max_connections", "100", "immediate"),
        ("InvalidParameterValue", "log_statement", "ddl", "at-once"),
    ] {
        assert_eq!(set(&bench, name, value, method).unwrap_err().code, code, "{name}={value}");
    }
    let many: Vec<Value> = (0..21)
        .map(|_| json!({"ParameterName": "log_statement", "ParameterValue": "ddl", "ApplyMethod": "immediate"}))
        .collect();
    let many = json!({"DBParameterGroupName": "own", "Parameters": many});
    assert_eq!(bench.code("ModifyDBParameterGroup", many), "InvalidParameterValue");
}

#[test]
fn a_reset_gives_the_familys_values_back() {
    let bench = Bench::new();
    with_group(&bench, json!({}));
    set(&bench, "rds.force_ssl", "0", "immediate").unwrap();
    set(&bench, "log_statement", "ddl", "immediate").unwrap();
    let user = |bench: &Bench| {
        let own = bench.call("DescribeDBParameters", json!({"DBParameterGroupName": "own", "Source": "user"})).unwrap();
        own["Parameters"].as_array().unwrap().len()
    };
    assert_eq!(user(&bench), 2);
    let one = json!({"DBParameterGroupName": "own", "Parameters": [{"ParameterName": "rds.force_ssl", "ApplyMethod": "immediate"}]});
    bench.call("ResetDBParameterGroup", one).unwrap();
    assert_eq!(value(&bench, "own", "rds.force_ssl")["ParameterValue"], "1");
    bench.call("ResetDBParameterGroup", json!({"DBParameterGroupName": "own", "ResetAllParameters": true})).unwrap();
    assert_eq!(user(&bench), 0);
}

#[test]
fn parameter_groups_have_names_and_families() {
    let bench = Bench::new();
    let make = |name: &str, family: &str| json!({"DBParameterGroupName": name, "DBParameterGroupFamily": family, "Description": "d"});
    bench.call("CreateDBParameterGroup", make("Own", "postgres16")).unwrap();
    for (code, name, family) in [
        ("DBParameterGroupAlreadyExists", "own", "postgres16"),
        ("InvalidParameterValue", "default.own", "postgres16"),
        ("InvalidParameterValue", "other", "mysql8.0"),
    ] {
        assert_eq!(bench.code("CreateDBParameterGroup", make(name, family)), code, "{name}");
    }
    let listed = bench.call("DescribeDBParameterGroups", json!({})).unwrap();
    assert_eq!(listed["DBParameterGroups"].as_array().unwrap().len(), 4);
}

#[test]
fn subnet_groups_cover_two_zones_and_stay_while_used() {
    let bench = Bench::new();
    let make =
        |subnets: &[&str]| json!({"DBSubnetGroupName": "own", "DBSubnetGroupDescription": "d", "SubnetIds": subnets});
    assert_eq!(
        bench.code("CreateDBSubnetGroup", make(&["subnet-0123456789abcdef0"])),
        "DBSubnetGroupDoesNotCoverEnoughAZs"
    );
    assert_eq!(bench.code("CreateDBSubnetGroup", make(&["a", "b"])), "InvalidSubnet");
    let two = make(&["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]);
    bench.call("CreateDBSubnetGroup", two.clone()).unwrap();
    assert_eq!(bench.code("CreateDBSubnetGroup", two), "DBSubnetGroupAlreadyExists");
    let shown = bench.create(json!({"DBSubnetGroupName": "own"}));
    assert_eq!(shown["DBSubnetGroup"]["DBSubnetGroupName"], "own");
    assert_eq!(shown["PubliclyAccessible"], false);
    let named = json!({"DBSubnetGroupName": "own"});
    assert_eq!(bench.code("DeleteDBSubnetGroup", named.clone()), "InvalidDBSubnetGroupStateFault");
    bench.account.rds().drop_instance(REGION, NAME);
    bench.call("DeleteDBSubnetGroup", named.clone()).unwrap();
    assert_eq!(bench.code("DescribeDBSubnetGroups", named), "DBSubnetGroupNotFoundFault");
}
