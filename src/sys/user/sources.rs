//! Which sources of users and groups this host has, nsswitch.conf(5).

use super::UserError;
use super::files;

/// That of the administrator, and that of the distribution (libeconf, SUSE).
const SWITCHES: [&str; 2] = ["/etc/nsswitch.conf", "/usr/etc/nsswitch.conf"];

/// The sources of one database besides those that are read here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sources {
    /// One that may know more of everybody: `sss`, `ldap`, `winbind`, `extrausers` and the like.
    pub directory: bool,
    /// `systemd`, nss-systemd(8): the users of running services (`DynamicUser=`), of homed and of userdb. It adds names to those in the files,
    /// and says nothing of the latter that the files do not; so it is asked for what the files lack, and for nothing else.
    pub systemd: bool,
}

impl Sources {
    /// Of a database of this host. Where there is no switch, there are the files alone.
    pub(super) fn of(database: &str) -> Result<Sources, UserError> {
        for path in SWITCHES {
            let text = files::read(path)?;
            if !text.is_empty() {
                return Ok(Sources::read(&String::from_utf8_lossy(&text), database));
            }
        }
        Ok(Sources::default())
    }

    /// Whether anybody is to be asked for what the files lack.
    pub(super) fn any(self) -> bool {
        self.directory || self.systemd
    }

    /// As `text` has them. Of several lines for one database each counts: C libraries differ in which they take.
    fn read(text: &str, database: &str) -> Sources {
        let lines =
            || text.lines().filter_map(|line| line.split('#').next()?.split_once(':')).map(|(name, sources)| (name.trim(), sources));
        // Groups of a user have a database of their own, which is that of groups where it is not there.
        let database = if database == "initgroups" && lines().all(|(name, _)| name != database) { "group" } else { database };
        let mut found = Sources::default();
        for source in lines().filter(|(name, _)| *name == database).flat_map(|(_, sources)| names(sources)) {
            match source {
                "files" | "compat" => {}
                "systemd" => found.systemd = true,
                _ => found.directory = true,
            }
        }
        found
    }
}

/// The names in a list of sources, without what stands in brackets: `files [NOTFOUND=return] sss`.
fn names(sources: &str) -> impl Iterator<Item = &str> {
    let outside = sources.split('[').enumerate().map(|(index, part)| match index {
        0 => part,
        _ => part.split_once(']').map_or("", |(_actions, behind)| behind),
    });
    outside.flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        for (text, database, directory, systemd) in [
            ("passwd: files", "passwd", false, false),
            ("passwd: compat", "passwd", false, false),
            ("", "passwd", false, false),
            ("passwd: files systemd\ngroup: files sss", "passwd", false, true),
            ("passwd: files systemd\ngroup: files sss", "group", true, false),
            ("  passwd :\tfiles  [NOTFOUND=return SUCCESS=merge] sss # ldap", "passwd", true, false),
            ("passwd: files # sss", "passwd", false, false),
            ("#passwd: sss", "passwd", false, false),
            ("passwd: files [!UNAVAIL=return]", "passwd", false, false),
            ("passwd: files\npasswd: extrausers", "passwd", true, false),
            ("group: files [SUCCESS=merge] systemd", "group", false, true),
            ("group: files ldap", "initgroups", true, false),
            ("group: files ldap\ninitgroups: files", "initgroups", false, false),
            ("passwd files sss\nshadow: sss", "passwd", false, false),
            ("passwd: files [broken sss", "passwd", false, false),
        ] {
            assert_eq!(Sources::read(text, database), Sources { directory, systemd }, "{database} in {text:?}");
        }
    }
}
