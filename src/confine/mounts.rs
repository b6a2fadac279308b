//! Mounts: where a file system shows once more, below a place that is granted, what is not readable where it belongs.
//!
//! What is mounted below a granted place is granted with it, bind mounts included. So each of those is compared with the other mounts of
//! the same file system (`/proc/self/mountinfo`, proc_pid_mountinfo(5)): what could not be read through all of them is a hole. Which one
//! was first, the kernel does not tell; where a place is itself a mount, the policy named it.
//!
//! What this session itself has mounted over hidden paths (`namespace`) is left out: that hides them, and nothing shows there.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::sys::mount::Held;

/// The source, as `mount` shows it, of the file system with which a session covers what is hidden.
pub(super) const COVERS: &str = "postern-covers";

/// File systems whose server, near or far, may not answer: nothing in them is looked up without a deadline.
const REMOTE: [&str; 12] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "afs", "lustre", "9p", "autofs", "fuse", "fuseblk"];

/// The mounts of this process.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    all: Vec<Mount>,
    /// Of several at one point, the last, which is on top.
    points: HashMap<PathBuf, usize>,
    /// Devices of which there is more than one mount.
    repeated: HashSet<String>,
    /// The directories that those are in.
    above: HashSet<PathBuf>,
}

#[derive(Debug)]
pub(super) struct Mount {
    /// As `major:minor`.
    device: String,
    /// What of the file system it shows.
    root: PathBuf,
    pub point: PathBuf,
    pub writable: bool,
    pub held: Held,
    /// Whether it may hang.
    pub remote: bool,
}

impl Mounts {
    pub fn parse(text: &[u8]) -> Mounts {
        let all: Vec<Mount> = text.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect();
        let points: HashMap<PathBuf, usize> = all.iter().enumerate().map(|(index, mount)| (mount.point.clone(), index)).collect();
        let above = points.keys().filter_map(|point| point.parent()).map(Path::to_owned).collect();
        let mut devices = HashSet::new();
        let repeated = all.iter().filter(|mount| !devices.insert(&mount.device)).map(|mount| mount.device.clone()).collect();
        Mounts { all, points, repeated, above }
    }

    /// All of them, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.all.iter()
    }

    /// What is mounted just there, on top.
    pub fn at(&self, path: &Path) -> Option<&Mount> {
        self.points.get(path).and_then(|index| self.all.get(*index))
    }

    /// What a path without links is in.
    pub fn of(&self, path: &Path) -> Option<&Mount> {
        path.ancestors().find_map(|point| self.at(point))
    }

    /// Whether anything may hang, where people mount it.
    pub fn any_remote(&self) -> bool {
        self.all.iter().any(|mount| mount.remote && !mount.point.starts_with("/proc"))
    }

    /// The other paths at which what a path leads to shows as well. Those at which only a part of it shows among them.
    pub fn other_views(&self, path: &Path) -> Vec<PathBuf> {
        let Some(own) = self.of(path).filter(|own| self.repeated.contains(&own.device)) else { return Vec::new() };
        let inside = join(&own.root, path.strip_prefix(&own.point).unwrap_or(path));
        let same = self.all.iter().filter(|other| other.device == own.device);
        let view = |other: &Mount| match inside.strip_prefix(&other.root) {
            Ok(rest) => Some(join(&other.point, rest)),
            Err(_) => other.root.starts_with(&inside).then(|| other.point.clone()),
        };
        same.filter_map(view).filter(|view| !view.starts_with(path)).collect()
    }

    /// Whether something is mounted just there.
    pub fn has_point(&self, path: &Path) -> bool {
        self.points.contains_key(path)
    }

    /// Whether something is mounted on a name in a directory.
    pub fn any_directly_in(&self, directory: &Path) -> bool {
        self.above.contains(directory)
    }

    /// Whether something is mounted below a directory.
    pub fn any_below(&self, directory: &Path) -> bool {
        self.points.keys().any(|point| point.starts_with(directory) && point != directory)
    }

    /// The paths below granted places that show what is not readable elsewhere. `readable` tells whether all of a path is granted.
    pub fn leaks(&self, places: &[&Path], readable: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let below = |path: &Path| places.iter().any(|place| path.starts_with(place) && path != *place);
        // In /proc nothing can be a hole, see `files`.
        let granted = self.all.iter().filter(|mount| below(&mount.point) && !mount.point.starts_with("/proc"));
        let leaks = granted.flat_map(|mount| self.all.iter().filter_map(|other| mount.shows_of(other)));
        let leaks = leaks.filter(|(shown, original)| shown != original && !readable(original));
        leaks.map(|(shown, _)| shown).collect()
    }
}

impl Mount {
    /// `36 35 98:0 /root /point options... - type source options`, with octal escapes.
    fn parse(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|byte| *byte == b' ').skip(2);
        let device = String::from_utf8(fields.next()?.to_vec()).ok()?;
        let (root, point) = (unescape(fields.next()?), unescape(fields.next()?));
        let options: Vec<&[u8]> = fields.next()?.split(|byte| *byte == b',').collect();
        let has = |option: &str| options.contains(&option.as_bytes());
        let held = Held { nodev: has("nodev"), noexec: has("noexec"), nosymfollow: has("nosymfollow") };
        let mut file_system = fields.skip_while(|field| *field != b"-").skip(1);
        let (kind, source) = (file_system.next()?, file_system.next()?);
        let remote = kind.starts_with(b"fuse.") || REMOTE.iter().any(|remote| remote.as_bytes() == kind);
        // The source of a file system of their own (FUSE) people choose as they like.
        let is_cover = kind == b"tmpfs" && source == COVERS.as_bytes();
        (!is_cover).then_some(Mount { device, root, point, writable: has("rw"), held, remote })
    }

    /// What this mount shows of another: the path here, and the path there.
    fn shows_of(&self, other: &Mount) -> Option<(PathBuf, PathBuf)> {
        if self.device != other.device {
            return None;
        }
        let whole = self.root.strip_prefix(&other.root).map(|rest| (self.point.clone(), join(&other.point, rest)));
        let part = || other.root.strip_prefix(&self.root).map(|rest| (join(&self.point, rest), other.point.clone()));
        whole.or_else(|_| part()).ok()
    }
}

/// `join` of an empty path would end in a slash.
fn join(path: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { path.to_owned() } else { path.join(rest) }
}

fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let digits = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each mount: device, root, point.
    fn leaks(mounts: &[(u8, &str, &str)]) -> String {
        let line =
            |(device, root, point): &(u8, &str, &str)| format!("36 35 98:{device} {root} {point} rw,noatime master:1 - ext3 /dev/x rw\n");
        let mounts = Mounts::parse(mounts.iter().map(line).collect::<String>().as_bytes());
        let readable = |path: &Path| ["/usr", "/var/log"].iter().any(|place| path.starts_with(place));
        let leaks = mounts.leaks(&[Path::new("/usr"), Path::new("/var/log")], readable);
        leaks.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_not_readable_where_it_belongs_is_a_hole_where_it_shows_again() {
        let root = (0, "/", "/");
        for (mounts, expected) in [
            (&[root, (1, "/", "/var/log")][..], ""),
            (&[root, (1, "/", "/usr/local")], ""),
            (&[root, (0, "/srv/data", "/usr/data")], "/usr/data"),
            (&[root, (0, "/srv/a\\040b", "/usr/a\\040b")], "/usr/a b"),
            (&[root, (0, "/usr/share", "/var/log/share")], ""),
            (&[root, (0, "/usr/share", "/srv/share")], ""),
            (&[root, (1, "/", "/srv"), (1, "/", "/usr/data")], "/usr/data"),
            (&[root, (1, "/", "/srv"), (1, "/", "/var/log")], ""),
            (&[root, (1, "/a/secret", "/srv"), (1, "/a", "/usr/data")], "/usr/data/secret"),
            (&[root, (0, "/", "/usr/host")], "/usr/host"),
        ] {
            assert_eq!(leaks(mounts), expected, "{mounts:?}");
        }
    }

    #[test]
    fn a_path_shows_wherever_its_file_system_is_mounted() {
        let table =
            "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 8:1 /srv/data /mnt rw - ext4 /dev/a rw\n3 1 8:1 /srv/data/key /run/k ro - ext4 /dev/a rw
4 1 8:2 / /home rw,nodev,noexec - nfs4 server:/ rw\n5 1 0:9 /file /srv/data/key rw - tmpfs postern-covers rw
6 1 0:10 / /home/x rw - fuse.sshfs postern-covers rw\n";
        let mounts = Mounts::parse(table.as_bytes());
        let views =
            |path: &str| mounts.other_views(Path::new(path)).iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        for (path, expected) in [
            ("/srv/data", "/mnt /run/k"),
            ("/srv/data/key", "/mnt/key /run/k"),
            ("/srv/data/other", "/mnt/other"),
            ("/mnt/key", "/srv/data/key /run/k"),
            ("/run/k", "/srv/data/key /mnt/key"),
            ("/etc", ""),
            ("/home/x", ""),
        ] {
            assert_eq!(views(path), expected, "{path}");
        }
        assert!(!mounts.has_point(Path::new("/srv/data/key")), "covers are no mounts of the host's");
        assert!(mounts.at(Path::new("/home/x")).is_some_and(|mount| mount.remote), "whatever it calls itself");
        let home = mounts.of(Path::new("/home/z/y")).unwrap();
        assert_eq!((home.remote, home.writable, home.held), (true, true, Held { nodev: true, noexec: true, nosymfollow: false }));
        assert_eq!(mounts.at(Path::new("/run/k")).map(|mount| mount.writable), Some(false));
    }

    #[test]
    fn this_host_has_its_mounts() {
        let mounts = Mounts::parse(&std::fs::read("/proc/self/mountinfo").unwrap());
        assert!(mounts.has_point(Path::new("/")) && mounts.has_point(Path::new("/proc")) && mounts.any_below(Path::new("/")));
        assert!(!mounts.has_point(Path::new("/proc/self")));
        assert!(mounts.any_directly_in(Path::new("/")) && !mounts.any_directly_in(Path::new("/proc/self")));
    }
}
