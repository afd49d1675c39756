//! AWS's service models: shapes, required members, enums, ranges and errors.
//!
//! They are botocore's JSON, cut down by `models/refresh.py`. Parameters and
//! answers are both held against them, so neither a client's mistake nor one
//! of ours passes unseen.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{AwsError, common_status};

mod check;

/// The model of one service.
#[derive(Debug, Deserialize)]
pub struct Model {
    /// Protocol, version and names.
    pub metadata: Metadata,
    operations: BTreeMap<String, Operation>,
    shapes: BTreeMap<String, Shape>,
}

/// Protocol, version and names of a service.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The API version, such as `2014-10-31`.
    pub api_version: String,
    /// The name in the credential scope.
    pub endpoint_prefix: String,
    /// `query` or `json`.
    pub protocol: String,
    /// What stands before the dot in `X-Amz-Target`.
    pub target_prefix: Option<String>,
    /// The namespace of the XML answers.
    pub xml_namespace: Option<String>,
}

/// One operation.
#[derive(Debug, Deserialize)]
pub struct Operation {
    /// AWS's name of it.
    pub name: String,
    /// What it takes; nothing if absent.
    pub input: Option<Reference>,
    /// What it answers; nothing if absent.
    pub output: Option<Output>,
}

/// The shape of an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Its name.
    pub shape: String,
    /// The XML element around it.
    pub result_wrapper: Option<String>,
}

/// A shape, named where it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The shape's name.
    pub shape: String,
    /// The name on the wire, if it differs from the member's.
    pub location_name: Option<String>,
}

/// A shape.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Shape {
    /// An object.
    Structure(Structure),
    /// An array.
    List {
        /// Its values.
        member: Reference,
        /// Whether there is no element around the values.
        #[serde(default)]
        flattened: bool,
        /// The fewest values.
        min: Option<f64>,
        /// The most values.
        max: Option<f64>,
    },
    /// An object with free names.
    Map {
        /// Its names.
        key: Reference,
        /// Its values.
        value: Reference,
        /// Whether there is no element around the entries.
        #[serde(default)]
        flattened: bool,
    },
    /// A text.
    String {
        /// The only values allowed.
        #[serde(rename = "enum")]
        values: Option<Vec<String>>,
        /// The fewest characters.
        min: Option<f64>,
        /// The most characters.
        max: Option<f64>,
    },
    /// A 32-bit number.
    Integer {
        /// The smallest.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
    },
    /// A 64-bit number.
    Long {
        /// The smallest.
        min: Option<f64>,
        /// The greatest.
        max: Option<f64>,
    },
    /// A floating-point number.
    Double,
    /// A floating-point number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A point in time.
    Timestamp,
    /// Bytes, in base64.
    Blob,
}

/// An object's members, or an error.
#[derive(Debug, Deserialize)]
pub struct Structure {
    /// By AWS's name, in AWS's order of the alphabet.
    #[serde(default)]
    pub members: BTreeMap<String, Reference>,
    /// The names of those that must be there.
    #[serde(default)]
    pub required: Vec<String>,
    error: Option<ErrorCode>,
    #[serde(default)]
    exception: bool,
    #[serde(default)]
    fault: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorCode {
    code: String,
    http_status_code: u16,
}

macro_rules! model {
    ($file:literal) => {
        LazyLock::new(|| {
            serde_json::from_str(include_str!(concat!("../models/", $file)))
                .expect(concat!($file, " is what models/refresh.py writes"))
        })
    };
}

static RDS: LazyLock<Model> = model!("rds.json");
static ELASTICACHE: LazyLock<Model> = model!("elasticache.json");
static KMS: LazyLock<Model> = model!("kms.json");
static STS: LazyLock<Model> = model!("sts.json");

impl Model {
    /// The model of a service, by the name in the credential scope.
    pub fn of(service: &str) -> Option<&'static Self> {
        match service {
            "rds" => Some(&RDS),
            "elasticache" => Some(&ELASTICACHE),
            "kms" => Some(&KMS),
            "sts" => Some(&STS),
            _ => None,
        }
    }

    /// The service's name in the credential scope.
    pub fn service(&self) -> &str {
        &self.metadata.endpoint_prefix
    }

    /// An operation that is served.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.get(name)
    }

    /// The shape that a reference means.
    ///
    /// # Panics
    /// If the model names a shape that it does not have.
    pub fn shape(&self, reference: &str) -> &Shape {
        self.shapes.get(reference).expect("models/refresh.py follows every reference")
    }

    /// The HTTP status of an error code, if the service has it.
    pub fn status(&self, code: &str) -> Option<u16> {
        let own = self.shapes.iter().find_map(|(name, shape)| match shape {
            Shape::Structure(Structure { error: Some(error), .. }) if error.code == code => {
                Some(error.http_status_code)
            }
            // The JSON services' errors have no code but the shape's name.
            Shape::Structure(shape) if shape.exception && shape.error.is_none() && name == code => {
                Some(if shape.fault { 500 } else { 400 })
            }
            _ => None,
        });
        own.or_else(|| common_status(code))
    }

    /// Holds parameters against the model; the error is AWS's validation error.
    pub fn check_input(&self, operation: &Operation, parameters: &Value) -> Result<(), AwsError> {
        check::input(self, operation, parameters)
    }

    /// Holds an answer against the model: what is wrong with it, in words.
    pub fn check_output(&self, operation: &Operation, answer: &Value) -> Vec<String> {
        check::output(self, operation, answer)
    }
}
