//! Exists because `links` (see Cargo.toml) requires a build script; it has nothing to do.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
