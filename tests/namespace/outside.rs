//! The way out, and who never went in.

use std::env::{current_dir, set_current_dir};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;

use nix::sys::wait::waitpid;
use postern::confine::Namespace;
use postern::sys::descriptor::copy_above_standard;
use postern::sys::process::{Group, Prepared, Spec};

use crate::host::{SECRET, apart, leaks, ready, refused, secret, session, shape, table};

#[test]
fn outside_is_the_host_and_afterwards_all_is_as_before() {
    if !ready() {
        return;
    }
    let file = secret("/etc/outside-a/tls.key");
    session(shape, |namespace| {
        set_current_dir("/etc/outside-a").unwrap();
        assert!(!leaks(&file));
        let seen = namespace.outside(|| (leaks(&file), refused("/run/written-outside"), current_dir().unwrap())).unwrap();
        assert_eq!(seen, (true, None, "/".into()));
        assert!(!leaks(&file) && !leaks("tls.key"), "the directory is one inside");
        assert_eq!(current_dir().unwrap(), Path::new("/"), "whatever directory it was");
        assert_eq!(refused("/run/written-inside"), Some(nix::libc::EROFS));
    });
    assert!(!Path::new("/run/written-inside").exists() && Path::new("/run/written-outside").exists());
}

#[test]
fn a_child_of_the_session_is_inside_or_where_it_is_sent() {
    if !ready() {
        return;
    }
    let file = secret("/etc/outside-b/tls.key");
    session(shape, |namespace| {
        let host = Rc::new(namespace.host().try_clone_to_owned().unwrap());
        let cat = |namespace: Option<Rc<OwnedFd>>| {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let (null, output) = (File::open("/dev/null").unwrap(), copy_above_standard(&writer).unwrap());
            let null = Rc::new(copy_above_standard(&null).unwrap());
            let prepared = Prepared::new(Spec {
                capabilities: postern::sys::capability::Capabilities::default(),
                program: Path::new("/bin/cat"),
                argv: &["cat".to_owned(), file.display().to_string()],
                environment: &[],
                directory: Rc::new(File::open("/").unwrap().into()),
                namespace,
                descriptors: [Rc::clone(&null), Rc::new(output), null],
                identity: None,
                calls: None,
                ruleset: None,
                limits: Vec::new(),
            });
            let child = prepared.unwrap().spawn(Group::New, None).unwrap();
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            waitpid(child.pid, None).unwrap();
            text
        };
        assert_eq!((cat(None).as_str(), cat(Some(host)).as_str()), ("", SECRET));
    });
}

#[test]
fn a_thread_that_was_there_before_stays_outside() {
    if !ready() {
        return;
    }
    let file = secret("/etc/outside-c/tls.key");
    apart(|| {
        let ((ask, asked), (tell, told)) = (channel(), channel());
        let before = thread::spawn(move || {
            asked.iter().for_each(|()| tell.send((leaks("/etc/outside-c/tls.key"), refused("/run/by-the-other"))).unwrap())
        });
        let _namespace = Namespace::enter(shape()).unwrap();
        ask.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), (true, None));
        assert_eq!((leaks(&file), refused("/run/by-this-one")), (false, Some(nix::libc::EROFS)));
        drop(ask);
        before.join().unwrap();
    });
}

#[test]
fn nothing_is_left_of_a_session_that_has_ended() {
    if !ready() {
        return;
    }
    let mine = |line: &String| line.contains("postern-covers");
    let namespaces = |name: &Path| {
        let is_process = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.parse::<u32>().is_ok());
        let processes = fs::read_dir("/proc").unwrap().flatten().filter(|entry| is_process(&entry.file_name()));
        let threads = processes.filter_map(|process| fs::read_dir(process.path().join("task")).ok());
        threads.flatten().flatten().filter(|thread| fs::read_link(thread.path().join("ns/mnt")).is_ok_and(|found| found == name)).count()
    };
    let own = session(shape, |_| {
        assert!(table().iter().any(mine));
        let own = fs::read_link("/proc/thread-self/ns/mnt").unwrap();
        assert_eq!(namespaces(&own), 1);
        own
    });
    assert!(!table().iter().any(mine), "they were never here");
    assert_eq!(namespaces(&own), 0);
}
