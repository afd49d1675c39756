//! The checks of the requirements, by the real `aws` CLI, under the real names.

use harness::{Result, command::Output};
use serde_json::{Value, json};

use crate::tamper::{CACHE, DATABASE};
use crate::world::{World, heading};

struct Check {
    requirement: &'static str,
    says: String,
    command: Vec<String>,
    expected: Value,
}

/// Runs all checks, shows each with its command and answer, and tells whether all passed.
pub(crate) async fn run(world: &World) -> Result<bool> {
    heading("Checking the requirements with the real aws CLI");
    println!(
        "(AWS names the member of a replication group <group>-001. ElastiCache encrypts at rest only replication groups,\n\
         so the check of 4.4, which asks a cache cluster, is run with the member's id.)\n"
    );
    let mut failed = 0;
    let checks = checks(&world.account, &key_of_the_database(world).await?);
    for check in &checks {
        let arguments: Vec<&str> = check.command.iter().map(String::as_str).collect();
        let output = world.aws.cli(&arguments).await?;
        let (passed, answer) = judge(check, &output);
        failed += usize::from(!passed);
        println!("{} {:<4} {}", if passed { "✓" } else { "✗" }, check.requirement, check.says);
        println!("       $ {}", output.command);
        println!("       {answer}");
        if !passed {
            println!("       but should be {}", check.expected);
        }
    }
    if failed == 0 {
        println!("\n✓ All {} checks passed.", checks.len());
    } else {
        println!("\n✗ {failed} of {} checks failed.", checks.len());
    }
    Ok(failed == 0)
}

fn judge(check: &Check, output: &Output) -> (bool, String) {
    match output.json() {
        Ok(answer) => (answer == check.expected, answer.to_string()),
        Err(_) => (false, output.stderr.trim().to_owned()),
    }
}

/// Which key the database is encrypted with; the check after it asks whose that key is.
async fn key_of_the_database(world: &World) -> Result<String> {
    let command = ["rds", "describe-db-instances", "--db-instance-identifier", DATABASE];
    let query = ["--query", "DBInstances[0].KmsKeyId", "--output", "text"];
    let output = world.aws.cli(&[&command[..], &query].concat()).await?;
    Ok(output.stdout.trim().to_owned())
}

fn checks(account: &str, database_key: &str) -> Vec<Check> {
    let member = format!("{CACHE}-001");
    let database = |query: &str| aws(&["rds", "describe-db-instances", "--db-instance-identifier", DATABASE], query);
    let group =
        |query: &str| aws(&["elasticache", "describe-replication-groups", "--replication-group-id", CACHE], query);
    let node = |query: &str| aws(&["elasticache", "describe-cache-clusters", "--cache-cluster-id", &member], query);
    let mut checks = vec![
        check("3.5", "the database is encrypted at rest", database("DBInstances[0].StorageEncrypted"), json!(true)),
        check(
            "",
            "the database is not reachable from outside",
            database("DBInstances[0].PubliclyAccessible"),
            json!(false),
        ),
        check("4.4", "the cache is encrypted at rest", node("CacheClusters[0].AtRestEncryptionEnabled"), json!(true)),
        check(
            "4.4",
            "the cache is encrypted in transit",
            node("CacheClusters[0].TransitEncryptionEnabled"),
            json!(true),
        ),
        check("6.4", "the cache uses no key of ours", group("ReplicationGroups[0].KmsKeyId"), json!(null)),
        check(
            "6.4",
            "the account has no KMS key of ours (aliases other than AWS's own)",
            aws(&["kms", "list-aliases"], "Aliases[?!starts_with(AliasName, 'alias/aws/')]"),
            json!([]),
        ),
        check(
            "6.4",
            "the key that encrypts the database is AWS's own",
            aws(&["kms", "describe-key", "--key-id", database_key], "KeyMetadata.KeyManager"),
            json!("AWS"),
        ),
    ];
    for purpose in ["static-assets", "backups", "cloudtrail-logs"] {
        let bucket = format!("showcore-{purpose}-{account}");
        let ask = |operation: &str, query: &str| aws(&["s3api", operation, "--bucket", &bucket], query);
        let default = "ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault";
        checks.push(check(
            "5.3",
            &format!("{bucket} is encrypted at rest"),
            ask("get-bucket-encryption", &format!("{default}.SSEAlgorithm")),
            json!("AES256"),
        ));
        checks.push(check(
            "9.9",
            &format!("{bucket} uses SSE-S3, no KMS key"),
            ask("get-bucket-encryption", &format!("{default}.KMSMasterKeyID")),
            json!(null),
        ));
        checks.push(check(
            "",
            &format!("{bucket} blocks public access in all four ways"),
            ask("get-public-access-block", "PublicAccessBlockConfiguration"),
            json!({"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true}),
        ));
        checks.push(check(
            "",
            &format!("{bucket} is versioned"),
            ask("get-bucket-versioning", "Status"),
            json!("Enabled"),
        ));
    }
    checks
}

fn aws(command: &[&str], query: &str) -> Vec<String> {
    command.iter().chain(&["--query", query]).map(|&part| part.to_owned()).collect()
}

fn check(requirement: &'static str, says: &str, command: Vec<String>, expected: Value) -> Check {
    Check { requirement, says: says.to_owned(), command, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(code: i32, stdout: &str) -> Output {
        Output {
            command: String::new(),
            code: Some(code),
            stdout: stdout.to_owned(),
            stderr: "An error occurred".to_owned(),
        }
    }

    #[test]
    fn only_the_expected_answer_passes() {
        let check = check("3.5", "", Vec::new(), json!(true));
        assert!(judge(&check, &output(0, "true\n")).0);
        assert!(!judge(&check, &output(0, "false\n")).0);
        assert!(!judge(&check, &output(0, "null\n")).0);
        assert!(!judge(&check, &output(254, "")).0);
    }

    #[test]
    fn a_failed_call_is_not_the_answer_null() {
        let check = check("9.9", "", Vec::new(), json!(null));
        assert!(judge(&check, &output(0, "null\n")).0);
        assert!(!judge(&check, &output(254, "")).0);
    }
}
