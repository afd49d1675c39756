//! The emulators that we start ourselves.

use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use http::{HeaderMap, HeaderValue, header};

use crate::control_plane::in_background;
use crate::daemon::Daemon;
use crate::error::{Error, Result};
use crate::tools;

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
    pub async fn start(self, log: &Path) -> Result<Daemon> {
        let (program, prepare): (_, fn(&mut Command, u16)) = match self {
            Self::Moto => ("moto_server", |command, port| {
                command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            }),
            Self::Ministack => ("ministack", |command, port| {
                let set = [("BIND_HOST", "127.0.0.1"), ("SERVICES", "s3,sts,kms,rds,elasticache")];
                command.envs(set).env("GATEWAY_PORT", port.to_string());
            }),
        };
        start_python(self.name(), program, log, prepare).await
    }
}

/// Installs what `judges/NAME.txt` names if need be, and starts this program of it, on a free port of this machine.
pub(crate) async fn start_python(
    name: &'static str,
    program: &str,
    log: &Path,
    prepare: impl FnOnce(&mut Command, u16),
) -> Result<Daemon> {
    let environment = in_background(move || tools::python_with(&format!("judges/{name}.txt"), name)).await?;
    Daemon::start(&environment.join("bin").join(program), log, prepare).await
}
