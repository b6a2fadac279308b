//! What it costs.

use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use postern::confine::{Index, Namespace, Shape, index};

use crate::host::{apart, ready, secret, session, shape, table};

/// `CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=tests/sandbox cargo test --release --test namespace cost -- --ignored --nocapture`
#[test]
#[ignore = "prints times; depends on the machine"]
fn cost_of_a_namespace() {
    if !ready() {
        return;
    }
    let state = std::path::Path::new("/var/lib/postern");
    fs::write(state.join("index"), index::make().unwrap()).unwrap();
    for masks in [0, 20, 100] {
        (0..masks).for_each(|number| drop(secret(format!("/etc/cost/{number}.key"))));
        std::thread::sleep(Duration::from_millis(2100));
        fs::write(state.join("index"), index::make().unwrap()).unwrap();
        let (mounts, before) = (apart(|| session(shape, |_| table().len())), table().len());
        let median = |mut times: Vec<Duration>| {
            times.sort();
            (times[0], times[times.len() / 2])
        };
        let enter = |with_index: bool, lasts: bool| {
            let once = || {
                let index = with_index.then(|| Index::open(state).map(Rc::new)).flatten();
                assert_eq!(index.is_some(), with_index);
                let start = Instant::now();
                Namespace::enter(Shape { index, lasts, ..shape() }).map(|_| start.elapsed()).unwrap()
            };
            median((0..200).map(|_| apart(once)).collect())
        };
        let load = median(
            (0..200)
                .map(|_| {
                    let start = Instant::now();
                    Index::open(state).map(|_| start.elapsed()).unwrap()
                })
                .collect(),
        );
        println!(
            "{} masks, {before} mounts: for one line with an index {:?}, without {:?}; for a session {:?}; reading the index {load:?}",
            mounts - before,
            enter(true, false),
            enter(false, false),
            enter(false, true)
        );
        let (mend, again) = session(
            || Shape { lasts: true, ..shape() },
            |namespace| {
                namespace.mend().unwrap();
                let mut time = |change: bool| {
                    median(
                        (0..200)
                            .map(|_| {
                                if change {
                                    namespace
                                        .outside(|| fs::write("/etc/cost-change", "").and_then(|()| fs::remove_file("/etc/cost-change")))
                                        .unwrap()
                                        .unwrap();
                                }
                                let start = Instant::now();
                                namespace.mend().unwrap();
                                start.elapsed()
                            })
                            .collect(),
                    )
                };
                (time(false), time(true))
            },
        );
        let outside = session(shape, |namespace| {
            median(
                (0..200)
                    .map(|_| {
                        let start = Instant::now();
                        namespace.outside(|| ()).unwrap();
                        start.elapsed()
                    })
                    .collect(),
            )
        });
        println!("    mend {mend:?}, after a change {again:?}; outside and back {outside:?}");
    }
}
