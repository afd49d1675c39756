//! The kinds of faults, by the rows of docs/reliability.md.

use std::{fmt, time::Duration};

use crate::{foreign::Burst, scenario::Intrusion};

/// Which server a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// AWS.
    Aws,
    /// The API server.
    Kubernetes,
    /// The API server, telling an event of a watch.
    Event,
}

impl Side {
    /// By the call's form: `rds:CreateDBInstance`, `PATCH secrets`, `EVENT showcorebuckets`.
    pub fn of(call: &str) -> Self {
        match call.split_once(' ') {
            None => Self::Aws,
            Some(("EVENT", _)) => Self::Event,
            Some(_) => Self::Kubernetes,
        }
    }
}

/// What happens at a point.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The operator dies before the request is executed.
    KilledBefore,
    /// The request is executed, and the operator dies before the answer.
    KilledSent,
    /// The request is answered, and the operator dies before its next one.
    KilledAnswered,
    /// The same as `KilledSent`, by SIGKILL to the real process.
    Sigkilled,
    /// Executed, and the answer is lost.
    Lost,
    /// The same, where the SDK does not try again by itself.
    LostWithoutRetries,
    /// Not executed, and answered with an error.
    Failed {
        /// The service's code.
        code: &'static str,
        /// The HTTP status.
        status: u16,
        /// How often in a row.
        times: u32,
    },
    /// Not executed: the connection is cut at once.
    Unreached {
        /// How often in a row.
        times: u32,
    },
    /// Executed, and half the answer comes.
    HalfAnswered,
    /// Executed, and answered with what nobody understands.
    Garbled,
    /// Not executed, and not answered.
    Silent,
    /// All of AWS throttles for so long.
    Throttled(Duration),
    /// Executed; then so many reads of the object are answered as before.
    Stale(u32),
    /// Denied until the object has said so.
    Denied,
    /// Executed, and answered with a timeout.
    Written,
    /// The credentials have expired, for three more requests too.
    Expired,
    /// The operator is started again with another account's credentials, until it has said so.
    OtherAccount,
    /// The operator is started again for another region, until it has said so.
    OtherRegion,
    /// Somebody does something before it is executed.
    Meanwhile(&'static Intrusion),
    /// A second operator is started and does its work before it is executed.
    Twin,
    /// The lease is taken away before it is executed.
    LeaseLost,
    /// The process stands still while it is executed, and goes on later.
    Frozen,
    /// The process stands still until another has taken its lease and its work over, and goes on then.
    FrozenPastLease,
    /// The event, and what follows, is told late, and only the newest of each object.
    HeldBack,
    /// The watch ends with 410 Gone.
    Gone,
    /// The watch ends in the middle of the event's line.
    HalfLine,
    /// The watch tells nothing more, and stays open.
    SilentWatch,
    /// The operator dies, and the next one's first lists are older than what its predecessor knew.
    OldList,
    /// What another fault proxy does, before another emulator.
    Burst(&'static Burst),
}

impl Kind {
    /// Its row in the table of faults.
    pub fn row(&self) -> u8 {
        match self {
            Self::KilledBefore | Self::KilledSent | Self::KilledAnswered | Self::Sigkilled => 1,
            Self::Lost | Self::LostWithoutRetries => 2,
            Self::Failed { code, .. } if ["InternalError", "ServiceUnavailable"].contains(code) => 3,
            Self::Unreached { .. } | Self::HalfAnswered | Self::Garbled | Self::Silent => 3,
            Self::Throttled(_) => 4,
            Self::Stale(_) | Self::Failed { status: 404, .. } => 5,
            Self::Denied => 6,
            Self::HeldBack => 8,
            Self::Gone | Self::HalfLine | Self::SilentWatch => 9,
            Self::OldList => 10,
            Self::Failed { .. } | Self::Written => 11,
            Self::Meanwhile(intrusion) => intrusion.row,
            Self::Twin | Self::LeaseLost | Self::Frozen | Self::FrozenPastLease => 13,
            Self::Expired | Self::OtherAccount | Self::OtherRegion => 16,
            Self::Burst(burst) => burst.row,
        }
    }

    /// For how many requests at its point and after it is there.
    pub fn times(&self) -> u32 {
        match self {
            Self::Failed { times, .. } | Self::Unreached { times } => *times,
            Self::Denied => u32::MAX,
            _ => 1,
        }
    }

    /// Whether the operator must be a process for it.
    pub fn needs_process(&self) -> bool {
        matches!(self, Self::Sigkilled | Self::Frozen | Self::FrozenPastLease)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::KilledBefore => "killed before",
            Self::KilledSent => "killed after sending",
            Self::KilledAnswered => "killed after the answer",
            Self::Sigkilled => "SIGKILL after sending",
            Self::Lost => "answer lost",
            Self::LostWithoutRetries => "answer lost, no retries",
            Self::Failed { code, status, times } => return write!(f, "{status} {code}, {times} times"),
            Self::Unreached { times } => return write!(f, "refused, {times} times"),
            Self::HalfAnswered => "half an answer",
            Self::Garbled => "garbled answer",
            Self::Silent => "silence",
            Self::Throttled(time) => return write!(f, "throttled for {} s", time.as_secs()),
            Self::Stale(reads) => return write!(f, "{reads} old reads after"),
            Self::Denied => "denied until told",
            Self::Written => "written, then 504",
            Self::Expired => "credentials expired",
            Self::OtherAccount => "another account",
            Self::OtherRegion => "another region",
            Self::Meanwhile(intrusion) => return f.write_str(intrusion.name),
            Self::Burst(burst) => return f.write_str(burst.name),
            Self::Twin => "a second operator",
            Self::LeaseLost => "lease lost",
            Self::Frozen => "SIGSTOP, then SIGCONT",
            Self::FrozenPastLease => "SIGSTOP past the lease",
            Self::HeldBack => "held back and coalesced",
            Self::Gone => "410 Gone",
            Self::HalfLine => "end in mid-line",
            Self::SilentWatch => "silent watch",
            Self::OldList => "killed, then an older list",
        };
        f.write_str(name)
    }
}
