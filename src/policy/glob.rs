//! Globs of policies: on host names, and on paths.

/// Whether `pattern` (`*`, `?`, `[…]`) matches the whole of `name`. For host names: letter case is ignored.
pub fn name(_pattern: &str, _name: &str) -> bool {
    todo!()
}

/// Whether `pattern` matches the absolute path `path` or a directory above it. `*` and `?` stay within a name, `**` crosses `/`;
/// a leading `~` is `home`.
pub fn path_or_below(_pattern: &str, _path: &str, _home: &str) -> bool {
    todo!()
}
