//! Leader election by a Lease (coordination.k8s.io): one process of several works, the others stand by.
//!
//! The protocol is client-go's (<https://pkg.go.dev/k8s.io/client-go/tools/leaderelection>), so its figures mean what
//! they mean elsewhere: whoever holds the lease renews it every `retry`, and gives up once it could not for
//! `renew_deadline`; the others take it over once they have seen it unchanged for its duration, by their own clocks.
//! Unlike there, the holder's time counts from before its request was sent, and the [`Fence`] closes by itself at the
//! deadline: what the process does, or whether it runs at all, does not matter.

use std::{fmt, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::jitter,
    fence::{Fence, moment},
    report::MANAGER,
};

/// How long a lease lasts, and how it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long the others wait for a sign of its holder, in whole seconds.
    pub duration: Duration,
    /// How long its holder tries to renew it before it gives up.
    pub renew_deadline: Duration,
    /// Between two tries.
    pub retry: Duration,
}

impl Timing {
    /// Whether they fit together, and if not, why.
    pub fn check(&self) -> Result<(), String> {
        let Self { duration, renew_deadline, retry } = self;
        if duration.subsec_nanos() != 0 || i32::try_from(duration.as_secs()).is_err() {
            return Err(format!("--lease-duration must be whole seconds, not {duration:?}"));
        }
        if !(Duration::ZERO < *retry && retry < renew_deadline && renew_deadline < duration) {
            return Err(format!(
                "--lease-retry ({retry:?}) must be shorter than --lease-renew-deadline ({renew_deadline:?}), and that \
                 shorter than --lease-duration ({duration:?})"
            ));
        }
        Ok(())
    }

    /// How long one call may take: a connection that hangs must leave time for another.
    fn attempt(&self) -> Duration {
        self.renew_deadline / 2
    }
}

/// A candidate.
#[derive(Clone, Debug)]
pub struct Election {
    /// The leases of its namespace.
    pub api: Api<Lease>,
    /// The lease's name.
    pub name: String,
    /// Who we are: no other process ever has this name.
    pub identity: String,
    /// How long it lasts, and how it is kept.
    pub timing: Timing,
    /// Open while the lease is held.
    pub fence: Fence,
}

/// Why a lease is no longer held.
#[derive(Debug)]
pub enum Lost {
    /// Another holds it, or nobody: someone else changed it.
    Taken(String),
    /// It could not be renewed for the time of the deadline.
    NotRenewed(Duration),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(by) => write!(f, "the lease now says: {by}"),
            Self::NotRenewed(after) => write!(
                f,
                "it could not be renewed for {after:?}: the API server did not answer or refused, or this process stood still"
            ),
        }
    }
}

/// The lease as another holder wrote it last, and since when we know that.
struct Observed {
    spec: LeaseSpec,
    since: Duration,
}

impl Election {
    /// Waits until the lease is held; `None` if `stop` comes first. `standby` is called once it is known that another
    /// holds it.
    pub async fn acquire(self, stop: &CancellationToken, standby: impl Fn()) -> Option<Held> {
        let mut observed = None;
        loop {
            let sent = moment();
            let wait = match timeout(self.timing.attempt(), self.try_to_acquire(&mut observed)).await {
                Ok(Ok(Ok(lease))) => {
                    self.fence.open_until(sent.saturating_add(self.timing.renew_deadline));
                    return Some(Held { election: self, lease, renewed: sent });
                }
                Ok(Ok(Err(wait))) => {
                    standby();
                    wait.min(jitter(self.timing.retry))
                }
                Ok(Err(error)) => {
                    self.tell(&error, "the lease cannot be asked for");
                    jitter(self.timing.retry)
                }
                Err(_) => {
                    tracing::warn!(lease = self.name, "the API server does not answer when asked for the lease");
                    jitter(self.timing.retry)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep(wait) => {}
            }
        }
    }

    /// The lease if it is ours now, or how long it will still be another's.
    async fn try_to_acquire(&self, observed: &mut Option<Observed>) -> kube::Result<Result<Lease, Duration>> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let spec = Some(self.spec(&LeaseSpec::default()));
            let lease = Lease { metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() }, spec };
            let created = self.api.create(&params(), &lease).await;
            return unless_another_was_faster(created);
        };
        let spec = lease.spec.take().unwrap_or_default();
        if let Some(holder) = holder(&spec)
            && holder != self.identity
        {
            // Its times are by its holder's clock, so they only tell whether it was renewed.
            let now = moment();
            let last = match observed {
                Some(last) if last.spec == spec => last,
                _ => {
                    if observed.as_ref().is_none_or(|last| last.spec.holder_identity != spec.holder_identity) {
                        tracing::info!(lease = self.name, holder, "standing by: another process holds the lease");
                    }
                    observed.insert(Observed { spec: spec.clone(), since: now })
                }
            };
            let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
            let end = last.since.saturating_add(duration.map_or(self.timing.duration, Duration::from_secs));
            if now < end {
                return Ok(Err(end.saturating_sub(now)));
            }
            tracing::warn!(lease = self.name, holder, "its holder has not renewed the lease; taking it over");
        }
        lease.spec = Some(self.spec(&spec));
        // It carries the resourceVersion that was read: of two who take it over, one succeeds.
        unless_another_was_faster(self.api.replace(&self.name, &params(), &lease).await)
    }

    /// What the lease says once it is ours, or still is.
    fn spec(&self, before: &LeaseSpec) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let ours = holder(before) == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or_default();
        let first = before.acquire_time.is_none() && before.lease_transitions.is_none();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.duration.as_secs()).ok(),
            acquire_time: if ours { before.acquire_time.clone() } else { Some(now.clone()) },
            renew_time: Some(now),
            lease_transitions: Some(if ours || first { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }

    fn tell(&self, error: &kube::Error, what: &str) {
        let lease = &self.name;
        match error {
            kube::Error::Api(status) if status.is_forbidden() => tracing::error!(
                lease,
                "{what}: the operator's ServiceAccount needs get, create and update of leases (coordination.k8s.io) in the lease's namespace, as the README lists"
            ),
            kube::Error::Api(status) => tracing::warn!(lease, code = status.code, reason = status.reason, "{what}"),
            _ => tracing::warn!(lease, "{what}: the API server was not reached"),
        }
    }
}

/// A held lease.
#[derive(Debug)]
pub struct Held {
    election: Election,
    /// As it was written last.
    lease: Lease,
    /// The moment before the request that renewed it was sent.
    renewed: Duration,
}

impl Held {
    /// Keeps the lease for as long as that is possible.
    pub async fn keep(&mut self) -> Lost {
        let timing = self.election.timing;
        loop {
            sleep(timing.retry.min(self.left())).await;
            if self.left().is_zero() {
                return Lost::NotRenewed(timing.renew_deadline);
            }
            let sent = moment();
            match timeout(timing.attempt().min(self.left()), self.renew()).await {
                Ok(Ok(Ok(()))) => {
                    self.renewed = sent;
                    self.election.fence.open_until(sent.saturating_add(timing.renew_deadline));
                }
                Ok(Ok(Err(by))) => return Lost::Taken(by),
                Ok(Err(error)) => self.election.tell(&error, "the lease was not renewed"),
                Err(_) => {
                    tracing::warn!(
                        lease = self.election.name,
                        "the API server does not answer when the lease is renewed"
                    );
                }
            }
        }
    }

    /// Until the deadline.
    fn left(&self) -> Duration {
        self.renewed.saturating_add(self.election.timing.renew_deadline).saturating_sub(moment())
    }

    /// Writes it onto the version that we wrote last. If that is no longer the newest, whose it is now counts: ours, if
    /// an answer to us was lost.
    async fn renew(&mut self) -> kube::Result<Result<(), String>> {
        let Election { api, name, .. } = &self.election;
        let mut lease = self.lease.clone();
        lease.spec = Some(self.election.spec(&lease.spec.unwrap_or_default()));
        match api.replace(name, &params(), &lease).await {
            Ok(lease) => {
                self.lease = lease;
                return Ok(Ok(()));
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {}
            Err(error) => return Err(error),
        }
        let Some(newest) = api.get_opt(name).await? else { return Ok(Err("nothing, it was deleted".to_owned())) };
        match newest.spec.as_ref().and_then(holder) {
            Some(holder) if holder == self.election.identity => {}
            Some(holder) => return Ok(Err(format!("held by {holder}"))),
            None => return Ok(Err("held by nobody".to_owned())),
        }
        lease.metadata = newest.metadata;
        self.lease = api.replace(name, &params(), &lease).await?;
        Ok(Ok(()))
    }

    /// Gives the lease to whoever is next, at once. Only after everything that rests on it has ended.
    pub async fn release(self) {
        let Self { election, mut lease, .. } = self;
        election.fence.open_until(Duration::ZERO);
        if let Some(spec) = &mut lease.spec {
            (spec.holder_identity, spec.lease_duration_seconds) = (None, Some(1));
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let params = params();
        let released = election.api.replace(&election.name, &params, &lease);
        match timeout(election.timing.attempt(), released).await {
            Ok(Ok(_)) => tracing::info!(lease = election.name, "the lease is released"),
            Ok(Err(error)) => election.tell(&error, "the lease was not released, and ends by itself"),
            Err(_) => tracing::warn!(lease = election.name, "the lease was not released, and ends by itself"),
        }
    }
}

/// Who holds it; nobody if it was released.
fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

fn params() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

/// A conflict is no failure: it is asked again at once whose the lease is.
fn unless_another_was_faster(written: kube::Result<Lease>) -> kube::Result<Result<Lease, Duration>> {
    match written {
        Ok(lease) => Ok(Ok(lease)),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Err(Duration::ZERO)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_do_not_fit_together_are_refused() {
        let seconds = Duration::from_secs;
        let table = [
            (seconds(15), seconds(10), seconds(2), true),
            (seconds(10), seconds(10), seconds(2), false),
            (seconds(15), seconds(2), seconds(2), false),
            (seconds(15), seconds(10), Duration::ZERO, false),
            (Duration::from_millis(1500), seconds(1), Duration::from_millis(100), false),
        ];
        for (duration, renew_deadline, retry, fits) in table {
            let timing = Timing { duration, renew_deadline, retry };
            assert_eq!(timing.check().is_ok(), fits, "{timing:?}");
        }
    }
}
