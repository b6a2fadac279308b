//! The login shell.
fn main() -> std::process::ExitCode {
    postern::shell::main()
}
