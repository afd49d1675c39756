//! The guard in front of an endpoint of the user's: tests work in no account that was not named.

use aws_sim::{Forwarded, Upstream as _};
use bytes::Bytes;

use super::forward::{Forward, Target};
use super::sign::Signer;
use super::{ACCOUNT, ENDPOINT, variable};
use crate::error::{Error, Result};

/// The account that was named, if it is the one that the credentials belong to at this endpoint.
pub async fn account(endpoint: &str, signer: &Signer) -> Result<String> {
    let named = variable(ACCOUNT).unwrap_or_default();
    if named.len() != 12 || !named.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Other(format!(
            "{ENDPOINT} is {endpoint}: set {ACCOUNT} to the twelve digits of the account there in which the tests may make \
             and delete databases, caches and buckets"
        )));
    }
    let found = caller(endpoint, signer).await?;
    if found == named {
        return Ok(named);
    }
    Err(Error::Other(format!(
        "nothing was made: the credentials at {endpoint} belong to the account {found}, and {ACCOUNT} names {named}"
    )))
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>
async fn caller(endpoint: &str, signer: &Signer) -> Result<String> {
    let (parts, ()) = http::Request::post("/")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(())
        .map_err(|error| Error::Other(error.to_string()))?
        .into_parts();
    let request = Forwarded {
        service: "sts".to_owned(),
        region: variable("AWS_REGION").unwrap_or_else(|| "eu-central-1".to_owned()),
        access_key: String::new(),
        account: String::new(),
        operation: "GetCallerIdentity".to_owned(),
        parts,
        body: Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15"),
    };
    let failed = |why: String| Error::Other(format!("{endpoint} does not say whose the credentials are: {why}"));
    let response =
        Forward::new(Target::of(endpoint), None, Some(signer.clone()))?.send(request).await.map_err(failed)?;
    let body = String::from_utf8_lossy(response.body()).into_owned();
    let account = body.split_once("<Account>").and_then(|(_, rest)| rest.split_once("</Account>"));
    account
        .map(|(account, _)| account.to_owned())
        .ok_or_else(|| failed(format!("HTTP {}: {}", response.status(), body.trim())))
}
