//! Faults that a test orders.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::AwsError;

/// Makes the next requests of an operation fail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// The service by its signing name: `rds`, `elasticache`, `s3`, `kms`, `sts`.
    pub service: String,
    /// AWS's name of the operation; `*` is any.
    pub operation: String,
    /// How many requests fail; `u32::MAX` is for ever.
    pub times: u32,
    /// In which way.
    pub kind: FaultKind,
}

/// In which way a request fails.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum FaultKind {
    /// Answered with this error, and not executed.
    Error {
        /// AWS's error code.
        code: String,
        /// The HTTP status.
        status: u16,
        /// The message.
        message: String,
    },
    /// Executed, then the connection is cut without an answer.
    AnswerLost,
    /// Executed after this wait, in real time.
    Hang(Duration),
    /// Answered as AWS throttles: `Throttling` (400), KMS `ThrottlingException`,
    /// S3 `SlowDown` (503). Not executed.
    Throttle,
}

impl FaultKind {
    /// The error that a request of this service is answered with instead of being executed, and its status; nothing if it is
    /// executed.
    pub(crate) fn refusal(&self, service: &str) -> Option<(AwsError, u16)> {
        match self {
            Self::Error { code, status, message } => Some((AwsError::new(code, message), *status)),
            // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
            Self::Throttle if service == "s3" => {
                Some((AwsError::new("SlowDown", "Please reduce your request rate."), 503))
            }
            Self::Throttle if service == "kms" => Some((AwsError::new("ThrottlingException", "Rate exceeded"), 400)),
            Self::Throttle => Some((AwsError::new("Throttling", "Rate exceeded"), 400)),
            Self::AnswerLost | Self::Hang(_) => None,
        }
    }

    /// How long the request hangs before it is executed.
    pub(crate) fn wait(&self) -> Duration {
        if let Self::Hang(wait) = self { *wait } else { Duration::ZERO }
    }
}

/// The faults that are ordered for an account.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// How many requests are still to fail.
    pub(crate) fn left(&self) -> u32 {
        self.0.iter().fold(0, |left, fault| left.saturating_add(fault.times))
    }

    /// The fault that this request meets: the oldest that fits. It is used up.
    pub(crate) fn meet(&mut self, service: &str, operation: &str) -> Option<FaultKind> {
        let fits = |fault: &Fault| fault.service == service && (fault.operation == "*" || fault.operation == operation);
        let at = self.0.iter().position(|fault| fault.times > 0 && fits(fault))?;
        let fault = &mut self.0[at];
        let kind = fault.kind.clone();
        if fault.times != u32::MAX {
            fault.times -= 1;
        }
        self.0.retain(|fault| fault.times > 0);
        Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(operation: &str, times: u32) -> Fault {
        Fault { service: "rds".into(), operation: operation.into(), times, kind: FaultKind::Throttle }
    }

    #[test]
    fn a_fault_is_used_up() {
        let mut faults = Faults::default();
        faults.inject(throttle("DescribeDBInstances", 2));
        assert!(faults.meet("rds", "CreateDBInstance").is_none());
        assert!(faults.meet("elasticache", "DescribeDBInstances").is_none());
        assert!(faults.meet("rds", "DescribeDBInstances").is_some());
        assert!(faults.meet("rds", "DescribeDBInstances").is_some());
        assert!(faults.meet("rds", "DescribeDBInstances").is_none());
    }

    #[test]
    fn a_fault_for_ever_stays_and_any_operation_meets_it() {
        let mut faults = Faults::default();
        faults.inject(throttle("*", u32::MAX));
        for _ in 0..100 {
            assert!(faults.meet("rds", "CreateDBInstance").is_some());
        }
        faults.clear();
        assert!(faults.meet("rds", "CreateDBInstance").is_none());
    }
}
