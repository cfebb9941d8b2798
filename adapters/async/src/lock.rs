//! A lock that is held for the length of a poll, never across one.

#[cfg(feature = "std")]
mod inner {
    extern crate std;
    use std::sync::{Mutex, PoisonError};

    pub(crate) struct Lock<T>(Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        /// What a panic elsewhere left behind is still whole: every change under the lock ends in one step.
        #[inline]
        pub(crate) fn with<X>(&self, f: impl FnOnce(&mut T) -> X) -> X {
            f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(not(feature = "std"))]
mod inner {
    pub(crate) struct Lock<T>(spin::Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(spin::Mutex::new(value))
        }

        #[inline]
        pub(crate) fn with<X>(&self, f: impl FnOnce(&mut T) -> X) -> X {
            f(&mut self.0.lock())
        }

        pub(crate) fn into_inner(self) -> T {
            self.0.into_inner()
        }
    }
}

pub(crate) use inner::Lock;
