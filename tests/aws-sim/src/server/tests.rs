//! The HTTP side, by hand-written requests.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Account, Fault, FaultKind, Options, Server, Sim, Tls};

const KEY: &str = "AKIASIM00111122223333";
const CREATE: &str = "Action=CreateDBSubnetGroup&Version=2014-10-31&DBSubnetGroupName=own&DBSubnetGroupDescription=d\
    &SubnetIds.SubnetIdentifier.1=subnet-01234567&SubnetIds.SubnetIdentifier.2=subnet-01234568";
const DESCRIBE: &str = "Action=DescribeDBSubnetGroups&Version=2014-10-31&DBSubnetGroupName=own";

struct Bench {
    sim: Sim,
    server: Server,
}

impl Bench {
    async fn new() -> Self {
        let sim = Sim::new(Options::default());
        let server = sim.start(([127, 0, 0, 1], 0).into(), None).await.unwrap();
        Self { sim, server }
    }

    fn account(&self) -> Account {
        self.sim.account(KEY)
    }

    fn order(&self, operation: &str, kind: FaultKind) {
        self.account().inject(Fault { service: "rds".into(), operation: operation.into(), times: 1, kind });
    }

    async fn connect(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.addr).await.unwrap();
        let request = format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn send(&self, head: &str, body: &str) -> String {
        let mut answer = String::new();
        self.connect(head, body).await.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn rds(&self, body: &str) -> String {
        self.send(&signed("rds"), body).await
    }
}

fn signed(service: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential={KEY}/20261124/eu-central-1/{service}/aws4_request, \
         SignedHeaders=host, Signature=0"
    )
}

#[tokio::test]
async fn a_request_is_answered_and_logged() {
    let bench = Bench::new().await;
    let answer = bench.rds(CREATE).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("<DBSubnetGroupName>own</DBSubnetGroupName>"), "{answer}");
    let log = bench.account().requests();
    assert_eq!((log.len(), log[0].operation.as_str(), log[0].status), (1, "CreateDBSubnetGroup", 200));
    assert_eq!((log[0].mutating, log[0].region.as_str(), &log[0].error), (true, "eu-central-1", &None));
    assert_eq!(log[0].parameters["DBSubnetGroupName"], "own");
    bench.account().clear_requests();
    assert!(bench.account().requests().is_empty());
}

#[tokio::test]
async fn an_error_has_the_models_status() {
    let bench = Bench::new().await;
    let answer = bench.rds(DESCRIBE).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("<Type>Sender</Type><Code>DBSubnetGroupNotFoundFault</Code>"), "{answer}");
    assert_eq!(bench.account().requests()[0].error.as_deref(), Some("DBSubnetGroupNotFoundFault"));
}

#[tokio::test]
async fn what_is_not_known_is_refused_by_name() {
    let bench = Bench::new().await;
    for (service, body, named) in [
        ("rds", "Action=CreateDBCluster&Version=2014-10-31", "rds:CreateDBCluster"),
        ("rds", "Action=DescribeDBInstances&Version=2009-10-16", "version 2009-10-16"),
        ("rds", "Action=DescribeDBInstances&Version=2014-10-31&Colour=red", "the parameter Colour"),
        ("lambda", "{}", "the service lambda"),
    ] {
        let answer = bench.send(&signed(service), body).await;
        assert!(answer.starts_with("HTTP/1.1 501"), "{answer}");
        assert!(answer.contains(named), "{answer}");
    }
    assert_eq!(bench.account().requests().iter().filter(|request| request.status == 501).count(), 4);
}

#[tokio::test]
async fn without_credentials_nothing_is_done() {
    let bench = Bench::new().await;
    let answer = bench.send("POST / HTTP/1.1", CREATE).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("MissingAuthenticationToken"), "{answer}");
    let answer = bench.send("GET /bucket HTTP/1.1", "").await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("<Code>AccessDenied</Code>"), "{answer}");
}

#[tokio::test]
async fn an_ordered_error_is_answered_and_nothing_is_executed() {
    let bench = Bench::new().await;
    let kind = FaultKind::Error { code: "InsufficientDBInstanceCapacity".into(), status: 400, message: "m".into() };
    bench.order("CreateDBSubnetGroup", kind);
    let answer = bench.rds(CREATE).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("InsufficientDBInstanceCapacity"), "{answer}");
    assert!(bench.rds(DESCRIBE).await.starts_with("HTTP/1.1 404"));
    assert!(bench.rds(CREATE).await.starts_with("HTTP/1.1 200"), "the fault is used up");
}

#[tokio::test]
async fn throttling_looks_like_awss() {
    let bench = Bench::new().await;
    bench.order("*", FaultKind::Throttle);
    let answer = bench.rds(DESCRIBE).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("<Code>Throttling</Code>"), "{answer}");
}

#[tokio::test]
async fn a_lost_answer_was_executed_all_the_same() {
    let bench = Bench::new().await;
    bench.order("CreateDBSubnetGroup", FaultKind::AnswerLost);
    assert_eq!(bench.rds(CREATE).await, "", "the connection is cut without an answer");
    assert_eq!(bench.account().requests()[0].error.as_deref(), Some("(answer lost)"));
    assert!(bench.rds(DESCRIBE).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn what_a_client_began_is_finished_though_it_died_waiting() {
    let bench = Bench::new().await;
    bench.order("CreateDBSubnetGroup", FaultKind::Hang(Duration::from_mins(1)));
    let stream = bench.connect(&signed("rds"), CREATE).await;
    // Asking uses the fault up: it is ordered anew until the server has met it.
    while bench.account().meet_fault("rds", "CreateDBSubnetGroup").is_some() {
        bench.order("CreateDBSubnetGroup", FaultKind::Hang(Duration::from_mins(1)));
        tokio::task::yield_now().await;
    }
    drop(stream);
    for _ in 0..10_000 {
        if bench.account().requests().is_empty() {
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
    assert_eq!(bench.account().requests().len(), 1, "it was never executed");
    assert_eq!(bench.account().requests()[0].status, 200);
}

#[tokio::test]
async fn the_clock_can_be_read_and_pushed() {
    let bench = Bench::new().await;
    assert!(bench.send("GET /_sim/health HTTP/1.1", "").await.ends_with("\r\n\r\nok"));
    let before = bench.account().now();
    let now = bench.send(&format!("GET /_sim/accounts/{KEY}/now HTTP/1.1"), "").await;
    assert!(now.ends_with(&before.to_string()), "{now}");
    bench.send(&format!("POST /_sim/accounts/{KEY}/advance?seconds=90 HTTP/1.1"), "").await;
    assert_eq!(bench.account().now().duration_since(before).as_secs(), 90);
    let wrong = bench.send(&format!("POST /_sim/accounts/{KEY}/advance?seconds=much HTTP/1.1"), "").await;
    assert!(wrong.starts_with("HTTP/1.1 400"), "{wrong}");
}

#[tokio::test]
async fn dropping_the_server_stops_it() {
    let Bench { sim, server } = Bench::new().await;
    let addr = server.addr;
    drop(server);
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    drop(sim);
}

#[tokio::test]
async fn https_is_served_under_an_authority_of_its_own() {
    let sim = Sim::new(Options::default());
    let tls = Tls::self_signed().unwrap();
    assert!(tls.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    let server = sim.start(([127, 0, 0, 1], 0).into(), Some(tls)).await.unwrap();
    assert_eq!(server.endpoint(), format!("https://{}", server.addr));
}
