//! An operator's order to end a session: `<audit dir>/<session id>.kill`, beside the session's records.
//!
//! SIGTERM says that a shell is to end, and the file by whom and why. It is believed where root wrote it, or whoever owns the records: that
//! is who could write the records as well.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::sys::file::open_plain;
use crate::words::limits;

/// Who ends a session, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// By name.
    pub by: String,
    /// The real uid of that process.
    pub uid: u32,
    pub reason: String,
}

impl Order {
    /// The order about the session of these records, which `owner` owns.
    pub fn read(records: &Path, owner: u32) -> Option<Order> {
        let file = open_plain(&records.with_extension("kill")).ok()?;
        let found = file.metadata().ok().filter(|found| found.uid() == 0 || found.uid() == owner)?;
        let mut text = String::new();
        let whole = file.take(limits::ORDER_BYTES as u64 + 1).read_to_string(&mut text).ok()? <= limits::ORDER_BYTES;
        let order: Order = serde_json::from_str(&text).ok().filter(|_| whole)?;
        // Who owns the records is not root: nobody else's name is believed.
        let by = if found.uid() == 0 { order.by } else { format!("uid {}", found.uid()) };
        Some(Order { by, ..order })
    }

    /// Writes it; one that is there already, whose ever it is, is not it and goes.
    pub fn write(&self, records: &Path) -> io::Result<()> {
        let path = records.with_extension("kill");
        let mut file = match create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::remove_file(&path)?;
                create(&path)
            }
            file => file,
        }?;
        file.write_all(&serde_json::to_vec(self)?)?;
        // The session's shell may be another user's. Who cannot look into the directory cannot read it either.
        file.set_permissions(Permissions::from_mode(0o644))
    }

    /// Removes it, once it is on record.
    pub fn remove(records: &Path) {
        let _ = std::fs::remove_file(records.with_extension("kill"));
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().create_new(true).write(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::unistd::geteuid;

    use super::*;

    fn order(reason: &str) -> Order {
        Order { by: "alice".to_owned(), uid: 0, reason: reason.to_owned() }
    }

    #[test]
    fn an_order_is_read_as_it_was_written_by_whom_it_may_be() {
        let directory = nix::unistd::mkdtemp(&std::env::temp_dir().join("postern-order-XXXXXX")).unwrap();
        let (records, us) = (directory.join("id.jsonl"), geteuid().as_raw());
        assert_eq!(Order::read(&records, us), None);
        order("one").write(&records).unwrap();
        order("two").write(&records).unwrap();
        let by = if us == 0 { "alice".to_owned() } else { format!("uid {us}") };
        assert_eq!(Order::read(&records, us), Some(Order { by, ..order("two") }));
        assert_eq!(Order::read(&records, us + 1).is_some(), us == 0, "the owner of other records");
        let file = directory.join("id.kill");
        for text in ["", "{}", r#"{"by":"alice","uid":0,"reason":7}"#] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(Order::read(&records, us), None, "{text}");
        }
        order(&"x".repeat(limits::ORDER_BYTES)).write(&records).unwrap();
        assert_eq!(Order::read(&records, us), None, "one that is too long");
        order("elsewhere").write(&directory.join("other.jsonl")).unwrap();
        std::fs::remove_file(&file).unwrap();
        symlink(directory.join("other.kill"), &file).unwrap();
        assert_eq!(Order::read(&records, us), None, "a link");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
