//! Who is this, and from where. Asks the kernel and the user database; of the environment it reads `SSH_CONNECTION` alone, which sshd sets
//! over anything that a client sends, and only where it was sshd that started this process.
#![forbid(unsafe_code)]

pub mod in_force;
pub mod install;
mod login;
mod sshd;

use std::net::IpAddr;

use nix::unistd::{Gid, Uid, gethostname, ttyname};

pub use self::install::{Install, InstallError};
pub use self::login::Login;
use crate::policy::Subject;
use crate::sys::rights;
use crate::sys::user::{self, UserError};

/// The person's account, as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub host: String,
    pub account: String,
    pub uid: u32,
    pub gid: u32,
    /// The supplementary groups, as the login gave them.
    pub gids: Vec<u32>,
    /// Names of the account's groups, for `%group` in policies.
    pub groups: Vec<String>,
    pub home: String,
    pub from: Option<IpAddr>,
    /// The terminal's device, if there is one: `pts/3`.
    pub tty: Option<String>,
}

/// Why nobody can be let in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("uid {0} has no account")]
    NoAccount(u32),
    #[error(transparent)]
    User(#[from] UserError),
    #[error("the home directory of {0} is not UTF-8")]
    Home(String),
    #[error("this host has no usable name: {0}")]
    Host(String),
}

/// Finds out who runs this process: the real user, whatever the effective one is.
///
/// Groups are those that the kernel says this process has, which the login took from the user database. To be called before this process
/// changes its ids.
pub fn identify() -> Result<Person, AccessError> {
    let uid = Uid::from_raw(rights::account());
    let user = user::by_uid(uid)?.ok_or(AccessError::NoAccount(uid.as_raw()))?;
    let gids = user::own_supplementary_groups()?;
    let mut all = gids.clone();
    all.extend(Some(Gid::current()).filter(|primary| !gids.contains(primary)));
    let groups = user::group_names(&all)?;
    let home = user.home.into_os_string().into_string().map_err(|_| AccessError::Home(user.name.clone()))?;
    let gids = gids.into_iter().map(Gid::as_raw).collect();
    Ok(Person { host: host()?, account: user.name, gids, groups, home, ..unidentified() })
}

/// What the kernel alone says of who runs this process; the account is its number. For the record of a start that failed, perhaps because
/// the user database did.
pub fn unidentified() -> Person {
    let uid = Uid::from_raw(rights::account());
    let connection = std::env::var("SSH_CONNECTION").ok().filter(|_| sshd::is_parent(uid));
    Person {
        host: host().unwrap_or_default(),
        account: uid.to_string(),
        uid: uid.as_raw(),
        gid: Gid::current().as_raw(),
        gids: Vec::new(),
        groups: Vec::new(),
        home: "/".to_owned(),
        from: connection.and_then(|connection| client(&connection)),
        tty: terminal(),
    }
}

/// Whether this process was started with privilege that its caller lacks: it then takes no `--policy` and no `--demo`, and
/// splits itself in two.
pub fn privileged() -> bool {
    user::privileged()
}

/// Which install the running shell is.
pub fn install() -> Install {
    match rights::owner() {
        Some(0) => Install::Root,
        Some(_) => Install::Postern,
        None => Install::Plain,
    }
}

fn host() -> Result<String, AccessError> {
    let name = gethostname().map_err(|error| AccessError::Host(error.to_string()))?;
    match name.into_string() {
        Ok(name) if !name.is_empty() => Ok(name),
        Ok(_) => Err(AccessError::Host("it is empty".to_owned())),
        Err(_) => Err(AccessError::Host("it is not UTF-8".to_owned())),
    }
}

/// The device of standard input, without `/dev/`.
fn terminal() -> Option<String> {
    let device = ttyname(std::io::stdin()).ok()?.into_os_string().into_string().ok()?;
    Some(device.strip_prefix("/dev/").unwrap_or(&device).to_owned())
}

/// The client's address in `SSH_CONNECTION` (`ssh(1)`: client address, client port, server address, server port). IPv4 inside IPv6 is
/// IPv4, a zone is dropped; whatever has another shape is no address, which matches every deny and no allow.
fn client(connection: &str) -> Option<IpAddr> {
    let fields: Vec<&str> = connection.split(' ').collect();
    let [address, port, _server, server_port] = fields.as_slice() else { return None };
    port.parse::<u16>().ok()?;
    server_port.parse::<u16>().ok()?;
    let address = address.split_once('%').map_or(*address, |(address, _zone)| address);
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

impl Person {
    /// This person as policies see them.
    pub fn subject(&self, terminal: bool) -> Subject {
        Subject {
            host: self.host.clone(),
            account: self.account.clone(),
            groups: self.groups.clone(),
            home: self.home.clone(),
            from: self.from,
            terminal,
            can_become: install() == Install::Root,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_first_of_four_fields() {
        for (connection, address) in [
            ("10.1.2.3 50022 10.0.0.1 22", Some("10.1.2.3")),
            ("2001:db8::7 50022 2001:db8::1 22", Some("2001:db8::7")),
            ("::ffff:10.1.2.3 50022 ::ffff:10.0.0.1 22", Some("10.1.2.3")),
            ("fe80::1%eth0 50022 fe80::2%eth0 22", Some("fe80::1")),
            ("UNKNOWN 65535 UNKNOWN 65535", None),
            ("10.1.2.3", None),
            ("10.1.2.3 50022 10.0.0.1 22 extra", None),
            ("10.1.2.3 port 10.0.0.1 22", None),
            ("10.1.2.3\n 50022 10.0.0.1 22", None),
            ("010.1.2.3 50022 10.0.0.1 22", None),
            ("", None),
        ] {
            assert_eq!(client(connection).map(|address| address.to_string()).as_deref(), address, "{connection:?}");
        }
    }

    #[test]
    fn this_process_is_identified_as_id_and_hostname_say() {
        let said = |program: &str, argument: &[&str]| {
            let output = std::process::Command::new(program).args(argument).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let person = identify().unwrap();
        assert_eq!(person.account, said("id", &["-un"]));
        assert_eq!(person.uid.to_string(), said("id", &["-u"]));
        assert_eq!(person.gid.to_string(), said("id", &["-g"]));
        assert_eq!(person.host, said("uname", &["-n"]));
        let mut groups = person.groups.clone();
        let mut expected: Vec<String> = said("id", &["-Gn", &person.account]).split(' ').map(str::to_owned).collect();
        groups.sort();
        expected.sort();
        assert_eq!(groups, expected);
    }
}
