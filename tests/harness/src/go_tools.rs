//! Go programs that others wrote, built once into the cache by `go install`, in pinned versions.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::cache::{self, Lock};
use crate::error::{Error, FileError as _, Result};
use crate::progress::Progress;
use crate::tools;

/// The real Helm.
pub fn helm() -> Result<PathBuf> {
    install("helm", "helm.sh/helm/v4/cmd/helm", "v4.3.1")
}

/// Makes a chart's README from its values.
pub fn helm_docs() -> Result<PathBuf> {
    install("helm-docs", "github.com/norwoodj/helm-docs/cmd/helm-docs", "v1.14.2")
}

/// The CRDs of the Prometheus operator, as its module has them.
pub fn prometheus_crds() -> Result<PathBuf> {
    let module = module("github.com/prometheus-operator/prometheus-operator", "v0.85.0")?;
    Ok(module.join("example/prometheus-operator-crd"))
}

fn install(name: &str, package: &str, version: &str) -> Result<PathBuf> {
    let folder = cache::folder()?.join("go-tools");
    let place = folder.join(format!("{name}-{version}"));
    let program = place.join(name);
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(&folder).file("make", &folder)?;
    let _lock = Lock::take(&folder.join("lock"))?;
    if program.is_file() {
        return Ok(program);
    }
    tools::check()?;
    let progress = Progress::start(format!("building {name} {version} (once)"));
    // Built beside its place and then renamed: what is in its place is complete.
    let unfinished = folder.join("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).file("remove", &unfinished)?;
    }
    let mut command = Command::new("go");
    command
        .args(["install", "-trimpath", "-ldflags", "-s -w", &format!("{package}@{version}")])
        .current_dir(&folder)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env("GOBIN", &unfinished);
    tools::run(&mut command)?;
    fs::rename(&unfinished, &place).file("rename to", &place)?;
    progress.done();
    Ok(program)
}

/// The sources of a module, which Go keeps and nobody changes.
fn module(path: &str, version: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Downloaded {
        #[serde(rename = "Dir")]
        folder: PathBuf,
    }
    let output = Command::new("go")
        .args(["mod", "download", "-json", &format!("{path}@{version}")])
        .current_dir(cache::folder()?)
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Start { program: "go mod download".to_owned(), source })?;
    serde_json::from_slice::<Downloaded>(&output.stdout).map(|found| found.folder).map_err(|_| Error::Failed {
        command: format!("go mod download {path}@{version}"),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    })
}
