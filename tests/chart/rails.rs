//! The guard rails, as the API server enforces them. No operator runs: nothing that is refused ever reaches one.

use serde_json::json;

use crate::world::{World, chart, manifest};

const DATABASE: &str = "showcoredatabase";

#[tokio::test]
async fn what_is_protected_is_not_deleted_until_somebody_says_so() {
    let world = World::start("protected").await;
    world.install(&chart(), &json!({})).await;
    world.apply_soon(&manifest("ShowCoreDatabase", "orders", "")).await;
    let sentence = "orders has deletionProtection: set spec.deletionProtection to false before it is deleted, or \
                    spec.deletionPolicy to Retain to keep the database in AWS";
    world.refused(&["delete", DATABASE, "orders", "--dry-run=server"], None, sentence).await;
    world.refused(&["delete", DATABASE, "orders"], None, sentence).await;
    for spec in ["deletionProtection: false", "deletionPolicy: Retain"] {
        world.test.apply(&manifest("ShowCoreDatabase", "orders", spec)).await;
        world.kubectl(&["delete", DATABASE, "orders"]).await;
    }

    world.test.apply(&manifest("ShowCoreBucket", "assets", "bucketName: assets-1, purpose: StaticAssets")).await;
    world.kubectl(&["annotate", "scbucket", "assets", "showcore.io/protected=true"]).await;
    world.refused(&["delete", "scbucket", "assets"], None, "assets is protected: take its annotation").await;
    // Nor with all the others of its namespace.
    world.refused(&["delete", "scbucket", "--all"], None, "assets is protected").await;
    world.kubectl(&["annotate", "scbucket", "assets", "showcore.io/protected-"]).await;
    world.kubectl(&["delete", "scbucket", "assets"]).await;
}

#[tokio::test]
async fn a_namespace_makes_only_what_its_tier_allows() {
    let world = World::start("tiers").await;
    world.install(&chart(), &json!({})).await;
    world.apply_soon(&manifest("ShowCoreDatabase", "earlier", "instanceClass: db.m7g.large, region: us-east-1")).await;
    let staging = json!({
        "regions": ["eu-central-1", "eu-west-1"],
        "instanceClasses": ["db.t3.micro", "db.t4g.micro"],
        "nodeTypes": ["cache.t3.micro"],
    });
    world
        .install(&chart(), &json!({"guardRails": {"requireTier": true, "tiers": {"staging": staging, "open": {}}}}))
        .await;

    let apply = ["apply", "--dry-run=server", "-f", "-"];
    let without = manifest("ShowCoreCache", "sessions", "");
    world.refused(&apply, Some(&without), "has no label showcore.io/guard-rail of a known tier").await;
    world.refused(&apply, Some(&without), "known: open, staging").await;

    world.kubectl(&["label", "namespace", &world.test.namespace, "showcore.io/guard-rail=staging"]).await;
    for (kind, spec, sentence) in [
        (
            "ShowCoreDatabase",
            "instanceClass: db.m7g.large",
            "spec.instanceClass: db.m7g.large is not allowed in namespaces with the label showcore.io/guard-rail=staging; allowed: \
             db.t3.micro, db.t4g.micro",
        ),
        ("ShowCoreDatabase", "region: us-east-1", "spec.region: us-east-1 is not allowed"),
        ("ShowCoreCache", "nodeType: cache.r7g.large", "spec.nodeType: cache.r7g.large is not allowed"),
        ("ShowCoreBucket", "bucketName: b-1, purpose: Backups, region: us-east-1", "allowed: eu-central-1, eu-west-1"),
    ] {
        world.refused(&apply, Some(&manifest(kind, "refused", spec)), sentence).await;
    }
    // Without a region it is the operator's, which is one of them.
    world.test.apply(&manifest("ShowCoreDatabase", "small", "instanceClass: db.t4g.micro")).await;
    world.test.apply(&manifest("ShowCoreCache", "sessions", "region: eu-west-1")).await;
    let grown = manifest("ShowCoreDatabase", "small", "instanceClass: db.m7g.large");
    world.refused(&apply, Some(&grown), "spec.instanceClass: db.m7g.large is not allowed").await;
    // What was there before may stay as it is, and be edited otherwise.
    let kept = "instanceClass: db.m7g.large, region: us-east-1, backup: {retentionDays: 9}";
    world.test.apply(&manifest("ShowCoreDatabase", "earlier", kept)).await;
    let smaller = "instanceClass: db.t3.micro, region: us-east-1";
    world.test.apply(&manifest("ShowCoreDatabase", "earlier", smaller)).await;
    world.refused(&apply, Some(&manifest("ShowCoreDatabase", "earlier", kept)), "db.m7g.large is not allowed").await;
}
