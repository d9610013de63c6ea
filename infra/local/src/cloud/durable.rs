//! Files that are on the disk when a call returns: written beside, synced, renamed, and the directory synced.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Replaces `path` by `bytes`, whole or not at all. Readable by its owner only: it may hold password hashes.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_parent(path)
}

/// The content of `path`, or nothing when there is no such file.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Syncs a file another library wrote, and its directory.
pub fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// The files below a directory, of which those that changed since last time are synced. Costs a `stat` a
/// file.
#[derive(Debug)]
pub struct ChangedFiles {
    root: PathBuf,
    synced: HashMap<PathBuf, Stamp>,
}

/// Another inode, size or time of change is another content.
type Stamp = (u64, u64, i64, i64);

impl ChangedFiles {
    pub fn new(root: PathBuf) -> Self {
        Self { root, synced: HashMap::new() }
    }

    pub fn sync(&mut self) -> io::Result<()> {
        let mut found = HashMap::new();
        visit(&self.root, &mut found)?;
        let mut dirs: Vec<&Path> = Vec::new();
        for (path, stamp) in &found {
            if self.synced.get(path) == Some(stamp) {
                continue;
            }
            tolerate_vanished(File::open(path).and_then(|file| file.sync_all()))?;
            dirs.extend(path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.root)));
        }
        dirs.sort_unstable();
        dirs.dedup();
        for dir in dirs {
            tolerate_vanished(File::open(dir).and_then(|dir| dir.sync_all()))?;
        }
        self.synced = found;
        Ok(())
    }
}

fn visit(dir: &Path, found: &mut HashMap<PathBuf, Stamp>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let about = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            about => about?,
        };
        if about.is_dir() {
            visit(&entry.path(), found)?;
        } else {
            let stamp = (about.ino(), about.size(), about.ctime(), about.ctime_nsec());
            found.insert(entry.path(), stamp);
        }
    }
    Ok(())
}

fn tolerate_vanished(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
