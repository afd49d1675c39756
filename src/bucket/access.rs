//! The statements that a bucket's spec adds to its policy.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stands for the bucket's ARN in the resources of a statement.
pub const BUCKET_ARN: &str = "{bucketARN}";

/// What the bucket's policy says besides what it always says.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySpec {
    /// Statements besides those that the operator always writes (requests without TLS are denied; CloudTrail may deliver
    /// if that is the purpose). Whoever is named here is let in although they are outside the account; nobody else from
    /// outside is. To have a bucket take the access logs of others, let the service `logging.s3.amazonaws.com` do
    /// `s3:PutObject`. A statement with another sid that somebody else put into the policy is left alone, unless it lets
    /// in someone from outside the account.
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["sid".into()]))]
    pub statements: Vec<Statement>,
}

/// A statement of a bucket policy, as AWS has it.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html>
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.effect != 'Allow' || !has(self.principal.aws) || !('*' in self.principal.aws) || (has(self.condition) && self.condition.exists(op, op in ['StringEquals', 'StringLike', 'ArnEquals', 'ArnLike', 'IpAddress'] && self.condition[op].exists(key, key.lowerAscii() in ['aws:sourceip', 'aws:sourcearn', 'aws:sourceaccount', 'aws:sourcevpc', 'aws:sourcevpce', 'aws:sourceowner', 'aws:userid', 'aws:principalorgid', 'aws:principalarn', 'aws:principalaccount', 's3:dataaccesspointarn', 's3:dataaccesspointaccount'])))")
        .message("policy.statements: an Allow to everybody (*) needs a condition that says who: aws:PrincipalOrgID, aws:PrincipalArn, aws:SourceVpce, aws:SourceArn and the like. A public policy is refused, since all public access is blocked")
)]
pub struct Statement {
    /// Names the statement.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9]+$') && !self.startsWith('ShowCore')")
        .message("policy.statements.sid has letters and digits and does not begin with ShowCore, which names the operator's own"))]
    pub sid: String,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Whom.
    #[x_kube(validation = Rule::new("has(self.aws) || has(self.service)").message("policy.statements.principal names aws or service"))]
    pub principal: Principal,
    /// What: `s3:GetObject`, `s3:*`.
    #[schemars(length(min = 1, max = 32), inner(length(max = 64)))]
    #[x_kube(validation = Rule::new("self.all(action, action.matches('^s3:[A-Za-z*]+$'))")
        .message("policy.statements.actions: each must look like s3:GetObject"))]
    pub actions: Vec<String>,
    /// On what; `{bucketARN}` stands for the bucket's ARN. The bucket and all its objects if left out.
    #[serde(default = "everything")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 256)))]
    #[x_kube(validation = Rule::new("self.all(resource, resource == '{bucketARN}' || resource.startsWith('{bucketARN}/'))")
        .message("policy.statements.resources: each is {bucketARN}, or begins with {bucketARN}/"))]
    pub resources: Vec<String>,
    /// When: AWS's operators, under each of them condition keys, under each of them values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "condition_schema")]
    pub condition: Condition,
}

/// Operator, key, values.
pub type Condition = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// Whether a statement allows or denies.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever else allows.
    Deny,
}

/// Whom a statement is about.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// Accounts (twelve digits), users and roles (ARNs), or `*` for everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 256)))]
    #[x_kube(validation = Rule::new("self.all(one, one == '*' || one.matches('^([0-9]{12}|arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:[^*]+)$'))")
        .message("policy.statements.principal.aws: each is an account (twelve digits), the ARN of a user or role without *, or * alone"))]
    pub aws: Vec<String>,
    /// AWS services: `logging.s3.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 128)))]
    #[x_kube(validation = Rule::new("self.all(one, one.matches('^[a-z0-9.-]+[.]amazonaws[.]com([.]cn)?$'))")
        .message("policy.statements.principal.service: each must look like logging.s3.amazonaws.com"))]
    pub service: Vec<String>,
}

fn everything() -> Vec<String> {
    vec![BUCKET_ARN.to_owned(), format!("{BUCKET_ARN}/*")]
}

/// Schema of [`Condition`].
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
fn condition_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "description": "When: AWS's operators, under each of them condition keys, under each of them values.",
        "maxProperties": 8,
        "additionalProperties": {
            "type": "object",
            "maxProperties": 8,
            "additionalProperties": {
                "type": "array",
                "minItems": 1,
                "maxItems": 16,
                "items": {"type": "string", "maxLength": 256}
            }
        },
        "x-kubernetes-validations": [
            {"rule": "self.all(op, op.matches('^(ForAllValues:|ForAnyValue:)?(String(Not)?(Equals|EqualsIgnoreCase|Like)|Numeric(Not)?Equals|Numeric(Less|Greater)Than(Equals)?|Date(Not)?Equals|Date(Less|Greater)Than(Equals)?|Bool|BinaryEquals|(Not)?IpAddress|Arn(Not)?(Equals|Like)|Null)(IfExists)?$'))",
             "message": "policy.statements.condition: operators are AWS's: StringEquals, ArnLike, IpAddress, Bool and the like"},
            {"rule": "self.all(op, self[op].all(key, key.matches('^[A-Za-z0-9-]+:.+$')))",
             "message": "policy.statements.condition: keys look like aws:SourceArn"}
        ]
    })
}
