//! The operators' tool.
fn main() -> std::process::ExitCode {
    postern::admin::main()
}
