//! The connection Secret of a cache.

use std::collections::BTreeMap;

use super::{Step, Strategy, Wanted, step::rotating};
use crate::{
    cache::{Authentication, Group, Seen},
    connection::Connection,
    credentials::{self, Action},
    decision::Verdict,
    spec::DeletionPolicy,
    status::Binding,
};

/// The Secret: made again if it was lost, its token sent if AWS has another's, its host and port kept current.
pub(super) fn secret_steps(
    wanted: &Wanted<'_>,
    seen: &Seen,
    group: &Group,
    applied: &mut BTreeMap<String, String>,
) -> Result<Vec<Step>, Verdict> {
    let connection = connection(wanted, Some(group));
    let actions = credentials::actions(&seen.secret, &binding(wanted).name, connection, wanted.record(), applied)?;
    let step = |action| match action {
        Action::Make(connection) => Some(Step::MakeCredentials { connection }),
        Action::Send { secret_uid, sent } => {
            let beside = sent.is_some_and(|sent| sent == rotating(&secret_uid));
            let strategy = if beside { Strategy::Set } else { Strategy::Rotate };
            (group.status == "available").then_some(Step::SendToken { secret_uid, strategy })
        }
        Action::Write { secret_uid, connection } => Some(Step::WriteConnection { secret_uid, connection }),
    };
    Ok(actions.into_iter().filter_map(step).collect())
}

/// Under `Retain` the Secret outlives the object.
pub(super) fn release_secret(wanted: &Wanted<'_>, seen: &Seen, group: &Group) -> Option<Step> {
    let secret_uid = credentials::to_release(&seen.secret)?;
    Some(Step::WriteConnection { secret_uid, connection: connection(wanted, Some(group)) })
}

pub(super) fn authenticates(wanted: &Wanted<'_>) -> bool {
    wanted.spec.authentication == Authentication::Token
}

pub(super) fn connection(wanted: &Wanted<'_>, group: Option<&Group>) -> Connection {
    let endpoint = group.and_then(|group| group.endpoint.clone());
    Connection {
        type_: "redis".into(),
        provider: "aws-elasticache".into(),
        host: endpoint.as_ref().map(|(host, _)| host.clone()),
        port: endpoint.map(|(_, port)| port),
        username: None,
        database: None,
        owned: wanted.deletion_policy(wanted.spec.deletion_policy) != DeletionPolicy::Retain,
        password: authenticates(wanted),
        ca: "Amazon Trust Services, which every system's trust store has: https://www.amazontrust.com/repository/"
            .into(),
    }
}

pub(super) fn binding(wanted: &Wanted<'_>) -> Binding {
    Binding { name: wanted.spec.secret_name(wanted.name) }
}
