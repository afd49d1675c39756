//! A Git repository of one's own, for what follows one.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::error::{Error, FileError as _, Result};
use crate::tools;

/// A repository whose branch `main` holds files, until this is dropped.
#[derive(Debug)]
pub struct Repository(TempDir);

impl Repository {
    /// One that holds this folder of the checkout, at the same place.
    pub fn of(folder: &str) -> Result<Self> {
        let temporary = std::env::temp_dir();
        let repository = Self(tempfile::tempdir().file("make a folder in", &temporary)?);
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        repository.add(folder)?;
        Ok(repository)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Adds a folder of the checkout, as it is.
    pub fn add(&self, folder: &str) -> Result<()> {
        let place = self.file(folder);
        let parent = place.parent().unwrap_or(self.path());
        std::fs::create_dir_all(parent).file("make", parent)?;
        tools::run(Command::new("cp").arg("-r").arg(tools::workspace().join(folder)).arg(&place))?;
        self.commit(folder)
    }

    /// The text of one of its files.
    pub fn read(&self, name: &str) -> Result<String> {
        let path = self.file(name);
        std::fs::read_to_string(&path).file("read", &path)
    }

    /// Replaces a text in one of its files, which must be there, and commits that.
    pub fn replace(&self, name: &str, old: &str, new: &str) -> Result<()> {
        let text = self.read(name)?;
        if !text.contains(old) {
            return Err(Error::Other(format!("{name} has no {old:?}")));
        }
        let path = self.file(name);
        std::fs::write(&path, text.replacen(old, new, 1)).file("write", &path)?;
        self.commit(&format!("{name}: {new}"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn commit(&self, message: &str) -> Result<()> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])
    }

    fn git(&self, arguments: &[&str]) -> Result<()> {
        tools::run(
            Command::new("git")
                .args(["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"])
                .args(arguments)
                .current_dir(self.path())
                // Nothing of the user's own, such as a signature.
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_NOSYSTEM", "1"),
        )
    }
}
