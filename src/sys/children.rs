//! Who came of whom, by /proc (CONFIG_PROC_CHILDREN).

use std::fs;

/// The children of a process; `None` if the kernel does not say. Of a thread that ends meanwhile there are none: the kernel gives them
/// to another.
pub fn children(pid: i32) -> Option<Vec<i32>> {
    let mut all = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => all.extend(list.split_whitespace().filter_map(|child| child.parse::<i32>().ok())),
            // A kernel without the list has the thread and not its file.
            Err(_) if thread.path().join("stat").exists() => return None,
            Err(_) => {}
        }
    }
    Some(all)
}
