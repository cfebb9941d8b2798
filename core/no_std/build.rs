//! Without std nobody asks the linker for the C library, which starts the programs.
fn main() {
    println!("cargo:rustc-link-arg-bins=-lc");
}
