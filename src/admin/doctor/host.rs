//! What the checks look at: facts of the host, read once.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use nix::unistd::Gid;

use super::finding::Finding;
use super::home::Home;
use super::policy::{Sources, compiled};
use super::reading;
use super::sshd::Sshd;
use crate::access::Install;
use crate::access::in_force::{InForce, NotInForce};
use crate::admin::Failure;
use crate::admin::install::Program;
use crate::confine::Kernel;
use crate::policy::Settings;
use crate::sys::file::Owner;
use crate::sys::user::{self, User, UserError};
use crate::words::{Safe, paths};

/// The group of break-glass accounts, as the packages and the sshd snippet have it.
pub const GROUP: &str = "postern";
/// The owner of the shell, where that is set-user-ID of another user than root.
const USER: &str = "postern";

/// This host.
pub struct Host {
    pub name: String,
    /// As sessions have it: with a mount namespace of their own where every shell is set-user-ID root.
    pub kernel: Kernel,
    /// Everybody whom the user database lists.
    pub users: Vec<User>,
    /// The break-glass accounts.
    pub accounts: Vec<Account>,
    /// Every installed `posternsh` that matters: the login shells of accounts, or else the one beside this program.
    pub shells: Vec<PathBuf>,
    /// Those of them that are there and can be looked at.
    pub programs: Vec<Program>,
    pub owners: Owners,
    pub policy: Result<InForce, NotInForce>,
    pub sources: Sources,
    pub mounts: Vec<Mount>,
    pub sshd: Sshd,
}

/// Who owns what in the installs that have more than the account's rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owners {
    /// The number of group `postern`, if there is one.
    pub group: Option<u32>,
    /// That of user `postern`.
    pub user: Option<u32>,
}

/// A break-glass account.
pub struct Account {
    pub user: User,
    /// Names of its groups, the primary one among them.
    pub groups: Vec<String>,
    /// The same as numbers.
    pub gids: Vec<u32>,
    pub home: Home,
}

impl Host {
    /// Reads the facts. `named` are accounts to look at besides those that are found.
    pub fn read(named: &[String]) -> Result<Host, Failure> {
        let failed = |error: UserError| Failure::Other(error.to_string());
        let users = user::all().map_err(failed)?;
        let accounts = accounts(&users, named)?;
        let owners = Owners {
            group: user::group_members(GROUP).map_err(failed)?.map(|(gid, _)| gid.as_raw()),
            // Of those that are listed: to ask for one that is not there asks every service of the host.
            user: users.iter().find(|user| user.name == USER).map(|user| user.uid.as_raw()),
        };
        let shells = shells(&accounts);
        let programs: Vec<Program> = shells.iter().filter_map(|shell| Program::at(shell).ok()).collect();
        let namespace = !programs.is_empty() && programs.iter().all(|program| program.install() == Install::Root);
        let policy = InForce::open(Path::new(paths::STATE_DIR), Owner::Root);
        Ok(Host {
            name: nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            kernel: Kernel { namespace, ..Kernel::of_host() },
            programs,
            shells,
            owners,
            policy,
            sources: compiled(),
            mounts: mounts(&reading::text("/proc/self/mountinfo").unwrap_or_default()),
            sshd: Sshd::read(&accounts),
            users,
            accounts,
        })
    }
}

/// Whether a path is a `posternsh`.
pub fn is_shell(path: &Path) -> bool {
    path.file_name() == Some(OsStr::new("posternsh"))
}

/// The accounts with the login shell, the members of the group, and those that are named; sorted.
fn accounts(users: &[User], named: &[String]) -> Result<Vec<Account>, Failure> {
    let failed = |error: UserError| Failure::Other(error.to_string());
    let mut names: BTreeSet<String> = named.iter().cloned().collect();
    names.extend(users.iter().filter(|user| is_shell(&user.shell)).map(|user| user.name.clone()));
    if let Some((gid, members)) = user::group_members(GROUP).map_err(failed)? {
        names.extend(members);
        names.extend(users.iter().filter(|user| user.gid == gid).map(|user| user.name.clone()));
    }
    let mut accounts = Vec::new();
    for name in names {
        let Some(user) = user::by_name(&name).map_err(failed)? else {
            if named.contains(&name) {
                return Err(Failure::Usage(format!("there is no account {}", Safe(name.as_bytes()))));
            }
            // A group may list names that nobody has.
            continue;
        };
        let gids = user.groups().map_err(failed)?;
        let groups = user::group_names(&gids).map_err(failed)?;
        let gids: Vec<u32> = gids.into_iter().map(Gid::as_raw).collect();
        accounts.push(Account { home: Home::of(&user, &gids), user, groups, gids });
    }
    Ok(accounts)
}

/// Every `posternsh` that is somebody's login shell; where nobody has one, the installed one, or that beside this program.
fn shells(accounts: &[Account]) -> Vec<PathBuf> {
    let shells: BTreeSet<PathBuf> = accounts.iter().map(|account| account.user.shell.clone()).filter(|shell| is_shell(shell)).collect();
    if !shells.is_empty() {
        return shells.into_iter().collect();
    }
    let beside = std::env::current_exe().ok().map(|tool| tool.with_file_name("posternsh"));
    [Some(PathBuf::from("/usr/bin/posternsh")), beside].into_iter().flatten().find(|shell| shell.exists()).into_iter().collect()
}

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub point: PathBuf,
    pub kind: String,
    /// Those of the mount and of the file system.
    pub options: Vec<String>,
}

impl Mount {
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|given| given == option)
    }
}

/// The mounts that `mountinfo` lists (proc_pid_mountinfo(5)), in its order.
fn mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (own, of_system) = line.split_once(" - ")?;
    let (own, of_system): (Vec<&str>, Vec<&str>) = (own.split(' ').collect(), of_system.split(' ').collect());
    let point = own.get(4)?.replace("\\040", " ");
    let options = [own.get(5)?, of_system.get(2)?].into_iter().flat_map(|options| options.split(','));
    Some(Mount { point: point.into(), kind: (*of_system.first()?).to_owned(), options: options.map(str::to_owned).collect() })
}

impl Host {
    /// The mount that a path lies on: the last of those with the longest mount point.
    pub fn mount_of(&self, path: &Path) -> Option<&Mount> {
        self.mounts.iter().filter(|mount| path.starts_with(&mount.point)).max_by_key(|mount| mount.point.as_os_str().len())
    }

    /// The settings of the policy in force.
    pub fn settings(&self) -> Option<&Settings> {
        self.policy.as_ref().ok().map(|in_force| in_force.policy.settings())
    }

    /// Which installs there are, usually one; that of the packages where there is no shell at all.
    pub fn installs(&self) -> Vec<Install> {
        let mut found: Vec<Install> = Vec::new();
        for install in self.programs.iter().map(Program::install) {
            if !found.contains(&install) {
                found.push(install);
            }
        }
        if found.is_empty() { vec![Install::Root] } else { found }
    }

    /// Whether the mode of its login shell lets an account start it; true where that is not known.
    pub fn can_start_its_shell(&self, account: &Account) -> bool {
        let program = self.programs.iter().find(|program| program.path == account.user.shell);
        program.is_none_or(|program| program.can_be_started_by(account.user.uid.as_raw(), &account.gids))
    }

    /// A check of each account.
    pub fn each_account(&self, check: impl Fn(&Account) -> Vec<Finding>) -> Vec<Finding> {
        self.accounts.iter().flat_map(check).collect()
    }
}

impl Account {
    pub fn name(&self) -> &str {
        &self.user.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_have_their_point_kind_and_options() {
        let text = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
                    25 22 0:22 / /proc rw,nosuid - proc proc rw,hidepid=invisible\n\
                    30 22 0:25 / /mnt/a\\040b rw - tmpfs none rw\nnonsense\n";
        let mounts = mounts(text);
        let shown: Vec<String> =
            mounts.iter().map(|mount| format!("{} {} {}", mount.point.display(), mount.kind, mount.options.join(","))).collect();
        assert_eq!(shown, ["/ ext4 rw,relatime,rw,discard", "/proc proc rw,nosuid,rw,hidepid=invisible", "/mnt/a b tmpfs rw,rw"]);
    }
}
