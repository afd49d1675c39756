//! What `/metrics` answers, in `OpenMetrics`. docs/metrics.md lists it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::status::Status;

/// The metrics of the process. No label has values that a user makes up, so their number is bounded.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    passes: Family<Pass, Counter>,
    durations: Family<OfKind, Histogram>,
    waiting: Family<OfKind, Gauge>,
    running: Family<OfKind, Gauge>,
    objects: Family<Standing, Gauge>,
    drift_found: Family<OfField, Counter>,
    drift_corrected: Family<OfField, Counter>,
    calls: Family<Call, Counter>,
    requests: Family<Request, Counter>,
    leader: Gauge,
    stores: Stores,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Pass {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Standing {
    kind: &'static str,
    condition: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfField {
    kind: &'static str,
    field: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    service: String,
    operation: String,
    /// AWS's error code; empty for a success.
    error: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    method: String,
}

/// The conditions, and what it means that an object does not have one: `Ready` and the like are always there once it
/// was looked at, the others only while they hold.
const CONDITIONS: [(&str, &str); 6] = [
    ("Ready", UNKNOWN),
    ("Encrypted", UNKNOWN),
    ("Drifted", UNKNOWN),
    ("Reconciling", FALSE),
    ("Stalled", FALSE),
    ("Pending", FALSE),
];
const TRUE: &str = "True";
const FALSE: &str = "False";
const UNKNOWN: &str = "Unknown";

/// How many objects have which condition in which status.
pub type Census = BTreeMap<(&'static str, &'static str), i64>;

/// Counts objects by their conditions. An object that cannot be read has no status; a human must act.
pub fn census<'a>(objects: impl Iterator<Item = Option<&'a Status>>) -> Census {
    let mut census = Census::new();
    for status in objects {
        for (type_, absent) in CONDITIONS {
            let standing = match status {
                None if type_ == "Stalled" => TRUE,
                None => absent,
                Some(status) => match status.conditions.iter().find(|condition| condition.type_ == type_) {
                    Some(condition) => [TRUE, FALSE].into_iter().find(|s| *s == condition.status).unwrap_or(UNKNOWN),
                    None => absent,
                },
            };
            *census.entry((type_, standing)).or_default() += 1;
        }
    }
    census
}

type Count = Box<dyn Fn() -> Census + Send + Sync>;

/// Where the objects of each kind are counted, at each scrape.
#[derive(Default)]
struct Stores(Mutex<Vec<(&'static str, Count)>>);

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores")
    }
}

/// Counted in a gauge for as long as it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauges: &Family<OfKind, Gauge>, kind: &'static str) -> Self {
        let gauge = gauges.get_or_create_owned(&OfKind { kind });
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("showcore"),
            passes: Family::default(),
            // A quiet look takes some hundred milliseconds; a pass is given up after two minutes.
            durations: Family::new_with_constructor(|| {
                Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0])
            }),
            waiting: Family::default(),
            running: Family::default(),
            objects: Family::default(),
            drift_found: Family::default(),
            drift_corrected: Family::default(),
            calls: Family::default(),
            requests: Family::default(),
            leader: Gauge::default(),
            stores: Stores::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Self {
        let all = &mut self.registry;
        all.register("leader", "1 while this process works, 0 while it stands by", self.leader.clone());
        all.register(
            "objects",
            "Objects by the status of each of their conditions; each object counts once for each condition",
            self.objects.clone(),
        );
        all.register("reconciles", "Passes that ended, by their outcome", self.passes.clone());
        all.register_with_unit(
            "reconcile_duration",
            "Time that a pass took, without its wait for a turn",
            Unit::Seconds,
            self.durations.clone(),
        );
        all.register("queue_depth", "Objects that are due and wait for a turn", self.waiting.clone());
        all.register("reconciles_running", "Passes that have begun and not ended", self.running.clone());
        all.register(
            "drift_found",
            "Fields found to differ from the spec though nobody changed it",
            self.drift_found.clone(),
        );
        all.register(
            "drift_corrected",
            "Such fields seen to be right again, whoever corrected them",
            self.drift_corrected.clone(),
        );
        all.register(
            "aws_calls",
            "AWS calls; one that the SDK retried counts once, by what came of it in the end",
            self.calls.clone(),
        );
        all.register(
            "kubernetes_requests",
            "Requests sent to the API server, the lease's apart",
            self.requests.clone(),
        );
        self
    }

    /// Counts a pass that ended.
    pub fn pass(&self, kind: &'static str, outcome: &'static str) {
        self.passes.get_or_create(&Pass { kind, outcome }).inc();
    }

    /// Records how long a pass took.
    pub fn took(&self, kind: &'static str, duration: Duration) {
        self.durations.get_or_create(&OfKind { kind }).observe(duration.as_secs_f64());
    }

    /// Counts an object that waits for its turn, for as long as the answer lives.
    pub fn waiting(&self, kind: &'static str) -> Counted {
        Counted::new(&self.waiting, kind)
    }

    /// Counts a pass that runs, for as long as the answer lives.
    pub fn running(&self, kind: &'static str) -> Counted {
        Counted::new(&self.running, kind)
    }

    /// Counts the drift that came and that went between two statuses of an object.
    pub fn drift(&self, kind: &'static str, before: &Status, after: &Status) {
        let found = after.drift.iter().filter(|row| before.drift.iter().all(|old| old.field != row.field));
        for row in found {
            self.drift_found.get_or_create(&of_field(kind, &row.field)).inc();
        }
        let known = |row| before.last_drift.contains(row);
        for row in after.last_drift.iter().take_while(|row| !known(row)) {
            self.drift_corrected.get_or_create(&of_field(kind, &row.field)).inc();
        }
    }

    /// Counts an AWS call, named as `service:Operation`.
    pub fn call(&self, call: &str, error: &str) {
        let (service, operation) = call.split_once(':').unwrap_or(("", call));
        let labels = Call { service: service.to_owned(), operation: operation.to_owned(), error: error.to_owned() };
        self.calls.get_or_create(&labels).inc();
    }

    /// Counts a request to the API server, by its HTTP method.
    pub fn request(&self, method: &str) {
        self.requests.get_or_create(&Request { method: method.to_owned() }).inc();
    }

    /// Says whether this process works or stands by.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Has the objects of a kind counted at each scrape.
    pub fn count_objects(&self, kind: &'static str, count: impl Fn() -> Census + Send + Sync + 'static) {
        self.stores.0.lock().unwrap_or_else(PoisonError::into_inner).push((kind, Box::new(count)));
        // A gauge is there from the beginning, not only once something waits.
        drop((self.waiting(kind), self.running(kind)));
    }

    /// The metrics as text.
    pub fn render(&self) -> String {
        for (kind, count) in self.stores.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let census = count();
            // Every one of them, also those that are 0 now: what went must not stay.
            for (condition, _) in CONDITIONS {
                for status in [TRUE, FALSE, UNKNOWN] {
                    let objects = census.get(&(condition, status)).copied().unwrap_or_default();
                    self.objects.get_or_create(&Standing { kind, condition, status }).set(objects);
                }
            }
        }
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The entries of a map, whose keys users choose, count under the map's name.
fn of_field(kind: &'static str, field: &str) -> OfField {
    OfField { kind, field: field.split('.').next().unwrap_or_default().to_owned() }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use k8s_openapi::jiff::Timestamp;
    use serde_json::{from_value, json};

    use super::*;

    fn status(value: serde_json::Value) -> Status {
        from_value(value).expect("a status")
    }

    fn condition(type_: &str, status: &str) -> serde_json::Value {
        json!({ "type": type_, "status": status, "reason": "R", "message": "", "lastTransitionTime": Timestamp::UNIX_EPOCH })
    }

    #[test]
    fn objects_are_counted_by_condition_and_one_that_is_gone_is_not() {
        let ready = status(json!({ "conditions": [condition("Ready", "True"), condition("Drifted", "False")] }));
        let stalled = status(json!({ "conditions": [condition("Ready", "False"), condition("Stalled", "True")] }));
        let objects = Arc::new(Mutex::new(vec![Some(ready), Some(stalled), Some(Status::default()), None]));
        let metrics = Metrics::default();
        let store = objects.clone();
        metrics.count_objects("K", move || census(store.lock().unwrap().iter().map(Option::as_ref)));
        let rows = |metrics: &Metrics| -> BTreeSet<String> {
            let objects = "showcore_objects{kind=\"K\",";
            metrics.render().lines().filter_map(|line| line.strip_prefix(objects).map(str::to_owned)).collect()
        };
        let row = |type_: &str, status: &str, n: i64| format!("condition=\"{type_}\",status=\"{status}\"}} {n}");
        let all = rows(&metrics);
        assert_eq!(all.len(), CONDITIONS.len() * 3);
        for (type_, yes, no, unknown) in [("Ready", 1, 1, 2), ("Drifted", 0, 1, 3), ("Stalled", 2, 2, 0)] {
            for (status, n) in [("True", yes), ("False", no), ("Unknown", unknown)] {
                assert!(all.contains(&row(type_, status, n)), "{type_} {status} {n}: {all:#?}");
            }
        }
        objects.lock().unwrap().clear();
        assert!(rows(&metrics).contains(&row("Stalled", "True", 0)));
    }

    #[test]
    fn drift_is_counted_once_when_it_comes_and_once_when_it_goes() {
        let row = |field: &str| json!({ "field": field, "desired": "a", "observed": "b", "since": Timestamp::UNIX_EPOCH, "action": "Pending" });
        let past = |field: &str, at: i64| {
            let corrected = Timestamp::from_second(at).unwrap();
            json!({ "field": field, "desired": "a", "observed": "b", "found": Timestamp::UNIX_EPOCH, "corrected": corrected })
        };
        let calm = Status::default();
        let found = status(json!({ "drift": [row("tags.team"), row("tags.stage"), row("versioning")] }));
        let again =
            status(json!({ "drift": [row("versioning")], "lastDrift": [past("tags.team", 1), past("tags.stage", 1)] }));
        let over = status(json!({ "lastDrift": [past("versioning", 2), past("tags.team", 1), past("tags.stage", 1)] }));
        let metrics = Metrics::default();
        for (before, after) in [(&calm, &found), (&found, &found), (&found, &again), (&again, &over), (&over, &over)] {
            metrics.drift("K", before, after);
        }
        let text = metrics.render();
        for (name, field, n) in
            [("found", "tags", 2), ("found", "versioning", 1), ("corrected", "tags", 2), ("corrected", "versioning", 1)]
        {
            let line = format!("showcore_drift_{name}_total{{kind=\"K\",field=\"{field}\"}} {n}");
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    /// The rows of docs/metrics.md, from what is served once everything has happened once.
    fn documented() -> Vec<String> {
        let metrics = Metrics::default();
        metrics.count_objects("K", Census::new);
        metrics.pass("K", "done");
        metrics.took("K", Duration::ZERO);
        metrics.call("rds:X", "");
        metrics.request("GET");
        metrics.drift_found.get_or_create(&of_field("K", "f")).inc();
        metrics.drift_corrected.get_or_create(&of_field("K", "f")).inc();
        let text = metrics.render();
        let mut rows = Vec::new();
        let mut help = "";
        for line in text.lines() {
            if let Some(line) = line.strip_prefix("# HELP ") {
                help = line.split_once(' ').expect("a help").1.trim_end_matches('.');
            }
            let Some((name, type_)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) else {
                continue;
            };
            let suffix = if type_ == "counter" { "_total" } else { "" };
            let sample = text.lines().find(|l| l.starts_with(name)).expect("a sample");
            let labels: Vec<_> = sample
                .split_once('{')
                .and_then(|(_, rest)| rest.split_once('}'))
                .map_or("", |(labels, _)| labels)
                .split(',')
                .filter_map(|label| label.split_once('=').map(|(label, _)| label))
                .filter(|label| *label != "le")
                .map(|label| format!("`{label}`"))
                .collect();
            rows.push(format!("| `{name}{suffix}` | {type_} | {} | {help} |", labels.join(", ")));
        }
        rows
    }

    #[test]
    fn docs_metrics_lists_exactly_what_is_served() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
        let listed: Vec<_> = page.lines().filter(|line| line.starts_with("| `showcore_")).collect();
        let served = documented();
        assert!(listed == served, "the rows of docs/metrics.md should be\n{}", served.join("\n"));
    }
}
