//! The `ShowCore` operator: `ShowCoreDatabase`, `ShowCoreCache` and `ShowCoreBucket` objects become RDS PostgreSQL,
//! ElastiCache and S3 resources, always encrypted and watched for drift.
//!
//! One pipeline serves every kind ([`reconcile`]): **observe** reads the AWS resource and what the object refers to;
//! **decide** is a pure function from what is wanted and what was seen to a [`decision::Decision`]; **act** performs
//! one step of it; **report** writes status and Events. Each kind has the same four files in the same order: its CRD
//! types, `observe`, `decide` (with its parts beside it: fields, removal, state, steps) and `act`. The policies that
//! every kind shares are pure too: [`ownership`], the table of fields ([`field`]), [`drift`], and the rules of
//! [`decision::Wanted::standing`].

pub mod aws;
pub mod backoff;
pub mod bucket;
pub mod cache;
pub mod conditions;
pub mod connection;
pub mod context;
pub mod credentials;
pub mod database;
pub mod decision;
pub mod drift;
pub mod error;
pub mod fence;
pub mod field;
pub mod kind;
pub mod kinds;
pub mod lease;
pub mod metrics;
pub mod ownership;
pub mod passes;
pub mod policy;
pub mod reconcile;
pub mod report;
pub mod snapshot;
pub mod spec;
pub mod status;
#[cfg(test)]
mod testing;
pub mod window;
