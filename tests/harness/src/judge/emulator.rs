//! The emulators that we start ourselves.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, header};

use crate::control_plane::in_background;
use crate::error::{Error, FileError as _, Result};
use crate::{leash, tools};

/// One of `PyPI`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// <https://docs.getmoto.org>
    Moto,
    /// <https://pypi.org/project/ministack>
    Ministack,
}

impl FromStr for Emulator {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "moto" => Ok(Self::Moto),
            "ministack" => Ok(Self::Ministack),
            _ => Err(Error::Other(format!("{name:?} is no emulator that we know"))),
        }
    }
}

impl Emulator {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Moto => "moto",
            Self::Ministack => "ministack",
        }
    }

    /// Has a request answered in this account: moto takes a header for it
    /// (<https://docs.getmoto.org/en/latest/docs/multi_account.html>), ministack an access key of twelve digits.
    pub(crate) fn in_account(self, headers: &mut HeaderMap, access_key: &str, account: &str) {
        let (name, value) = match self {
            Self::Moto => (header::HeaderName::from_static("x-moto-account-id"), account.to_owned()),
            Self::Ministack => {
                let signed = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                (header::AUTHORIZATION, signed.unwrap_or_default().replace(access_key, account))
            }
        };
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }

    /// Installs it if need be, and starts it on a free port of this machine.
    pub async fn start(self, log: PathBuf) -> Result<Running> {
        let (program, prepare): (_, fn(&mut Command, u16)) = match self {
            Self::Moto => ("moto_server", |command, port| {
                command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            }),
            Self::Ministack => ("ministack", |command, port| {
                let set = [("BIND_HOST", "127.0.0.1"), ("SERVICES", "s3,sts,kms,rds,elasticache")];
                command.envs(set).env("GATEWAY_PORT", port.to_string());
            }),
        };
        Running::start(self.name(), program, log, prepare).await
    }
}

/// A program of a Python environment that listens until this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it listens.
    pub url: String,
}

impl Running {
    /// Installs what `judges/NAME.txt` names if need be, and starts this program of it, on a free port of this machine.
    pub async fn start(
        name: &'static str,
        program: &str,
        log: PathBuf,
        prepare: impl FnOnce(&mut Command, u16),
    ) -> Result<Self> {
        let (environment, leash) = in_background(move || {
            let file = format!("judges/{name}.txt");
            Ok((tools::python_with(&file, name)?, tools::control_plane()?.leash()))
        })
        .await?;
        let port = free_port()?;
        let program = environment.join("bin").join(program);
        let output = std::fs::File::create(&log).file("write", &log)?;
        let errors = output.try_clone().file("write", &log)?;
        let mut command = leash::command(&leash, &program);
        command.env_clear().stdin(Stdio::null()).stdout(output).stderr(errors);
        for name in ["PATH", "LANG", "TMPDIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        prepare(&mut command, port);
        let child =
            leash::spawn(command).map_err(|source| Error::Start { program: program.display().to_string(), source })?;
        let mut running = Self { child, url: format!("http://127.0.0.1:{port}") };
        running.until_it_listens(port, &log).await?;
        Ok(running)
    }

    async fn until_it_listens(&mut self, port: u16, log: &std::path::Path) -> Result<()> {
        let deadline = Instant::now() + Duration::from_mins(1);
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
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

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    let none = |error: std::io::Error| Error::Other(format!("there is no free port: {error}"));
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(none)?.local_addr().map_err(none)?.port())
}
