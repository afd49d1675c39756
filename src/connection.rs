//! The connection Secret: its keys by the Service Binding specification, and its fate.
//!
//! <https://servicebinding.io/spec/core/1.1.0/#well-known-secret-entries>

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    decision::Verdict,
    error::{Class, Failure, note},
    kind::{Kind, Look},
    report::MANAGER,
};

/// Names the object that a Secret was made for.
const OWNER_UID_ANNOTATION: &str = "showcore.io/owner-uid";
/// Says where the certificate authority of the store is to be had.
const CA_ANNOTATION: &str = "showcore.io/ca.crt";
/// Letters and digits only: no URI needs escaping, and every AWS rule for passwords and tokens allows them.
const PASSWORD_LENGTH: usize = 32;

/// What one look at the Secret gathers. Never its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSeen {
    /// There is none of this name.
    Absent,
    /// It is there and we did not make it for this object: never overwritten.
    NotOurs,
    /// Ours.
    Ours {
        /// Its uid: the version of the password, since we never change one in place.
        uid: String,
        /// What it says apart from the password.
        connection: Connection,
    },
}

impl SecretSeen {
    /// The uid of our Secret; `None` if it is to be made. `name` is its name, for the sentence.
    pub fn uid(&self, name: &str, needs_password: bool) -> Result<Option<String>, Verdict> {
        let stalled = |reason, message| Err(Verdict::Stalled(note(reason, message)));
        match self {
            Self::Absent => Ok(None),
            Self::Ours { uid, connection } if connection.password || !needs_password => Ok(Some(uid.clone())),
            Self::Ours { .. } => stalled(
                "SecretIncomplete",
                format!(
                    "the Secret {name} has lost its key password: delete it, and a new password is made and sent to AWS"
                ),
            ),
            Self::NotOurs => stalled(
                "SecretNotOurs",
                format!(
                    "a Secret named {name} is already there and was not made for this object; it is not overwritten. Remove it, or \
                     delete this object and apply it with another connectionSecretName"
                ),
            ),
        }
    }
}

/// What the Secret says apart from the password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// `postgresql`, `redis`.
    pub type_: String,
    /// `aws-rds`, `aws-elasticache`.
    pub provider: String,
    /// Host name, once AWS has given one.
    pub host: Option<String>,
    /// Port, likewise.
    pub port: Option<i32>,
    /// User.
    pub username: Option<String>,
    /// Database.
    pub database: Option<String>,
    /// Whether it goes with the object. Under `Retain` it outlives it, since it holds a live password.
    pub owned: bool,
    /// Whether it holds a password.
    pub password: bool,
    /// The sentence that says where the certificate authority is to be had.
    pub ca: String,
}

/// Looks at the Secret.
pub async fn observe<K: Kind>(look: &Look<'_>, object: &K, name: &str) -> Result<SecretSeen, Failure> {
    let Some(secret) = get(look, object, name).await? else { return Ok(SecretSeen::Absent) };
    if secret.annotations().get(OWNER_UID_ANNOTATION) != object.uid().as_ref() {
        return Ok(SecretSeen::NotOurs);
    }
    let text = |key: &str| text(&secret, key);
    let connection = Connection {
        type_: text("type").unwrap_or_default(),
        provider: text("provider").unwrap_or_default(),
        host: text("host"),
        port: text("port").and_then(|port| port.parse().ok()),
        username: text("username"),
        database: text("database"),
        owned: secret.owner_references().iter().any(|owner| Some(&owner.uid) == object.uid().as_ref()),
        password: text("password").is_some(),
        ca: secret.annotations().get(CA_ANNOTATION).cloned().unwrap_or_default(),
    };
    Ok(SecretSeen::Ours { uid: secret.uid().unwrap_or_default(), connection })
}

/// Makes the Secret, with a password drawn now if it is to have one. One that is there already is an error: the next
/// look tells whose it is.
pub async fn make<K: Kind>(look: &Look<'_>, object: &K, name: &str, connection: &Connection) -> Result<(), Failure> {
    let password = connection.password.then(draw);
    let secret = secret(object, name, connection, password.as_ref());
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    match api(look, object).create(&params, &secret).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Err(Failure::own(
            "kubernetes:CreateSecret",
            Class::Wait,
            "AlreadyExists",
            "the Secret is there already; looking whose it is",
        )),
        Err(error) => Err(Failure::kubernetes("kubernetes:CreateSecret", &error)),
    }
}

/// Writes what the Secret says; the password it holds stays. Only onto the Secret of this uid.
pub async fn write<K: Kind>(
    look: &Look<'_>,
    object: &K,
    name: &str,
    uid: &str,
    connection: &Connection,
) -> Result<(), Failure> {
    let password = if connection.password { Some(password(look, object, name, uid).await?) } else { None };
    let mut secret = secret(object, name, connection, password.as_ref());
    secret.metadata.uid = Some(uid.to_owned());
    // Under Retain the owner reference is taken off: an absent list would leave it.
    let mut patch = json!(secret);
    if !connection.owned {
        patch["metadata"]["ownerReferences"] = json!(null);
    }
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let written = api(look, object).patch(name, &params, &Patch::Merge(patch)).await;
    written.map(drop).map_err(|error| Failure::kubernetes("kubernetes:PatchSecret", &error))
}

/// Reads the password, from the Secret of this uid and no other.
pub async fn password<K: Kind>(look: &Look<'_>, object: &K, name: &str, uid: &str) -> Result<SecretString, Failure> {
    get(look, object, name)
        .await?
        .filter(|secret| secret.uid().as_deref() == Some(uid))
        .and_then(|secret| text(&secret, "password"))
        .map(SecretString::from)
        .ok_or_else(|| {
            let message = format!("the Secret {name} was replaced, or its key password is gone; looking again");
            Failure::own("kubernetes:GetSecret", Class::Wait, "SecretChanged", message)
        })
}

async fn get<K: Kind>(look: &Look<'_>, object: &K, name: &str) -> Result<Option<Secret>, Failure> {
    api(look, object).get_opt(name).await.map_err(|error| Failure::kubernetes("kubernetes:GetSecret", &error))
}

fn secret<K: Kind>(object: &K, name: &str, connection: &Connection, password: Option<&SecretString>) -> Secret {
    let mut data = BTreeMap::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            data.insert(key.to_owned(), ByteString(value.into_bytes()));
        }
    };
    put("type", Some(connection.type_.clone()));
    put("provider", Some(connection.provider.clone()));
    put("host", connection.host.clone());
    put("port", connection.port.map(|port| port.to_string()));
    put("username", connection.username.clone());
    put("database", connection.database.clone());
    put("password", password.map(|password| password.expose_secret().to_owned()));
    put("uri", uri(connection, password));
    let mut secret = Secret {
        type_: Some(format!("servicebinding.io/{}", connection.type_)),
        data: Some(data),
        ..Secret::default()
    };
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.namespace = object.namespace();
    secret.metadata.annotations = Some(
        [
            (OWNER_UID_ANNOTATION.to_owned(), object.uid().unwrap_or_default()),
            (CA_ANNOTATION.to_owned(), connection.ca.clone()),
        ]
        .into(),
    );
    secret.metadata.labels = Some([("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned())].into());
    secret.metadata.owner_references =
        object.controller_owner_ref(&()).filter(|_| connection.owned).map(|owner| vec![owner]);
    secret
}

fn uri(connection: &Connection, password: Option<&SecretString>) -> Option<String> {
    let (host, port) = (connection.host.as_ref()?, connection.port?);
    let user = connection.username.clone().unwrap_or_default();
    let login = password.map(|password| format!("{user}:{}@", password.expose_secret())).unwrap_or_default();
    Some(match connection.type_.as_str() {
        "postgresql" => {
            let database = connection.database.as_deref().unwrap_or("postgres");
            format!("postgresql://{login}{host}:{port}/{database}?sslmode=verify-full")
        }
        // rediss: Redis over TLS.
        _ => format!("rediss://{login}{host}:{port}"),
    })
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.0.clone()).ok()
}

fn draw() -> SecretString {
    let mut rng = rand::rng();
    let letters: String = (0..PASSWORD_LENGTH).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect();
    SecretString::from(letters)
}

fn api<K: Kind>(look: &Look<'_>, object: &K) -> Api<Secret> {
    Api::namespaced(look.cx.client.clone(), &object.namespace().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_of_letters_and_digits_and_never_twice_the_same() {
        let (one, two) = (draw(), draw());
        assert_eq!(one.expose_secret().len(), PASSWORD_LENGTH);
        assert!(one.expose_secret().chars().all(|c| c.is_ascii_alphanumeric()));
        assert_ne!(one.expose_secret(), two.expose_secret());
        assert!(!format!("{one:?}").contains(one.expose_secret()));
    }

    #[test]
    fn the_uri_asks_for_verified_tls() {
        let mut connection = Connection {
            type_: "postgresql".into(),
            host: Some("db.example".into()),
            port: Some(5432),
            username: Some("app".into()),
            database: Some("shop".into()),
            ..Connection::default()
        };
        let password = SecretString::from("pw".to_owned());
        assert_eq!(
            uri(&connection, Some(&password)).as_deref(),
            Some("postgresql://app:pw@db.example:5432/shop?sslmode=verify-full")
        );
        connection.type_ = "redis".into();
        connection.username = None;
        assert_eq!(uri(&connection, Some(&password)).as_deref(), Some("rediss://:pw@db.example:5432"));
        connection.host = None;
        assert_eq!(uri(&connection, Some(&password)), None);
    }
}
