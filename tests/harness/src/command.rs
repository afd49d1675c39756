//! Programs that are run to their end, and what they answered.

use std::fmt;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::error::{Error, Result};

/// What a program answered.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command as one would type it.
    pub command: String,
    /// The exit code; nothing if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// The standard output, without the line end, if it ended with 0.
    pub fn ok(&self) -> Result<&str> {
        if self.success() {
            return Ok(self.stdout.trim_end());
        }
        Err(Error::Failed {
            command: self.command.clone(),
            status: self.code.map_or("a signal".to_owned(), |code| format!("exit code {code}")),
            output: format!("{}{}", self.stdout, self.stderr),
        })
    }

    /// The standard output as JSON, if it ended with 0. (Nothing at all is `null`: some commands of
    /// the `aws` CLI answer nothing.)
    pub fn json(&self) -> Result<serde_json::Value> {
        let text = self.ok()?;
        if text.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_str(text)
            .map_err(|error| Error::Other(format!("{} did not answer JSON ({error}): {text}", self.command)))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$ {}\n{}{}", self.command, self.stdout, self.stderr)
    }
}

/// Runs a program to its end. It is killed when the future is dropped. `shown` is the command line
/// for people, without our paths.
pub(crate) async fn run(mut command: Command, shown: String, input: Option<&str>) -> Result<Output> {
    command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let failed = |source| Error::Start { program: shown.clone(), source };
    let mut child = command.spawn().map_err(failed)?;
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A program that ends without reading it all says itself what was wrong.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    Ok(Output {
        command: shown,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A command line as one would type it.
pub(crate) fn shown(program: &str, arguments: &[&str]) -> String {
    let mut line = program.to_owned();
    for argument in arguments {
        line.push(' ');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            line.push_str(argument);
        } else {
            line.push('\'');
            line.push_str(&argument.replace('\'', r"'\''"));
            line.push('\'');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_pasted_into_a_shell() {
        assert_eq!(shown("aws", &["--query", "A[0].B", "it's", ""]), r"aws --query 'A[0].B' 'it'\''s' ''");
    }
}
