//! STS: who am I.

use serde_json::{Value, json};

use crate::call::Call;
use crate::error::AwsError;
use crate::log::digest;

/// STS keeps no state.
#[derive(Debug)]
pub struct Sts;

impl Sts {
    /// Answers one request.
    pub fn call(&self, call: &Call<'_>) -> Result<Value, AwsError> {
        match call.operation {
            // https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
            "GetCallerIdentity" => Ok(json!({
                "Account": call.account,
                "Arn": format!("arn:{}:iam::{}:user/showcore", call.partition, call.account),
                "UserId": format!("AIDA{}", digest(call.account)[..17].to_uppercase()),
            })),
            // Role sessions need IAM, which is not served: granting every role
            // would prove nothing.
            other => Err(AwsError::not_implemented(format!("sts:{other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, Sim};
    use serde_json::json;

    #[test]
    fn the_identity_is_the_accounts() {
        let sim = Sim::new(Options::default());
        let identity = |key: &str, region: &str| {
            sim.account(key).execute("sts", region, "GetCallerIdentity", &json!({}), "").unwrap()
        };
        let one = identity("AKIASIM00111122223333", "us-east-1");
        assert_eq!(one["Account"], "111122223333");
        assert_eq!(one["Arn"], "arn:aws:iam::111122223333:user/showcore");
        assert_ne!(one, identity("AKIASIM00111122224444", "us-east-1"));
        assert_eq!(sim.violations(), [""; 0]);
    }
}
