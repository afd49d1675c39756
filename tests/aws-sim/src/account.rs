//! One AWS account: its clock, log, faults and the state of its families.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::call::{Call, Keys, NoKeys, partition_of};
use crate::clock::Clock;
use crate::durations::Durations;
use crate::elasticache::ElastiCache;
use crate::error::AwsError;
use crate::fault::{Fault, FaultKind, Faults};
use crate::hook::Hook;
use crate::kms::Kms;
use crate::log::{Request, digest};
use crate::model::{Model, Operation};
use crate::rds::Rds;
use crate::sts::Sts;
use crate::upstream::NEEDS_STAND_IN;
use crate::{Violations, lock};

/// One account. Cloning is cheap and gives another handle to the same one.
///
/// The answers of [`Account::rds`], [`Account::elasticache`],
/// [`Account::kms`] and [`Account::durations`] are locks: use them for one
/// statement, never hold two of them, and never hold one over a request.
#[derive(Clone)]
pub struct Account(Arc<State>);

struct State {
    id: String,
    clock: Clock,
    log: Mutex<Vec<Request>>,
    faults: Mutex<Faults>,
    hook: Mutex<Option<Arc<dyn Hook>>>,
    durations: Mutex<Durations>,
    rds: Mutex<Rds>,
    elasticache: Mutex<ElastiCache>,
    kms: Mutex<Kms>,
    violations: Violations,
    /// Whether something else answers, so that the state is nobody's.
    front: bool,
}

impl Account {
    pub(crate) fn new(id: String, speed: f64, violations: Violations, front: bool) -> Self {
        Self(Arc::new(State {
            id,
            clock: Clock::new(speed),
            log: Mutex::default(),
            faults: Mutex::default(),
            hook: Mutex::default(),
            durations: Mutex::default(),
            rds: Mutex::default(),
            elasticache: Mutex::default(),
            kms: Mutex::default(),
            violations,
            front,
        }))
    }

    /// The twelve digits.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The account's own virtual time.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Lets virtual time pass.
    pub fn advance(&self, by: Duration) {
        self.0.clock.advance(by);
    }

    /// All requests so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.0.log).clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        lock(&self.0.log).clear();
    }

    /// Orders a fault.
    pub fn inject(&self, fault: Fault) {
        lock(&self.0.faults).inject(fault);
    }

    /// How many requests are still to meet an ordered fault.
    pub fn faults_left(&self) -> u32 {
        lock(&self.0.faults).left()
    }

    /// Forgets all ordered faults.
    pub fn clear_faults(&self) {
        lock(&self.0.faults).clear();
    }

    /// Puts a hook on the wire, in the place of the one before.
    pub fn set_hook(&self, hook: Option<Arc<dyn Hook>>) {
        *lock(&self.0.hook) = hook;
    }

    pub(crate) fn hook(&self) -> Option<Arc<dyn Hook>> {
        lock(&self.0.hook).clone()
    }

    /// How long asynchronous states last, to be changed.
    ///
    /// # Panics
    ///
    /// If something else than the stand-in answers, as do [`Account::rds`], [`Account::elasticache`] and [`Account::kms`].
    pub fn durations(&self) -> MutexGuard<'_, Durations> {
        assert!(!self.0.front, "{NEEDS_STAND_IN}: its state or its durations");
        lock(&self.0.durations)
    }

    /// The account's databases, as they are now: the tests' back doors.
    pub fn rds(&self) -> MutexGuard<'_, Rds> {
        let durations = self.durations().clone();
        let mut rds = lock(&self.0.rds);
        rds.tick(self.now(), &durations);
        rds
    }

    /// The account's caches, as they are now: the tests' back doors.
    pub fn elasticache(&self) -> MutexGuard<'_, ElastiCache> {
        let durations = self.durations().clone();
        let mut elasticache = lock(&self.0.elasticache);
        elasticache.tick(self.now(), &durations);
        elasticache
    }

    /// The account's keys, as they are now: the tests' back doors.
    pub fn kms(&self) -> MutexGuard<'_, Kms> {
        let durations = self.durations().clone();
        let mut kms = lock(&self.0.kms);
        kms.tick(self.now(), &durations);
        kms
    }

    pub(crate) fn record(&self, request: Request) {
        lock(&self.0.log).push(request);
    }

    pub(crate) fn meet_fault(&self, service: &str, operation: &str) -> Option<FaultKind> {
        lock(&self.0.faults).meet(service, operation)
    }

    pub(crate) fn violations(&self) -> &Violations {
        &self.0.violations
    }

    /// Answers one request of the query or JSON protocol: parameters and
    /// answer are in the form that [`Call`] describes, and are held against
    /// AWS's model. The wire is the server's part, so tests of behaviour call
    /// this.
    pub fn execute(
        &self,
        service: &str,
        region: &str,
        operation: &str,
        parameters: &Value,
        endpoint: &str,
    ) -> Result<Value, AwsError> {
        let (model, shape) = known(service, operation)?;
        model.check_input(shape, parameters)?;
        let durations = self.durations().clone();
        let keys: &dyn Keys = if service == "kms" { &NoKeys } else { self };
        let call = Call {
            operation,
            parameters,
            now: self.now(),
            account: self.id(),
            region,
            partition: partition_of(region),
            durations: &durations,
            endpoint,
            keys,
        };
        let answer = match service {
            "rds" => self.rds().call(&call),
            "elasticache" => self.elasticache().call(&call),
            "kms" => self.kms().call(&call),
            "sts" => Sts.call(&call),
            other => Err(AwsError::not_implemented(format!("the service {other}"))),
        };
        self.checked(model, shape, answer)
    }

    fn checked(
        &self,
        model: &Model,
        operation: &Operation,
        answer: Result<Value, AwsError>,
    ) -> Result<Value, AwsError> {
        let broken = match &answer {
            Ok(value) => model.check_output(operation, value),
            Err(error) if model.status(&error.code).is_none() => {
                vec![format!("AWS has no error {} in {}", error.code, model.service())]
            }
            Err(_) => Vec::new(),
        };
        if broken.is_empty() {
            return answer;
        }
        let message = format!("{}: {}", operation.name, broken.join("; "));
        self.violations().record(message.clone());
        Err(AwsError::internal(message))
    }
}

/// The operation in its service's model, if both are served.
pub(crate) fn known(service: &str, operation: &str) -> Result<(&'static Model, &'static Operation), AwsError> {
    let model = Model::of(service).ok_or_else(|| AwsError::not_implemented(format!("the service {service}")))?;
    let operation =
        model.operation(operation).ok_or_else(|| AwsError::not_implemented(format!("{service}:{operation}")))?;
    Ok((model, operation))
}

impl Keys for Account {
    fn usable(&self, call: &Call<'_>, reference: &str) -> Result<String, AwsError> {
        self.kms().usable_key(call, reference)
    }
}

/// The account of an access key: the last twelve characters if they are
/// digits (`AKIASIM00111122223333` belongs to 111122223333), else twelve
/// digits that are always the same for the same key.
pub fn id_of(access_key: &str) -> String {
    let tail = access_key.len().checked_sub(12).and_then(|at| access_key.get(at..));
    match tail {
        Some(tail) if tail.bytes().all(|byte| byte.is_ascii_digit()) => tail.to_owned(),
        _ => {
            let number = |number: u64, byte| (number * 31 + u64::from(byte)) % 1_000_000_000_000;
            format!("{:012}", digest(access_key).bytes().fold(0, number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_in_the_access_key() {
        assert_eq!(id_of("AKIASIM00111122223333"), "111122223333");
        let hashed = id_of("test");
        assert_eq!(hashed.len(), 12);
        assert!(hashed.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(hashed, id_of("test"));
        assert_ne!(hashed, id_of("test2"));
    }
}
