//! The `miniclaw` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    miniclaw::cli::run()
}
