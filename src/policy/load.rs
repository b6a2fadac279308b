//! YAML to a model with spans. The only file that names the YAML crate.
