//! Where built and downloaded tools are kept between runs, and how parallel runs share them.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use etcetera::{BaseStrategy as _, choose_base_strategy};

use crate::error::{Error, FileError as _, Result};

/// The cache folder, made if it is missing: `$SHOWCORE_CACHE`, else `showcore-operator` in the
/// user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`). It may be removed at any time; the next
/// run fills it again.
pub fn folder() -> Result<PathBuf> {
    let folder = match std::env::var_os("SHOWCORE_CACHE") {
        Some(path) if !path.is_empty() => std::path::absolute(&path).file("find", path.as_ref())?,
        _ => choose_base_strategy()
            .map_err(|_| Error::Other("there is no home folder to keep built tools in: set SHOWCORE_CACHE".to_owned()))?
            .cache_dir()
            .join("showcore-operator"),
    };
    fs::create_dir_all(&folder).file("make", &folder)?;
    Ok(folder)
}

/// The folder for sockets and data of running control planes, for this user alone.
///
/// It is not in the cache, because a socket's path must be shorter than about a hundred bytes.
pub fn run_folder() -> Result<PathBuf> {
    let name = format!("showcore-operator-{}", nix::unistd::getuid());
    let mut folder = std::env::temp_dir().join(&name);
    if folder.as_os_str().len() > 60 {
        folder = Path::new("/tmp").join(&name);
    }
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => other.file("make", &folder)?,
    }
    // The folder for temporary files is everybody's: someone else may have made ours.
    let found = fs::symlink_metadata(&folder).file("look at", &folder)?;
    if !found.is_dir() || found.uid() != nix::unistd::getuid().as_raw() || found.mode() & 0o077 != 0 {
        return Err(Error::Other(format!(
            "{} is not a folder of this user alone; remove it, or set TMPDIR to another place",
            folder.display()
        )));
    }
    Ok(folder)
}

/// Held while something in the cache is being made, so that parallel runs wait instead of making it
/// twice. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Waits until nobody else holds the lock at this path.
    pub fn take(path: &Path) -> Result<Self> {
        let file = File::options().create(true).truncate(false).write(true).open(path).file("open", path)?;
        file.lock().file("lock", path)?;
        Ok(Self(file))
    }
}

/// A short name for these parts: the same for the same parts, different for any other.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length, so that moving a byte from one part to the next is a difference too.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut name = format!("{:x}", hash.finalize());
    name.truncate(16);
    name
}

/// The names (in order) and contents of all files of a folder that `wanted` chooses.
pub fn contents(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).file("read", folder)? {
        let path = entry.file("read", folder)?.path();
        if path.is_file() && wanted(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read(&path).file("read", &path)?;
            Ok((path, text))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_tells_where_one_part_ends() {
        let one = fingerprint([b"ab".as_slice(), b"c"]);
        assert_eq!(one, fingerprint([b"ab".as_slice(), b"c"]));
        assert_ne!(one, fingerprint([b"a".as_slice(), b"bc"]));
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::take(&path).unwrap();
        let other = File::open(&path).unwrap();
        assert!(other.try_lock().is_err());
        drop(held);
        assert!(other.try_lock().is_ok());
    }
}
