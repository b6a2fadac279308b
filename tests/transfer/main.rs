//! Nothing in the way: what scripts and programs send over ssh goes through as if no shell were there, and files that are carried in and out are
//! on record. A whole host, as in `tests/ssh`, with `policies/special/transfer.yaml` in force besides.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "shared with the tests of sessions")]
#[path = "../ssh/evidence.rs"]
mod evidence;
mod files;
#[allow(dead_code, reason = "shared with the tests of sessions")]
#[path = "../ssh/host.rs"]
mod host;
mod hostile;
mod lines;
#[allow(dead_code, reason = "shared with the tests of sessions")]
#[path = "../ssh/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with the tests of sessions")]
#[path = "../ssh/sandbox.rs"]
mod sandbox;
mod scene;
mod scripts;
