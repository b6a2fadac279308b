//! Where things are on a host. The environment never changes these; `apply` and `rollback` alone take `--state`, for images and tests.

/// The directory of the policy's sources.
pub const POLICY_DIR: &str = "/etc/postern";
/// The main file of a policy's sources.
pub const POLICY_FILE: &str = "policy.yaml";
/// The directory of further source files, read in name order.
pub const POLICY_PARTS: &str = "policy.d";

/// What `postern apply` writes and the shell reads.
pub const STATE_DIR: &str = "/var/lib/postern";
/// In the state directory: the policy in force.
pub const APPLIED: &str = "applied";
/// In the state directory: the policy that was in force before.
pub const PREVIOUS: &str = "previous";
/// In the state directory: what there is in /etc, so that the shell need not look.
pub const INDEX: &str = "index";
/// In the state directory, for root alone: what the fingerprints of redacted secrets are made with.
pub const FINGERPRINT_KEY: &str = "fingerprint.key";
/// In the state directory: the empty home directory of commands.
pub const EMPTY_HOME: &str = "home";
