//! The pages for users keep up with the code: every reason that the operator can say has an entry, and no chapter or link
//! leads nowhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex_lite::Regex;

/// Words in the sources that have the form of a reason and are none, so that whoever adds one has to say which it is.
const NO_REASONS: &str = "
 conditions and their statuses: Drifted Encrypted Pending Reconciling Stalled False True Unknown
 kinds and parts of them: ShowCore ShowCoreBucket ShowCoreCache ShowCoreDatabase Condition Reconcile Endpoint
 other words: AES256 AWS DELETE GET GLACIER HEAD HOSTNAME ID JSON POST PUT UPPERCASE
 columns: Age Reason Stores Status
 values of the spec: CloudWatchLogs Firehose EngineLog SlowLog Text None MultiAZ SingleAZ Compliance Governance Enabled
   BucketOwnerEnforced
 policies and lifecycles: Action Allow ArnEquals ArnLike Bool Deny Effect IpAddress NotAction NotPrincipal NotResource Principal
   Resource Service Sid Statement StringEquals StringLike Version ShowCoreAbortIncompleteUploads ShowCoreCloudTrail
   ShowCoreCloudTrailAclCheck ShowCoreCloudTrailWrite ShowCoreExpireNoncurrentVersions ShowCoreTLSOnly
 errors of AWS's and the API server's: DBInstanceAlreadyExists DBInstanceNotFound DBInstanceNotFoundFault
   DBParameterGroupAlreadyExists DBParameterGroupNotFound DBParameterGroupNotFoundFault DBSnapshotAlreadyExists
   KMSKeyNotAccessibleFault AccessDeniedException AuthFailure AuthorizationHeaderMalformed BucketAlreadyExists
   BucketAlreadyOwnedByYou CacheClusterNotFound CacheParameterGroupAlreadyExists CacheParameterGroupNotFound ExpiredToken
   ExpiredTokenException Forbidden IllegalLocationConstraintException IncompleteSignature InsufficientCacheClusterCapacity
   InsufficientDBInstanceCapacity InsufficientStorageClusterCapacity Internal InvalidAccessKeyId InvalidBucketState
   InvalidCacheClusterState InvalidCacheParameterGroupState InvalidClientTokenId InvalidDBInstanceState
   InvalidDBInstanceStateFault InvalidDBParameterGroupState InvalidDBSnapshotState InvalidKMSKeyFault
   InvalidParameterCombination InvalidParameterValue InvalidReplicationGroupState InvalidSnapshotState
   InvalidTargetBucketForLogging LimitExceeded MalformedPolicy MissingAuthenticationToken NoOperationFault NoSuchBucket
   NoSuchBucketPolicy NoSuchCORSConfiguration NoSuchLifecycleConfiguration NoSuchPublicAccessBlockConfiguration
   NoSuchTagSet NotAuthorized ObjectLockConfigurationNotFoundError OperationAborted OptInRequired
   OwnershipControlsNotFoundError PermanentRedirect Quota ReplicationGroupAlreadyExists ReplicationGroupNotFoundFault
   RequestExpired RequestLimitExceeded RequestThrottled RequestTimeTooSkewed RequestTimeout
   ServerSideEncryptionConfigurationNotFoundError ServiceUnavailable SignatureDoesNotMatch SlowDown
   SnapshotAlreadyExistsFault TagNotFound ThrottledException Throttling ThrottlingException TooManyBuckets
   TooManyRequestsException UnauthorizedOperation UnrecognizedClientException
";

fn root() -> PathBuf {
    fs::canonicalize(harness::tools::workspace()).unwrap()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

/// The words in quotes that have the form of a reason, in what is not a test.
fn words_of_the_sources() -> BTreeSet<String> {
    let word = Regex::new(r#""([A-Z][A-Za-z0-9]*)""#).unwrap();
    let mut words = BTreeSet::new();
    for path in files(&root().join("src"), "rs") {
        let name = path.to_str().unwrap();
        if name.contains("/tests/") || name.ends_with("tests.rs") || name.ends_with("testing.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        words.extend(word.captures_iter(code).map(|found| found[1].to_owned()));
    }
    words
}

#[test]
fn every_reason_has_an_entry_and_no_entry_is_of_a_reason_that_is_gone() {
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let heading = Regex::new(r"(?m)^#+ `([A-Za-z0-9]+)`").unwrap();
    let entries: BTreeSet<String> = heading.captures_iter(&page).map(|found| found[1].to_owned()).collect();
    let no_reasons: BTreeSet<String> = NO_REASONS
        .lines()
        .flat_map(|line| line.rsplit(':').next().unwrap().split_whitespace())
        .map(str::to_owned)
        .collect();
    assert!(entries.is_disjoint(&no_reasons), "an entry of what is said to be no reason");
    let words = words_of_the_sources();
    let show = |words: BTreeSet<&String>| words.into_iter().cloned().collect::<Vec<_>>().join(" ");

    let untold = words.iter().filter(|word| !entries.contains(*word) && !no_reasons.contains(*word)).collect();
    assert_eq!(show(untold), "", "no entry in docs/troubleshooting.md, or no reason at all");
    let gone = entries.iter().chain(&no_reasons).filter(|word| !words.contains(*word)).collect();
    assert_eq!(show(gone), "", "nothing of the sources says this any more");
    assert!(entries.len() > 60, "{}", entries.len());
}

/// What GitHub and mdBook make of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(page: &str) -> Vec<String> {
    page.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_chapter_and_every_link_leads_somewhere() {
    let docs = root().join("docs");
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut links = 0;
    let mut pages = files(&docs, "md");
    pages.extend([
        root().join("README.md"),
        root().join("gitops/README.md"),
        root().join("charts/showcore-operator/README.md"),
    ]);
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let place = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(place.exists(), "{}: {target}", page.display());
            if !fragment.is_empty() && place.extension().is_some_and(|extension| extension == "md") {
                let there = anchors(&fs::read_to_string(&place).unwrap());
                assert!(
                    there.iter().any(|anchor| anchor == fragment),
                    "{}: {target} is none of {there:?}",
                    page.display()
                );
            }
        }
    }
    assert!(links > 50, "{links}");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    for page in files(&docs, "md") {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is no chapter");
    }
}
