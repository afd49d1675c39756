//! What becomes of the connection Secret of a store that is there: its password must be the one that AWS has. Pure.

use std::collections::BTreeMap;

use crate::{
    conditions::CREDENTIALS,
    connection::{Connection, SecretSeen},
    decision::Verdict,
    drift::Record,
};

/// What is to be done about a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is lost: make it again, with a new password.
    Make(Connection),
    /// AWS has another password: send the one of this Secret.
    Send {
        /// The Secret's uid.
        secret_uid: String,
        /// What is recorded of the password that AWS has.
        sent: Option<String>,
    },
    /// It says something else: write it; its password stays.
    Write {
        /// The Secret's uid.
        secret_uid: String,
        /// What it says apart from the password.
        connection: Connection,
    },
}

/// What is to be done about the Secret of this name, which should say this. What is known of the password that AWS has
/// is put into `applied`.
pub fn actions(
    seen: &SecretSeen,
    name: &str,
    connection: Connection,
    record: Record<'_>,
    applied: &mut BTreeMap<String, String>,
) -> Result<Vec<Action>, Verdict> {
    let sent = record.applied.and_then(|applied| applied.get(CREDENTIALS));
    if let Some(sent) = sent {
        applied.insert(CREDENTIALS.to_owned(), sent.clone());
    }
    let Some(secret_uid) = seen.uid(name, connection.password)? else { return Ok(vec![Action::Make(connection)]) };
    let mut actions = Vec::new();
    if sent != Some(&secret_uid) {
        // The first look at a store that we have just made, and not taken over: it has this Secret's password.
        let made_with_it = sent.is_none() && !record.existed && record.applied.is_none();
        if made_with_it || !connection.password {
            applied.insert(CREDENTIALS.to_owned(), secret_uid.clone());
        } else {
            actions.push(Action::Send { secret_uid: secret_uid.clone(), sent: sent.cloned() });
        }
    }
    if let SecretSeen::Ours { connection: written, .. } = seen
        && *written != connection
    {
        actions.push(Action::Write { secret_uid, connection });
    }
    Ok(actions)
}

/// The uid of a Secret that would still go with its object: under `Retain` it outlives it.
pub fn to_release(seen: &SecretSeen) -> Option<String> {
    match seen {
        SecretSeen::Ours { uid, connection } if connection.owned => Some(uid.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_store_that_we_made_ourselves_has_the_secrets_password_from_the_first() {
        let connection = Connection { password: true, ..Connection::default() };
        let seen = SecretSeen::Ours { uid: "s1".into(), connection: connection.clone() };
        let (nothing, sent) = (BTreeMap::new(), BTreeMap::from([(CREDENTIALS.to_owned(), "s1".to_owned())]));
        let sending =
            |before: Option<&str>| vec![Action::Send { secret_uid: "s1".into(), sent: before.map(str::to_owned) }];
        let table = [
            ("just made", None, false, vec![]),
            ("just taken over: nothing of it was applied by us", Some(&nothing), false, sending(None)),
            ("it existed, and its record is lost", None, true, sending(None)),
            ("it was sent", Some(&sent), true, vec![]),
        ];
        for (situation, applied, existed, expected) in table {
            let record = Record { applied, existed, past: &[] };
            let actions = actions(&seen, "shop", connection.clone(), record, &mut BTreeMap::new());
            assert_eq!(actions, Ok(expected), "{situation}");
        }
    }
}
