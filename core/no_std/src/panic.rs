//! The panic handler of programs that link only if no panic can be reached: it calls a function that does not exist.
//! With feature `find` they link, so that one can look for who reaches it.

#[cfg(not(feature = "find"))]
#[allow(unsafe_code)] // a call of what does not exist: the linker's error is the message
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_panic_can_be_reached() -> !;
    }
    unsafe { a_panic_can_be_reached() }
}

#[cfg(feature = "find")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
