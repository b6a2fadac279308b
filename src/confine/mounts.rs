//! Mounts: where a file system shows once more, below a place that is granted, what is not readable where it belongs.
//!
//! What is mounted below a granted place is granted with it, bind mounts included. So each of those is compared with the other mounts of
//! the same file system (`/proc/self/mountinfo`, proc_pid_mountinfo(5)): what could not be read through all of them is a hole. Which one
//! was first, the kernel does not tell; where a place is itself a mount, the policy named it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mounts of this process.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    all: Vec<Mount>,
    points: HashSet<PathBuf>,
    /// The directories that those are in.
    above: HashSet<PathBuf>,
}

#[derive(Debug)]
struct Mount {
    /// As `major:minor`.
    device: String,
    /// What of the file system it shows.
    root: PathBuf,
    point: PathBuf,
}

impl Mounts {
    pub fn parse(text: &[u8]) -> Mounts {
        let all: Vec<Mount> = text.split(|byte| *byte == b'\n').filter_map(Mount::parse).collect();
        let points: HashSet<PathBuf> = all.iter().map(|mount| mount.point.clone()).collect();
        let above = points.iter().filter_map(|point| point.parent()).map(Path::to_owned).collect();
        Mounts { all, points, above }
    }

    /// Whether something is mounted just there.
    pub fn has_point(&self, path: &Path) -> bool {
        self.points.contains(path)
    }

    /// Whether something is mounted on a name in a directory.
    pub fn any_directly_in(&self, directory: &Path) -> bool {
        self.above.contains(directory)
    }

    /// Whether something is mounted below a directory.
    pub fn any_below(&self, directory: &Path) -> bool {
        self.points.iter().any(|point| point.starts_with(directory) && point != directory)
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
        Some(Mount { device, root: unescape(fields.next()?), point: unescape(fields.next()?) })
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
    fn this_host_has_its_mounts() {
        let mounts = Mounts::parse(&std::fs::read("/proc/self/mountinfo").unwrap());
        assert!(mounts.has_point(Path::new("/")) && mounts.has_point(Path::new("/proc")) && mounts.any_below(Path::new("/")));
        assert!(!mounts.has_point(Path::new("/proc/self")));
        assert!(mounts.any_directly_in(Path::new("/")) && !mounts.any_directly_in(Path::new("/proc/self")));
    }
}
