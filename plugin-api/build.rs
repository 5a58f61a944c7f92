//! Records the compiler and the target for the manifest of every plugin built against this crate.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_else(|| "rustc of unknown version".into());
    println!("cargo:rustc-env=MINICLAW_RUSTC={}", version.trim());
    println!(
        "cargo:rustc-env=MINICLAW_TARGET={}",
        std::env::var("TARGET").unwrap_or_default()
    );
}
