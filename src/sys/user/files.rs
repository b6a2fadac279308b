//! `/etc/passwd` and `/etc/group`, passwd(5) and group(5), and what getent(1) prints, which has the same form.
//!
//! Strict: a line that is not exactly of its form, a name that is not UTF-8, a number that is none or that stands for "no change" in
//! setresuid(2), and the `+` and `-` entries of the compat source are no entry. A line that is skipped gives nobody anything.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid};

use super::{User, UserError};
use crate::words::limits;

pub(super) const PASSWD: &str = "/etc/passwd";
pub(super) const GROUP: &str = "/etc/group";

/// Bytes in the name of a user or a group: the longest that useradd(8) makes.
const LONGEST_NAME: usize = 256;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub name: String,
    pub gid: Gid,
    /// Those that it lists.
    pub members: Vec<String>,
}

/// The bytes of a database; none where it is not there.
pub(super) fn read(path: &str) -> Result<Vec<u8>, UserError> {
    let unreadable = |reason: String| UserError::Unreadable { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    let read = |bytes: &mut Vec<u8>| File::open(path)?.take(limits::USER_LIST_BYTES as u64 + 1).read_to_end(bytes);
    match read(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(bytes),
        Err(error) => Err(unreadable(error.to_string())),
        Ok(_) if bytes.len() > limits::USER_LIST_BYTES => Err(unreadable(format!("longer than {} bytes", limits::USER_LIST_BYTES))),
        Ok(_) => Ok(bytes),
    }
}

/// The entries of a passwd(5), in their order.
pub(super) fn users(text: &[u8]) -> impl Iterator<Item = User> {
    text.split(|byte| *byte == b'\n').filter_map(user)
}

/// The entries of a group(5), in their order.
pub(super) fn groups(text: &[u8]) -> impl Iterator<Item = Group> {
    text.split(|byte| *byte == b'\n').filter_map(group)
}

fn user(line: &[u8]) -> Option<User> {
    let [name_field, _password, uid, gid, _comment, home, shell] = fields(line)?;
    Some(User {
        name: name(name_field)?.to_owned(),
        uid: Uid::from_raw(number(uid)?),
        gid: Gid::from_raw(number(gid)?),
        home: path(home),
        shell: path(shell),
    })
}

fn group(line: &[u8]) -> Option<Group> {
    let [name_field, _password, gid, members] = fields(line)?;
    let members = members.split(|byte| *byte == b',').filter_map(name).map(str::to_owned).collect();
    Some(Group { name: name(name_field)?.to_owned(), gid: Gid::from_raw(number(gid)?), members })
}

fn fields<const COUNT: usize>(line: &[u8]) -> Option<[&[u8]; COUNT]> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    fields.try_into().ok().filter(|_| !line.contains(&0))
}

/// The name of a user or a group. `#` begins a comment.
pub(super) fn name(bytes: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(bytes).ok()?;
    let fits = !name.contains(|c: char| c.is_control() || c == ':') && !name.starts_with(|c: char| "+-#".contains(c) || c.is_whitespace());
    (fits && (1..=LONGEST_NAME).contains(&name.len())).then_some(name)
}

/// The number of a user or a group.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|number| *number != u32::MAX)
}

fn path(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_exactly_of_its_form() {
        for (line, shown) in [
            ("web:x:33:34:Web, Inc:/var/www:/bin/sh", "web 33 34 /var/www /bin/sh"),
            ("web::33:34:::", "web 33 34  "),
            ("wéb@example.org:*:0033:34::/:/x", "wéb@example.org 33 34 / /x"),
            ("domain user:x:4294967294:0::/:", "domain user 4294967294 0 / "),
            ("web:x:33:34::/", ""),
            ("web:x:33:34::/::", ""),
            ("web:x:4294967295:34::/:", ""),
            ("web:x:33:-1::/:", ""),
            ("web:x:+33:34::/:", ""),
            ("web:x: 33:34::/:", ""),
            ("web:x::34::/:", ""),
            ("web:x:0x21:34::/:", ""),
            ("web:x:33:99999999999::/:", ""),
            (":x:33:34::/:", ""),
            (" web:x:33:34::/:", ""),
            ("w\teb:x:33:34::/:", ""),
            ("web:x:33:34:\0:/:", ""),
            ("#web:x:33:34::/:", ""),
            ("+web:x:33:34::/:", ""),
            ("-web:x:33:34::/:", ""),
            ("+::::::", ""),
            ("", ""),
        ] {
            let show = |user: User| format!("{} {} {} {} {}", user.name, user.uid, user.gid, user.home.display(), user.shell.display());
            assert_eq!(user(line.as_bytes()).map(show).unwrap_or_default(), shown, "{line:?}");
        }
        for (line, shown) in [
            ("adm:x:4:syslog,web", "adm 4 syslog web"),
            ("adm:x:4:", "adm 4"),
            ("adm:x:4:,web,,+x,-y", "adm 4 web"),
            ("adm:x:4", ""),
            ("adm:x:4:web:x", ""),
            ("adm:x::web", ""),
            ("+:::", ""),
        ] {
            let show = |group: Group| [vec![group.name, group.gid.to_string()], group.members].concat().join(" ");
            assert_eq!(group(line.as_bytes()).map(show).unwrap_or_default(), shown, "{line:?}");
        }
    }

    #[test]
    fn what_is_not_utf_8_hides_its_own_line_only() {
        let text = b"\xff:x:1:1::/:\ncomment:x:2:2:\xe9:/h\xe9:/bin/sh\nlast:x:3:3::/:/bin/sh";
        let found: Vec<User> = users(text).collect();
        assert_eq!(found.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["comment", "last"]);
        assert_eq!(found[0].home.as_os_str().as_bytes(), b"/h\xe9");
        assert!(name(&[b'a'; LONGEST_NAME]).is_some() && name(&[b'a'; LONGEST_NAME + 1]).is_none());
    }

    #[test]
    fn a_database_that_is_missing_is_empty_and_one_that_is_too_long_is_an_error() {
        assert_eq!(read("/etc/no-such-database").unwrap(), b"");
        assert!(read("/etc").unwrap_err().to_string().starts_with("/etc: "));
        let long = read("/dev/zero").unwrap_err().to_string();
        assert_eq!(long, "/dev/zero: longer than 16777216 bytes");
    }
}
