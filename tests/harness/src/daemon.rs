//! Programs of others that listen on a port of this machine, for as long as we want them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::control_plane::in_background;
use crate::error::{Error, FileError as _, Result};
use crate::{leash, tools};

/// A program that listens until this is dropped, or this process ends.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

impl Daemon {
    /// Starts the program on a free port, with what `prepare` adds for it: nothing but `PATH` and the like comes from our own
    /// environment. Returns when it listens.
    pub async fn start(program: &Path, log: &Path, prepare: impl FnOnce(&mut Command, u16)) -> Result<Self> {
        let leash = in_background(|| Ok(tools::control_plane()?.leash())).await?;
        let port = free_port()?;
        let output = std::fs::File::create(log).file("write", log)?;
        let errors = output.try_clone().file("write", log)?;
        let mut command = leash::command(&leash, program);
        command.env_clear().stdin(Stdio::null()).stdout(output).stderr(errors);
        for name in ["PATH", "LANG", "TMPDIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        prepare(&mut command, port);
        let child =
            leash::spawn(command).map_err(|source| Error::Start { program: program.display().to_string(), source })?;
        let mut daemon = Self { child, port };
        daemon.until_it_listens(log).await?;
        Ok(daemon)
    }

    /// Where it listens, for HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn until_it_listens(&mut self, log: &Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > deadline {
                let output = std::fs::read_to_string(log).unwrap_or_default();
                return Err(Error::Other(format!("{} does not start: {}", log.display(), output.trim())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of this machine on which nobody listens now.
pub fn free_port() -> Result<u16> {
    let none = |error: std::io::Error| Error::Other(format!("there is no free port: {error}"));
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(none)?.local_addr().map_err(none)?.port())
}
