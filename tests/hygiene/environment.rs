//! Variables that programs, libraries and loaders obey.

use std::fs;

use super::host::{CANARY, host, in_root};

#[test]
fn no_variable_of_the_callers_reaches_the_shell_or_its_command() {
    let Some(host) = host() else { return };
    let clean = host.started(&[], "printenv");
    clean.works(&clean.out);
    let library = in_root("preload.so").display().to_string();
    let canary = format!("{CANARY}/preloaded");
    for variable in [
        format!("LD_PRELOAD={library}"),
        format!("LD_AUDIT={library}"),
        "LD_LIBRARY_PATH=/run/postern-test/canary".to_owned(),
        "GLIBC_TUNABLES=glibc.malloc.check=3".to_owned(),
        "MALLOC_CHECK_=3".to_owned(),
        "MALLOC_PERTURB_=85".to_owned(),
        "LANG=../../../run/postern-test/canary".to_owned(),
        "LOCPATH=/run/postern-test/canary".to_owned(),
        "NLSPATH=/run/postern-test/canary/%N".to_owned(),
        "GCONV_PATH=/run/postern-test/canary".to_owned(),
        "TZDIR=/run/postern-test/canary".to_owned(),
        "RUST_BACKTRACE=full".to_owned(),
        "RUST_LOG=trace".to_owned(),
        "RUST_MIN_STACK=1".to_owned(),
        "SHELLOPTS=xtrace".to_owned(),
        "PS4=$(id)".to_owned(),
        "BASH_ENV=/run/postern-test/canary/x".to_owned(),
        "IFS=/".to_owned(),
        "PATH=/run/postern-test/canary".to_owned(),
        "HOME=/run/postern-test/canary".to_owned(),
    ] {
        let attack = format!("env:{variable}");
        assert!(host.victim(&[&attack], false).contains(&format!("variable {variable}\n")), "the attack works: {variable}");
        let preloaded = fs::remove_file(&canary).is_ok();
        assert_eq!(preloaded, variable.ends_with("preload.so"), "a library comes with {variable} where no privilege was lent");
        let started = host.started(&[&attack], "printenv");
        started.works(&clean.out);
        assert_eq!(started.err, clean.err, "{variable}");
        assert!(fs::remove_file(&canary).is_err(), "{variable}");
    }
}
