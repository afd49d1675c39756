//! The connection Secret of a database.

use std::collections::BTreeMap;

use super::{Step, Wanted};
use crate::{
    connection::Connection,
    credentials::{self, Action},
    database::{Instance, Seen},
    decision::Verdict,
    spec::DeletionPolicy,
    status::Binding,
};

/// The Secret: made again if it was lost, its password sent if AWS has another's, its host and port kept current.
pub(super) fn secret_steps(
    wanted: &Wanted<'_>,
    seen: &Seen,
    instance: &Instance,
    applied: &mut BTreeMap<String, String>,
) -> Result<Vec<Step>, Verdict> {
    let connection = connection(wanted, Some(instance));
    let actions = credentials::actions(&seen.secret, &binding(wanted).name, connection, wanted.record(), applied)?;
    let step = |action| match action {
        Action::Make(connection) => Some(Step::MakeCredentials { connection }),
        Action::Send { secret_uid, .. } => {
            (instance.status == "available").then_some(Step::SendPassword { secret_uid })
        }
        Action::Write { secret_uid, connection } => Some(Step::WriteConnection { secret_uid, connection }),
    };
    Ok(actions.into_iter().filter_map(step).collect())
}

/// Under `Retain` the Secret outlives the object.
pub(super) fn release_secret(wanted: &Wanted<'_>, seen: &Seen, instance: &Instance) -> Option<Step> {
    let secret_uid = credentials::to_release(&seen.secret)?;
    Some(Step::WriteConnection { secret_uid, connection: connection(wanted, Some(instance)) })
}

pub(super) fn connection(wanted: &Wanted<'_>, instance: Option<&Instance>) -> Connection {
    let endpoint = instance.and_then(|instance| instance.endpoint.clone());
    Connection {
        type_: "postgresql".into(),
        provider: "aws-rds".into(),
        host: endpoint.as_ref().map(|(host, _)| host.clone()),
        port: endpoint.map(|(_, port)| port),
        // What AWS has, once there is an instance: the spec cannot change it.
        username: Some(
            instance.map_or(&wanted.spec.credentials.username, |instance| &instance.master_username).clone(),
        ),
        database: Some(
            instance
                .map_or(&wanted.spec.database_name, |instance| &instance.db_name)
                .clone()
                .unwrap_or_else(|| "postgres".into()),
        ),
        owned: wanted.deletion_policy(wanted.spec.deletion_policy) != DeletionPolicy::Retain,
        password: true,
        ca: format!("https://truststore.pki.rds.amazonaws.com/{0}/{0}-bundle.pem", wanted.place.region),
    }
}

pub(super) fn binding(wanted: &Wanted<'_>) -> Binding {
    Binding { name: wanted.spec.secret_name(wanted.name) }
}
