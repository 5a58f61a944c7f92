//! How the binary is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    // Half a megabyte of addresses to adjust at the start becomes a few kilobytes. glibc 2.36, Debian 12's, reads this form.
    if target("ENV") == "gnu" && target("POINTER_WIDTH") == "64" {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
