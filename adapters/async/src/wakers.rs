//! The two tasks that may share one connection: one receives, one sends.
//!
//! A transport and a timer remember one waker each, and either task may have to go on with what the other has
//! begun. So they are given a waker that wakes both.

use alloc::sync::Arc;
use alloc::task::Wake;
use atomic_waker::AtomicWaker;

#[derive(Debug, Default)]
pub(crate) struct Wakers {
    pub(crate) reader: AtomicWaker,
    pub(crate) writer: AtomicWaker,
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.reader.wake();
        self.writer.wake();
    }
}
