//! The programs that the tests and the demo use: built or installed once into the cache.
//!
//! From the machine come only Go and Python. Kubernetes (and kubectl with it) is built from the Go
//! module proxy, boto3 and the `aws` CLI come from `PyPI`, all in pinned versions.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::cache::{self, Lock};
use crate::error::{Error, FileError as _, Result};
use crate::progress::Progress;

/// The root of the checkout.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The programs built from tests/control-plane.
#[derive(Debug, Clone)]
pub struct ControlPlaneTools {
    folder: PathBuf,
    fingerprint: String,
}

impl ControlPlaneTools {
    /// etcd, kube-apiserver and kube-controller-manager with their supervisor, in one program.
    pub fn supervisor(&self) -> PathBuf {
        self.folder.join("control-plane")
    }

    /// The real kubectl (the same program under its other name).
    pub fn kubectl(&self) -> PathBuf {
        self.folder.join("kubectl")
    }

    /// Ties a program's life to ours.
    pub fn leash(&self) -> PathBuf {
        self.folder.join("leash")
    }

    /// Changes with every change of the sources.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// The control plane's programs, built on first use: minutes once, then found by their content.
pub fn control_plane() -> Result<ControlPlaneTools> {
    static TOOLS: OnceLock<ControlPlaneTools> = OnceLock::new();
    once(&TOOLS, build_control_plane)
}

/// The folder with the programs of a real node: `node` (the kubelet, the scheduler) and `pause`. Built on first use.
pub fn node() -> Result<PathBuf> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    once(&FOLDER, build_node)
}

/// The real kubectl.
pub fn kubectl() -> Result<PathBuf> {
    Ok(control_plane()?.kubectl())
}

/// A Python with boto3.
pub fn python() -> Result<PathBuf> {
    Ok(python_env()?.join("bin/python"))
}

/// The real `aws` CLI.
pub fn aws_cli() -> Result<PathBuf> {
    Ok(python_env()?.join("bin/aws"))
}

/// The folder of the Python environment that holds what requirements.txt names.
pub fn python_env() -> Result<PathBuf> {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    once(&ENVIRONMENT, || python_with("requirements.txt", "the aws CLI and boto3"))
}

/// The folder of a Python environment that holds what this file of the harness names.
pub fn python_with(requirements: &str, what: &str) -> Result<PathBuf> {
    install_python_env(&Path::new(env!("CARGO_MANIFEST_DIR")).join(requirements), what)
}

/// Like `OnceLock::get_or_try_init`, which is not stable yet. Two threads may both make it: the
/// lock in the cache makes the second one find what the first one made.
fn once<T: Clone>(cell: &OnceLock<T>, build: impl FnOnce() -> Result<T>) -> Result<T> {
    if let Some(made) = cell.get() {
        return Ok(made.clone());
    }
    let made = build()?;
    Ok(cell.get_or_init(|| made).clone())
}

/// Whether Go and Python are there; if not, names all that is missing. To be asked before anything long is begun.
pub fn check() -> Result<()> {
    let missing: Vec<_> = [go_version().map(drop), python_version().map(drop)]
        .into_iter()
        .filter_map(|found| found.err().map(|error| error.to_string()))
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::Other(missing.join("\n"))) }
}

const GO: &str = "Go 1.25 or newer (https://go.dev/dl/)";
const PYTHON: &str = "Python 3.10 or newer with its module venv (on Debian and Ubuntu: python3 and python3-venv)";

fn build_control_plane() -> Result<ControlPlaneTools> {
    let what = "etcd, kube-apiserver, kube-controller-manager and kubectl";
    let (folder, fingerprint) = built("control-plane", &[".", "./leash"], what, |unfinished| {
        let kubectl = unfinished.join("kubectl");
        std::os::unix::fs::symlink("control-plane", &kubectl).file("make", &kubectl)
    })?;
    Ok(ControlPlaneTools { folder, fingerprint })
}

fn build_node() -> Result<PathBuf> {
    Ok(built("node", &["./node", "./pause"], "the kubelet and the scheduler", |_| Ok(()))?.0)
}

/// The folder in the cache that holds the programs of these packages of tests/control-plane, and what it is called by.
fn built(
    name: &str,
    packages: &[&str],
    what: &str,
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<(PathBuf, String)> {
    let sources = workspace().join("tests/control-plane");
    let go = go_version()?;
    let wanted =
        |path: &Path| path.extension().is_some_and(|ending| ["go", "mod", "sum"].iter().any(|known| ending == *known));
    let mut files = cache::contents(&sources, wanted)?;
    for package in packages.iter().filter(|package| **package != ".") {
        files.extend(cache::contents(&sources.join(package), wanted)?);
    }
    let version = kubernetes_version(&files)?;
    let flags = linker_flags(&version)?;
    let fingerprint =
        cache::fingerprint(files.iter().map(|(_, text)| text.as_slice()).chain([go.as_bytes(), flags.as_bytes()]));

    let folder = cache::folder()?.join(name);
    fs::create_dir_all(&folder).file("make", &folder)?;
    let place = folder.join(&fingerprint);
    if place.is_dir() {
        return Ok((place, fingerprint));
    }
    let _lock = Lock::take(&folder.join("lock"))?;
    if place.is_dir() {
        return Ok((place, fingerprint));
    }
    // Built beside its place and then renamed: what is in its place is complete.
    let unfinished = folder.join("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).file("remove", &unfinished)?;
    }
    fs::create_dir_all(&unfinished).file("make", &unfinished)?;
    let progress = Progress::start(format!("building {what} {version} with {go} (once; minutes)"));
    go_build(&sources, packages, &unfinished, &flags, progress)?;
    finish(&unfinished)?;
    fs::rename(&unfinished, &place).file("rename to", &place)?;
    Ok((place, fingerprint))
}

fn go_build(sources: &Path, packages: &[&str], into: &Path, flags: &str, mut progress: Progress) -> Result<()> {
    let mut command = Command::new("go");
    // All programs at once: `-o` names a folder. `-v` names each package when it is compiled.
    command
        .args(["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o"])
        .arg(into)
        .args(packages)
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| Error::Start { program: "go build".to_owned(), source })?;
    let mut output = Vec::new();
    let stderr = child.stderr.take().expect("stderr was asked to be piped");
    for line in BufReader::new(stderr).lines().map_while(std::io::Result::ok) {
        progress.tell(&format!("({} packages; {line})", output.len() + 1));
        output.push(line);
    }
    let status = child.wait().map_err(|source| Error::Start { program: "go build".to_owned(), source })?;
    if status.success() {
        progress.done();
        return Ok(());
    }
    Err(Error::Failed {
        command: format!("go build in {}", sources.display()),
        status: status.to_string(),
        output: output[output.len().saturating_sub(20)..].join("\n"),
    })
}

/// "go1.26.8"; an error if there is none or it is too old.
fn go_version() -> Result<String> {
    let missing = |found: String| Error::MissingTool {
        tool: "Go",
        purpose: "build the real Kubernetes control plane and kubectl",
        found,
        needed: GO,
    };
    // The toolchain that would build, which a GOTOOLCHAIN of the user's may have chosen.
    let output = Command::new("go")
        .args(["env", "GOVERSION"])
        .output()
        .map_err(|error| missing(format!("there is no `go` ({error})")))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match numbers(version.trim_start_matches("go")) {
        Some(found) if found >= (1, 25) => Ok(version),
        _ => Err(missing(format!("`go` is {version:?}"))),
    }
}

fn python_version() -> Result<(&'static str, String)> {
    let mut found = "there is no `python3`".to_owned();
    for name in ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"] {
        let look = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3], sys.executable)";
        let Ok(output) = Command::new(name).args(["-c", look]).output() else {
            continue;
        };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match numbers(&version) {
            Some(numbers) if numbers >= (3, 10) => return Ok((name, version)),
            Some(_) => found = format!("`{name}` is {version}"),
            None => found = format!("`{name}` has no module venv or ensurepip"),
        }
    }
    Err(Error::MissingTool { tool: "Python", purpose: "run the real aws CLI and boto3", found, needed: PYTHON })
}

/// Major and minor version of a text like "1.26.8" or "3.11.7 /usr/bin/python3".
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// go.mod is the only place that names the version.
fn kubernetes_version(files: &[(PathBuf, Vec<u8>)]) -> Result<String> {
    files
        .iter()
        .filter(|(path, _)| path.ends_with("go.mod"))
        .flat_map(|(_, text)| String::from_utf8_lossy(text).lines().map(str::to_owned).collect::<Vec<_>>())
        .find_map(|line| Some(line.trim().strip_prefix("k8s.io/kubernetes ")?.to_owned()))
        .ok_or_else(|| Error::Other("tests/control-plane/go.mod requires no k8s.io/kubernetes".to_owned()))
}

/// Without a version in them, kubectl and Helm cannot parse what the server answers.
fn linker_flags(version: &str) -> Result<String> {
    let (major, minor) = numbers(version.trim_start_matches('v'))
        .ok_or_else(|| Error::Other(format!("{version:?} is no version of Kubernetes")))?;
    let at = "k8s.io/component-base/version";
    Ok(format!(
        "-s -w -X {at}.gitVersion={version} -X {at}.gitMajor={major} -X {at}.gitMinor={minor} -X {at}.gitTreeState=clean"
    ))
}

fn install_python_env(requirements: &Path, what: &str) -> Result<PathBuf> {
    let pins = fs::read(requirements).file("read", requirements)?;
    let (python, version) = python_version()?;
    let folder = cache::folder()?.join("python");
    fs::create_dir_all(&folder).file("make", &folder)?;
    let environment = folder.join(cache::fingerprint([pins.as_slice(), version.as_bytes()]));
    // An environment knows its own path, so it cannot be renamed into place: a file says when it
    // is complete.
    let complete = environment.join("complete");
    if complete.exists() {
        return Ok(environment);
    }
    let _lock = Lock::take(&folder.join("lock"))?;
    if complete.exists() {
        return Ok(environment);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).file("remove", &environment)?;
    }
    let progress = Progress::start(format!("installing {what} (once)"));
    run(Command::new(python).args(["-m", "venv"]).arg(&environment))?;
    run(Command::new(environment.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .arg("--requirement")
        .arg(requirements))?;
    fs::write(&complete, version).file("write", &complete)?;
    progress.done();
    Ok(environment)
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Start { program: format!("{command:?}"), source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        command: format!("{command:?}"),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(numbers("1.26.8"), Some((1, 26)));
        assert_eq!(numbers("3.9.1 /usr/bin/python3"), Some((3, 9)));
        assert!(numbers("3.9.1") < Some((3, 10)));
        assert_eq!(numbers("1.25rc1"), Some((1, 25)));
        assert_eq!(numbers(""), None);
        assert_eq!(numbers("devel +abc"), None);
    }

    #[test]
    fn the_version_of_kubernetes_is_the_one_in_go_mod() {
        let files = [(PathBuf::from("x/go.mod"), b"require (\n\tk8s.io/kubernetes v1.35.4\n)".to_vec())];
        assert_eq!(kubernetes_version(&files).unwrap(), "v1.35.4");
        assert!(linker_flags("v1.35.4").unwrap().contains("gitMinor=35"));
    }
}
