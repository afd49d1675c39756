//! A database's fields, changed behind the operator's back.

use showcore_operator::{database::ShowCoreDatabase, kind::Kind as _};

use super::{
    By::Python,
    Case, Table,
    Then::{Corrected, InWindow},
};

pub const TABLE: Table = Table {
    kind: "ShowCoreDatabase",
    rows: ShowCoreDatabase::FIELDS,
    name: "drifting",
    spec: "maintenance: {window: 'sun:05:00-sun:06:00'}, backup: {window: '01:00-02:00'}, tags: {team: core}",
    identifier: "drifting",
    cases: CASES,
};

const CASES: &[Case] = &[
    Case {
        field: "deletionProtection",
        change: Python(
            "client('rds').modify_db_instance(DBInstanceIdentifier=NAME, DeletionProtection=False, ApplyImmediately=True)",
        ),
        desired: "on",
        observed: "off",
        then: Corrected,
    },
    Case {
        field: "instanceClass",
        change: Python(
            "client('rds').modify_db_instance(DBInstanceIdentifier=NAME, DBInstanceClass='db.t3.small', ApplyImmediately=True)",
        ),
        desired: "db.t3.micro",
        observed: "db.t3.small",
        then: InWindow,
    },
];
