//! Programs that do their worst to the log: it neither breaks the shell nor holds it up, and says what it could not list.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::host::Account;
use super::process::run;
use super::scene::{INCOMING, OUTGOING, Scene, logged, outgoing, records, row, scene};

/// What a Python program leaves behind: its exit status, what it printed, its files on record and how many are not listed.
struct Left {
    status: i32,
    out: String,
    files: Vec<(String, String, Option<u64>)>,
    left_out: u64,
}

fn python(scene: &Scene, account: &Account, session: usize, code: &str) -> Left {
    run_python(scene, account, session, "-c", code)
}

/// With these options: `-I -c` writes nowhere.
fn run_python(scene: &Scene, account: &Account, session: usize, options: &str, code: &str) -> Left {
    // A line has no newlines.
    let hex: String = code.bytes().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("python3 {options} 'exec(bytes.fromhex(\"{hex}\"))'");
    let finished = run(scene.host.guarded.ssh(account, &["-n"]).arg(line), b"");
    let end = &records(account, session, "command.end")[0];
    let left_out = end["stages"][0].get("files_left_out").and_then(Value::as_u64).unwrap_or(0);
    Left { status: finished.status, out: finished.out() + &finished.err(), files: logged(account, session), left_out }
}

#[test]
fn each_way_to_open_a_file_is_seen() {
    let Some(scene) = scene() else { return };
    let account = Account::new("every-way", &scene.host.shell);
    let source = outgoing("every-way", 12);
    let new = |name: &str| format!("{INCOMING}/every-{name}");
    let libc = "import ctypes, os\nc = ctypes.CDLL(None, use_errno=True)\n";
    for (session, (code, expected)) in (1..).zip([
        (format!("open(\"{source}\").read()"), vec![row(&source, "read", 12)]),
        (format!("import os\nos.chdir(\"{OUTGOING}\")\nopen(\"every-way\")"), vec![row(&source, "read", 12)]),
        (
            format!("import os\nd = os.open(\"{OUTGOING}\", os.O_RDONLY)\nos.open(\"every-way\", os.O_RDONLY, dir_fd=d)"),
            vec![row(&source, "read", 12)],
        ),
        // Where something can be written there is none.
        (format!("{libc}assert c.syscall(437, -100, b\"{source}\", (ctypes.c_ulong * 3)(), 24) == -1"), vec![]),
        (format!("{libc}assert c.syscall(2, b\"{source}\", 0) > 0"), vec![row(&source, "read", 12)]),
        (format!("{libc}assert c.syscall(85, b\"{}\", 384) > 0", new("creat")), vec![row(new("creat"), "write", 0)]),
        (format!("import os\nf = os.open(\"{source}\", os.O_PATH)\nopen(\"/proc/self/fd/%d\" % f)"), vec![row(&source, "read", 12)]),
        (format!("import os\nf = os.open(\"{source}\", os.O_PATH)\nopen(\"/dev/fd/%d\" % f)"), vec![row(&source, "read", 12)]),
        (format!("import os\nos.truncate(\"{}\", 3)", new("creat")), vec![row(new("creat"), "write", 3)]),
        (format!("import os\nos.link(\"{}\", \"{}\")", new("creat"), new("link")), vec![row(new("link"), "write", 3)]),
        (
            format!("import os\nos.rename(\"{}\", \"{}\")", new("link"), new("renamed")),
            vec![row(new("link"), "remove", None), row(new("renamed"), "write", 3)],
        ),
        (
            format!("import os\nopen(\"{0}\").read()\nos.unlink(\"{0}\")", new("renamed")),
            vec![row(new("renamed"), "read", None), row(new("renamed"), "remove", None)],
        ),
        // What exec starts or forks is under the same eyes.
        (format!("import os\nif os.fork() == 0:\n    open(\"{source}\")\nelse:\n    os.wait()"), vec![row(&source, "read", 12)]),
    ]) {
        if cfg!(not(target_arch = "x86_64")) && code.contains("syscall") {
            continue;
        }
        let left = python(scene, &account, session, &code);
        // A link to a file that is somebody's is made where the kernel lets it be.
        assert_eq!((left.status, left.out.as_str(), left.files, left.left_out), (0, "", expected, 0), "{code}");
    }
    let account = Account::new("another-way", &scene.host.shell);
    let openat2 = format!(
        "{libc}assert c.syscall(437, -100, b\"{source}\", (ctypes.c_ulong * 3)(), 24) > 0\n\
         assert c.syscall(437, -100, b\"/x\", ctypes.c_void_p(8), 24) == -1 and ctypes.get_errno() == 14"
    );
    let left = run_python(scene, &account, 1, "-I -c", &openat2);
    assert_eq!((left.status, left.out.as_str(), left.files), (0, "", vec![row(&source, "read", 12)]), "openat2");
}

#[test]
fn names_of_any_bytes_are_on_record_reversibly() {
    let Some(scene) = scene() else { return };
    let account = Account::new("odd-names", &scene.host.shell);
    let left = python(scene, &account, 1, &format!("open(b\"{INCOMING}/odd \\x1b[2J \\xff \\xc3\\xa9\", \"w\")"));
    assert_eq!((left.status, left.out.as_str(), left.files.len()), (0, "", 1));
    let path = postern::record::json::bytes(&left.files[0].0);
    assert_eq!(path, [INCOMING.as_bytes(), b"/odd \x1b[2J \xff \xc3\xa9"].concat());
}

#[test]
fn more_files_than_are_listed_are_counted() {
    let Some(scene) = scene() else { return };
    let account = Account::new("many", &scene.host.shell);
    let begin = Instant::now();
    let code = format!("for n in range(300): open(\"{INCOMING}/many-%d\" % n, \"w\")");
    let left = python(scene, &account, 1, &code);
    assert_eq!((left.status, left.files.len(), left.left_out), (0, 256, 44), "{}", left.out);

    // More than are remembered: names that are nowhere do not crowd out those in the places.
    let code = format!(
        "for n in range(9000):\n    try: open(\"/var/nowhere-%d/x\" % n, \"w\")\n    except OSError: pass\nopen(\"{INCOMING}/many-last\", \"w\")"
    );
    let left = python(scene, &account, 2, &code);
    assert_eq!((left.status, left.files), (0, vec![row(format!("{INCOMING}/many-last"), "write", 0)]), "{}", left.out);
    assert!(left.left_out >= 6000, "{}", left.left_out);
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_cannot_be_read_is_the_kernels_to_refuse() {
    let Some(scene) = scene() else { return };
    let account = Account::new("unreadable", &scene.host.shell);
    let code = format!(
        "import ctypes, errno\nc = ctypes.CDLL(None, use_errno=True)\n\
         def fails(path, error, *more):\n    assert c.open(path, 0) == -1 and ctypes.get_errno() == error, (path, ctypes.get_errno())\n\
         fails(ctypes.c_void_p(8), errno.EFAULT)\n\
         fails(ctypes.c_void_p(2 ** 63 + 8), errno.EFAULT)\n\
         fails(b\"{INCOMING}/\" + b\"x\" * 255, errno.ENOENT)\n\
         fails(b\"{INCOMING}/\" + b\"x\" * 256, errno.ENAMETOOLONG)\n\
         fails(b\"{INCOMING}/\" + b\"./\" * 2030 + b\"y\", errno.ENOENT)\n\
         fails(b\"/\" * 4096, errno.ENAMETOOLONG)\n\
         fails(b\"\", errno.ENOENT)\n\
         assert c.openat(77, b\"x\", 0) == -1 and ctypes.get_errno() == errno.EBADF\n\
         assert c.rename(ctypes.c_void_p(8), b\"{INCOMING}/z\") == -1 and ctypes.get_errno() == errno.EFAULT\n\
         open(\"{INCOMING}/unreadable\", \"w\")"
    );
    let left = python(scene, &account, 1, &code);
    assert_eq!((left.status, left.out.as_str()), (0, ""));
    assert_eq!(left.files, [row(format!("{INCOMING}/unreadable"), "write", 0)]);
}

#[test]
fn processes_that_die_while_they_ask_and_threads_that_race_leave_the_shell_whole() {
    let Some(scene) = scene() else { return };
    let account = Account::new("dying", &scene.host.shell);
    let begin = Instant::now();
    let code = format!(
        "import os, signal, threading, time\n\
         children = []\n\
         for n in range(60):\n    \
             child = os.fork()\n    \
             if child == 0:\n        \
                 while True: os.close(os.open(\"{INCOMING}/dying\", os.O_RDWR | os.O_CREAT, 0o600))\n    \
             children.append(child)\n    \
             if n % 3 == 2:\n        \
                 time.sleep(0.002)\n        \
                 for child in children: os.kill(child, signal.SIGKILL)\n        \
                 for child in children: os.waitpid(child, 0)\n        \
                 children = []\n\
         def open_and_close(n):\n    for _ in range(200): open(\"{INCOMING}/dying-%d\" % n, \"w\").close()\n\
         threads = [threading.Thread(target=open_and_close, args=(n,)) for n in range(8)]\n\
         for thread in threads: thread.start()\n\
         for thread in threads: thread.join()\n\
         os._exit(7)"
    );
    let left = python(scene, &account, 1, &code);
    assert_eq!((left.status, left.out.as_str(), left.files.len(), left.left_out), (7, "", 9, 0));
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_program_cannot_hide_its_memory() {
    let Some(scene) = scene() else { return };
    let account = Account::new("hiding", &scene.host.shell);
    let hide = format!("import ctypes\nassert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0\nopen(\"{INCOMING}/hiding\", \"w\")");
    let left = python(scene, &account, 1, &hide);
    assert_eq!((left.status, left.files, left.left_out), (0, vec![row(format!("{INCOMING}/hiding"), "write", 0)], 0), "{}", left.out);
}
