//! A Git repository of one's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::tools;
use tempfile::TempDir;

/// A repository whose branch `main` holds files, until this is dropped.
pub struct Repository(TempDir);

impl Repository {
    /// One that holds the estate of the examples, in the folder `estate`.
    pub fn of_estate() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        fs::create_dir(repository.path().join("estate")).unwrap();
        for entry in fs::read_dir(tools::workspace().join("examples/estate")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, repository.file(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit("the estate");
        repository
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join("estate").join(name)
    }

    /// Adds a folder of the checkout, as it is.
    pub fn add(&self, folder: &str) {
        let place = self.path().join(folder);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-r").arg(tools::workspace().join(folder)).arg(&place).status().unwrap();
        assert!(copied.success());
        self.commit(folder);
    }

    /// Replaces a text in one of its files, which must be there, and commits that.
    pub fn replace(&self, name: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        assert!(text.contains(old), "{name} has no {old:?}");
        fs::write(self.file(name), text.replacen(old, new, 1)).unwrap();
        self.commit(&format!("{name}: {new}"));
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"];
        let output = Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
