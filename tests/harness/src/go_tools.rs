//! Go programs that others wrote, built once into the cache by `go install`, in pinned versions.

use std::fs;
use std::path::{Path, PathBuf};
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

/// Kustomize, as Argo CD's repository server calls it.
pub fn kustomize() -> Result<PathBuf> {
    install("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "v5.8.1")
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

/// Argo CD: its application controller and its repository server are one program, which goes by `ARGOCD_BINARY_NAME`.
#[derive(Debug, Clone)]
pub struct ArgoCd {
    /// The program.
    pub program: PathBuf,
    /// Its sources, with the manifests of its installation.
    pub sources: PathBuf,
}

/// The real Argo CD.
pub fn argocd() -> Result<ArgoCd> {
    const MODULE: &str = "github.com/argoproj/argo-cd/v3";
    const VERSION: &str = "v3.5.3";
    // A part of Argo CD's own repository, which its go.mod replaces by a folder that no module has.
    const ENGINE: &str = "github.com/argoproj/argo-cd/gitops-engine";
    const ENGINE_VERSION: &str = "v0.0.0-20260914071520-c9c369efcc5b";
    let sources = module(MODULE, VERSION)?;
    let program = made("argocd", VERSION, |unfinished| {
        let tree = unfinished.join("tree");
        tools::run(Command::new("cp").args(["-r", "--no-preserve=mode"]).arg(&sources).arg(&tree))?;
        // What its web server would serve is built with other tools, and not needed.
        let page = tree.join("ui/dist/app");
        fs::create_dir_all(&page).file("make", &page)?;
        fs::write(page.join("index.html"), "").file("write", &page)?;
        let go = |arguments: &[&str]| tools::run(go().args(arguments).current_dir(&tree));
        go(&["mod", "edit", "-dropreplace", ENGINE, "-droprequire", ENGINE])?;
        go(&["get", &format!("{ENGINE}@{ENGINE_VERSION}")])?;
        go(&["build", "-trimpath", "-ldflags", "-s -w", "-o", "../argocd", "./cmd"])?;
        fs::remove_dir_all(&tree).file("remove", &tree)
    })?;
    Ok(ArgoCd { program, sources })
}

fn install(name: &str, package: &str, version: &str) -> Result<PathBuf> {
    made(name, version, |unfinished| {
        let package = format!("{package}@{version}");
        tools::run(
            go().args(["install", "-trimpath", "-ldflags", "-s -w", &package])
                .current_dir(unfinished)
                .env("GOBIN", unfinished),
        )
    })
}

fn go() -> Command {
    let mut command = Command::new("go");
    command.env("CGO_ENABLED", "0").env("GOWORK", "off");
    command
}

/// The program of this name and version in the cache, where `make` puts it into a folder if it is not there yet.
fn made(name: &str, version: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
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
    let progress = Progress::start(format!("building {name} {version} (once; minutes)"));
    // Built beside its place and then renamed: what is in its place is complete.
    let unfinished = folder.join("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).file("remove", &unfinished)?;
    }
    fs::create_dir_all(&unfinished).file("make", &unfinished)?;
    make(&unfinished)?;
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
    let output = go()
        .args(["mod", "download", "-json", &format!("{path}@{version}")])
        .current_dir(cache::folder()?)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Start { program: "go mod download".to_owned(), source })?;
    serde_json::from_slice::<Downloaded>(&output.stdout).map(|found| found.folder).map_err(|_| Error::Failed {
        command: format!("go mod download {path}@{version}"),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    })
}
