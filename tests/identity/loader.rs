//! Code that the environment names, in the shell itself: a dynamic one loads it, as any program does, and a static one does not.

use std::fs;

use crate::host::{Posternsh, host, is_static, shell};
use crate::sandbox::ROOT;

#[test]
fn a_static_shell_runs_commands_and_loads_nothing_that_the_environment_names() {
    let Some(_host) = host() else { return };
    let (source, library) = (format!("{ROOT}/preload.c"), format!("{ROOT}/preload.so"));
    let text = "#include <unistd.h>\n__attribute__((constructor)) static void loaded(void) { write(2, \"loaded\\n\", 7); }\n";
    fs::write(&source, text).unwrap();
    shell(&format!("gcc -shared -fPIC -o {library} {source}"));
    let posternsh = Posternsh::on("allow:\n  - uptime\n");
    for (variable, obeyed) in [("LD_PRELOAD", true), ("LD_AUDIT", true), ("UNRELATED", false)] {
        let output = posternsh.command(&[], "uptime").env(variable, &library).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.contains("load average"), "{variable}: {out}{err}");
        assert_eq!(err.contains("loaded"), obeyed && !is_static(), "{variable}: {err}");
    }
}
