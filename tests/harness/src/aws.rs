//! The real `aws` CLI and boto3, against the stand-in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::process::Command;

use crate::command::{self, Output};
use crate::control_plane::in_background;
use crate::error::{FileError as _, Result};
use crate::{cache, tools};

/// AWS's own clients with one access key, at one endpoint.
#[derive(Debug, Clone)]
pub struct Aws {
    cli: PathBuf,
    python: PathBuf,
    environment: BTreeMap<&'static str, String>,
}

impl Aws {
    /// Clients that see nothing of the user's own AWS configuration.
    pub async fn new(access_key: &str, endpoint: &str, region: &str) -> Result<Self> {
        let (cli, python, home) = in_background(|| {
            let home = cache::folder()?.join("home");
            std::fs::create_dir_all(&home).file("make", &home)?;
            Ok((tools::aws_cli()?, tools::python()?, home))
        })
        .await?;
        let mut environment = environment(access_key, endpoint, region);
        environment.insert("HOME", home.to_string_lossy().into_owned());
        environment.insert("AWS_CONFIG_FILE", "/dev/null".to_owned());
        environment.insert("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned());
        environment.insert("AWS_PAGER", String::new());
        environment.insert("AWS_DEFAULT_OUTPUT", "json".to_owned());
        Ok(Self { cli, python, environment })
    }

    /// Runs the `aws` CLI to its end.
    pub async fn cli(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(&self.cli);
        command.args(arguments);
        command::run(command, command::shown("aws", arguments), None).await
    }

    /// Runs a piece of Python to its end. `boto3` and `json` are imported already, and `client(service)` makes a
    /// client; what it prints is the answer.
    pub async fn boto3(&self, code: &str) -> Result<Output> {
        let program = format!("import boto3, json\nclient = boto3.client\n{code}");
        let mut command = self.command(&self.python);
        command.args(["-c", &program]);
        command::run(command, format!("python -c '{}'", code.trim()), None).await
    }

    /// Runs a Python module (a suite of `unittest`, say) to its end, with more variables.
    pub async fn python(&self, arguments: &[&str], more: &[(&str, &str)]) -> Result<Output> {
        let mut command = self.command(&self.python);
        command.args(arguments).env("AWS_CLI", &self.cli).envs(more.iter().copied());
        command::run(command, command::shown("python", arguments), None).await
    }

    fn command(&self, program: &PathBuf) -> Command {
        let mut command = Command::new(program);
        // From nothing: any variable of the user's that begins with AWS_ would change the meaning.
        command.env_clear().envs(&self.environment);
        for name in ["PATH", "LANG", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }
}

/// The variables that any AWS client needs to reach the stand-in. The secret is not checked by it:
/// the access key only tells accounts apart.
pub fn environment(access_key: &str, endpoint: &str, region: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("AWS_ACCESS_KEY_ID", access_key.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "not-checked".to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_DEFAULT_REGION", region.to_owned()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ])
}
