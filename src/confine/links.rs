//! Hard links: the other names of what is hidden.
//!
//! A rule on a directory holds for every name in it, whatever else the file is called. So where a walk has seen a hidden file that could be
//! read, all of its names are looked for in what is granted; and a file of which a walk has seen fewer names than it has could be one that
//! is hidden elsewhere, and is not granted either.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat};

use super::holes::{Links, kind_of};
use super::mounts::Mounts;
use super::places::Place;
use super::scout::Scout;
use crate::sys::directory::Kind;
use crate::words::limits;

/// Device and inode.
type Number = (u64, u64);

/// What has been looked for.
#[derive(Default)]
pub(super) struct OtherNames {
    searched: HashSet<Number>,
    /// Names found outside of what is walked.
    found: HashMap<Number, HashSet<PathBuf>>,
}

impl OtherNames {
    /// The names that show what is hidden, or may do so. `denied` has those that were found before.
    ///
    /// # Errors
    /// In words: a hidden file has more names than were found among [`limits::LINK_ENTRIES`] files.
    pub fn leaks(
        &mut self,
        seen: &HashMap<Number, Links>,
        denied: &HashSet<PathBuf>,
        places: &[Place],
        mounts: &Mounts,
    ) -> Result<Vec<PathBuf>, String> {
        let secret = |links: &Links| links.names.iter().any(|(name, hidden)| *hidden && !denied.contains(name));
        let missing = |links: &Links| (links.names.len() as u64) < links.expected;
        let new = |number: &Number| !self.searched.contains(number);
        let wanted: HashMap<Number, &Path> = seen
            .iter()
            .filter(|(number, links)| secret(links) && missing(links) && new(number))
            .filter_map(|(number, links)| Some((*number, links.names.first()?.0.as_path())))
            .collect();
        if !wanted.is_empty() {
            self.search(&wanted, places, mounts)?;
        }
        let visible = |links: &Links| links.names.iter().filter(|(_, hidden)| !hidden).map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let walked = seen.values().filter(|links| secret(links) || missing(links)).flat_map(visible);
        Ok(walked.chain(self.found.values().flatten().cloned()).collect())
    }

    fn search(&mut self, wanted: &HashMap<Number, &Path>, places: &[Place], mounts: &Mounts) -> Result<(), String> {
        let mut scout = Scout::new(None);
        scout.refill(limits::LINK_ENTRIES);
        // An overlay gives its files other devices than its directories, so every place is looked through but those of the kernel.
        let kernel = |place: &Place| place.path.starts_with("/proc") || place.path.starts_with("/sys");
        let inodes: HashSet<u64> = wanted.keys().map(|(_, inode)| *inode).collect();
        for place in places.iter().filter(|place| place.directory && !kernel(place)) {
            let mut ahead = vec![place.path.clone()];
            while let Some(path) = ahead.pop() {
                let Ok(directory) = open(&place.handle, path.strip_prefix(&place.path).unwrap_or(&path)) else { continue };
                let Ok(entries) = scout.list(&directory) else { continue };
                for entry in entries.map_err(|_| unfound(wanted))? {
                    let below = || path.join(OsStr::from_bytes(entry.name.to_bytes()));
                    if kind_of(&directory, &entry) == Kind::Directory && !mounts.has_point(&below()) {
                        ahead.push(below());
                    } else if inodes.contains(&entry.inode) {
                        let found = fstatat(&directory, entry.name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
                        let number = found.map(|found| (found.st_dev, found.st_ino)).unwrap_or_default();
                        if wanted.contains_key(&number) {
                            self.found.entry(number).or_default().insert(below());
                        }
                    }
                }
            }
        }
        self.searched.extend(wanted.keys());
        Ok(())
    }
}

fn open(place: impl AsFd, path: &Path) -> nix::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    openat(place, path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty())
}

fn unfound(wanted: &HashMap<Number, &Path>) -> String {
    let names: Vec<String> = wanted.values().map(|path| path.display().to_string()).collect();
    let most = limits::LINK_ENTRIES;
    format!("{}: hidden, with other names that were not found among {most} files; remove those names, or `unhide` it", names.join(", "))
}
