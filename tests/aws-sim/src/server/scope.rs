//! The credential scope of a request.

use http::request::Parts;

/// Who asks which service in which region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) access_key: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Scope {
    /// From the `Authorization` header or, in a presigned URL, from
    /// `X-Amz-Credential`:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
    pub(super) fn of(parts: &Parts) -> Option<Self> {
        let header = parts.headers.get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        if let Some(header) = header {
            let credential = header.strip_prefix("AWS4-HMAC-SHA256")?.split("Credential=").nth(1)?;
            return Self::parse(credential.split([',', ' ']).next()?);
        }
        form_urlencoded::parse(parts.uri.query()?.as_bytes())
            .find(|(name, _)| name == "X-Amz-Credential")
            .and_then(|(_, credential)| Self::parse(&credential))
    }

    /// `<access key>/<date>/<region>/<service>/aws4_request`
    fn parse(credential: &str) -> Option<Self> {
        let mut parts = credential.trim().split('/');
        let (access_key, _date) = (parts.next()?, parts.next()?);
        let (region, service) = (parts.next()?, parts.next()?);
        let complete = parts.next() == Some("aws4_request") && !access_key.is_empty();
        complete.then(|| Self {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(uri: &str, authorization: Option<&str>) -> Option<Scope> {
        let mut request = http::Request::builder().uri(uri);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        Scope::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_scope_is_in_the_header_or_the_url() {
        let wanted = Some(Scope { access_key: "AK".into(), region: "eu-west-1".into(), service: "rds".into() });
        let header =
            "AWS4-HMAC-SHA256 Credential=AK/20261124/eu-west-1/rds/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!(scope("/", Some(header)), wanted);
        assert_eq!(scope("/?X-Amz-Credential=AK%2F20261124%2Feu-west-1%2Frds%2Faws4_request", None), wanted);
    }

    #[test]
    fn without_credentials_there_is_none() {
        assert_eq!(scope("/", None), None);
        assert_eq!(scope("/?X-Amz-Credential=AK", None), None);
        assert_eq!(scope("/", Some("Basic abc")), None);
    }
}
