//! What `/metrics` answers, in `OpenMetrics`.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// The counters of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    passes: Family<Pass, Counter>,
    calls: Family<Call, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Pass {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    service: String,
    operation: String,
    /// AWS's error code; empty for a success.
    error: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("showcore");
        let (passes, calls) = (Family::default(), Family::default());
        registry.register("reconciles", "Passes by kind and outcome", passes.clone());
        registry.register("aws_calls", "AWS calls by service, operation and error code", calls.clone());
        Self { registry, passes, calls }
    }
}

impl Metrics {
    /// Counts a pass.
    pub fn pass(&self, kind: &'static str, outcome: &'static str) {
        self.passes.get_or_create(&Pass { kind, outcome }).inc();
    }

    /// Counts an AWS call, named as `service:Operation`.
    pub fn call(&self, call: &str, error: &str) {
        let (service, operation) = call.split_once(':').unwrap_or(("", call));
        let labels = Call { service: service.to_owned(), operation: operation.to_owned(), error: error.to_owned() };
        self.calls.get_or_create(&labels).inc();
    }

    /// The metrics as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
