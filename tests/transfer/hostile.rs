//! Programs that do their worst to the log.
