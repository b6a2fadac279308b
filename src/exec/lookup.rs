//! Facts about this host, asked of the kernel within a deadline.

use std::path::PathBuf;

use crate::policy::{Facts, Resolved};

/// The host that this process runs on, seen from a directory.
pub struct Host {
    /// What relative paths start from.
    pub directory: PathBuf,
}

impl Facts for Host {
    fn resolve(&self, _path: &str, _run_as: Option<&str>) -> Result<Resolved, String> {
        todo!()
    }
    fn same_program(&self, _typed: &str, _name: &str, _search: &[String]) -> bool {
        todo!()
    }
}

/// The fixed PATH; a policy's `search` comes behind it.
pub const SEARCH: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
