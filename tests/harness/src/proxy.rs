//! A wire that a test can cut: a TCP proxy between the operator and a server.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A proxy to one server. It ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
    listener: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Wire {
    /// What is sent with one of these words in it is swallowed; an empty word is in everything.
    swallowed: Mutex<Option<String>>,
    hangs: AtomicUsize,
}

impl Proxy {
    /// A proxy to this server of this machine, at the same address, on a port of its own.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((server.ip(), 0)).await?;
        let address = listener.local_addr()?;
        let wire = Arc::new(Wire::default());
        let of_connections = wire.clone();
        let listener = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(of_connections.clone().requests(from_client, to_server));
                tokio::spawn(of_connections.clone().answers(from_server, to_client));
            }
        });
        Ok(Self { address, wire, listener })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, and nobody is told: as on a wire that was cut.
    pub fn cut(&self) {
        self.hang_on("");
    }

    /// From now on a connection on which this text is sent gets no answer any more. (Only where nothing is encrypted.)
    pub fn hang_on(&self, text: &str) {
        *self.wire.swallowed.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_owned());
    }

    /// How many requests were swallowed.
    pub fn hangs(&self) -> usize {
        self.wire.hangs.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Wire {
    async fn requests(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        let mut hangs = false;
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if !hangs && self.swallows(&buffer[..read]) {
                self.hangs.fetch_add(1, Ordering::SeqCst);
                hangs = true;
            }
            if !hangs && to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    }

    async fn answers(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if self.is_cut() || to.write_all(&buffer[..read]).await.is_err() {
                // Held open, as a cut wire is; it ends with the runtime of the test.
                return std::future::pending().await;
            }
        }
    }

    fn is_cut(&self) -> bool {
        self.swallowed.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some("")
    }

    fn swallows(&self, sent: &[u8]) -> bool {
        let swallowed = self.swallowed.lock().unwrap_or_else(PoisonError::into_inner);
        swallowed.as_ref().is_some_and(|text| String::from_utf8_lossy(sent).contains(text.as_str()))
    }
}
