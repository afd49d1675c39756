//! The operator's image, as `image/build` makes it.

use std::path::PathBuf;
use std::process::Command;

use crate::error::{Error, FileError as _, Result};
use crate::progress::Progress;
use crate::tools;

/// An archive of the image for this machine. By default of an unoptimised binary, which takes minutes the first time;
/// `PROFILE=release` in the environment has it built as for a release, and `SHOWCORE_IMAGE` names one that is there.
pub fn archive() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SHOWCORE_IMAGE").filter(|path| !path.is_empty()) {
        return std::fs::canonicalize(&path).file("find the image of SHOWCORE_IMAGE:", path.as_ref());
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => return Err(Error::Other(format!("there is no image for {other}"))),
    };
    let progress = Progress::start("building the image (minutes the first time)");
    let folder = std::path::absolute(tools::workspace()).file("find", tools::workspace())?.join("target/image");
    let mut command = Command::new(tools::workspace().join("image/build"));
    command.arg(&folder).arg(architecture);
    // A folder of its own, since its flags are others: the tests' own build would be thrown away.
    command.env("CARGO_TARGET_DIR", folder.join("build"));
    if std::env::var_os("PROFILE").is_none() {
        command.env("PROFILE", "dev");
    }
    tools::run(&mut command)?;
    progress.done();
    Ok(folder.join(format!("showcore-operator-{}-{architecture}.tar", env!("CARGO_PKG_VERSION"))))
}
