//! Reading what is on record: files that may be damaged, huge, of another version, or written by somebody who is not believed.
//!
//! Everything is read line by line in bounded memory; a line that is no record is counted and passed over. Nothing here is safe to show
//! as it is.

mod cast;
mod lines;
mod records;
mod summary;

pub use cast::{Cast, CastError, CastEvent, Moment};
pub use lines::{Line, Lines};
pub use records::Records;
pub use summary::{Summary, plain, text};
