//! The way to a reactor from other threads: a bounded queue of messages and closures, and a wake-up.

use crate::poller::Waker;
use crate::reactor::Reactor;
use crate::slab::Token;
use crossbeam_channel as channel;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tightwire::Message;

type Closure<S> = Box<dyn FnOnce(&mut Reactor<S>) + Send>;

/// What other threads ask of a reactor.
pub(crate) enum Letter<S> {
    /// Sends a message to a connection.
    Send(Token, Owned),
    /// Sends a frame to the subscribers of a topic.
    Publish(Arc<str>, Arc<[u8]>),
    /// Runs on the reactor.
    Run(Closure<S>),
    /// Stops accepting, closes every connection with 1001 and ends, at the latest after so much time.
    Shutdown(Duration),
}

/// A message that a reactor takes over.
#[derive(Clone, Debug)]
pub enum Owned {
    /// Text.
    Text(Arc<str>),
    /// Binary.
    Binary(Arc<[u8]>),
}

impl Owned {
    pub(crate) fn message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::from(&**text),
            Self::Binary(octets) => Message::from(&**octets),
        }
    }
}

impl From<&str> for Owned {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Owned {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Arc<str>> for Owned {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Owned {
    fn from(octets: &[u8]) -> Self {
        Self::Binary(octets.into())
    }
}

impl From<Vec<u8>> for Owned {
    fn from(octets: Vec<u8>) -> Self {
        Self::Binary(octets.into())
    }
}

impl From<Arc<[u8]>> for Owned {
    fn from(octets: Arc<[u8]>) -> Self {
        Self::Binary(octets)
    }
}

/// Why something did not get to a reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError {
    /// As much waits for the reactor as [`Config::mailbox`](crate::Config::mailbox) allows.
    Full,
    /// The reactor has ended.
    Gone,
}

impl fmt::Display for PostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too much waits for the reactor",
            Self::Gone => "the reactor has ended",
        })
    }
}

impl std::error::Error for PostError {}

/// A handle to one reactor thread, for any thread. Clones reach the same one.
pub struct Sender<S> {
    letters: channel::Sender<Letter<S>>,
    waker: Waker,
    /// Whether the reactor was woken and has not looked yet.
    woken: Arc<AtomicBool>,
}

impl<S> Sender<S> {
    /// Sends a message to a connection of that thread. What becomes of it there is not reported; to know, use
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// [`PostError`]: the message goes nowhere.
    pub fn send(&self, token: Token, message: impl Into<Owned>) -> Result<(), PostError> {
        self.post(Letter::Send(token, message.into()))
    }

    /// Runs a closure on the reactor thread, at the end of its turn.
    ///
    /// # Errors
    /// [`PostError`]: the closure is dropped without being run.
    pub fn run(&self, closure: impl FnOnce(&mut Reactor<S>) + Send + 'static) -> Result<(), PostError> {
        self.post(Letter::Run(Box::new(closure)))
    }

    /// As [`post`](Self::post), but waits for room.
    pub(crate) fn insist(&self, letter: Letter<S>) {
        let _ = self.letters.send(letter);
        let _ = self.waker.wake();
    }

    pub(crate) fn post(&self, letter: Letter<S>) -> Result<(), PostError> {
        self.letters.try_send(letter).map_err(|error| match error {
            channel::TrySendError::Full(_) => PostError::Full,
            channel::TrySendError::Disconnected(_) => PostError::Gone,
        })?;
        // One wake-up is enough for everything that is posted before the reactor looks.
        if !self.woken.swap(true, Ordering::SeqCst) {
            let _ = self.waker.wake();
        }
        Ok(())
    }
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { letters: self.letters.clone(), waker: self.waker.clone(), woken: self.woken.clone() }
    }
}

impl<S> fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("waiting", &self.letters.len()).finish_non_exhaustive()
    }
}

/// The reactor's end.
pub(crate) struct Mailbox<S> {
    letters: channel::Receiver<Letter<S>>,
    woken: Arc<AtomicBool>,
}

impl<S> Mailbox<S> {
    /// Notes that the reactor looks now: what is posted from here on wakes it again.
    pub(crate) fn look(&self) {
        self.woken.store(false, Ordering::SeqCst);
    }

    pub(crate) fn next(&self) -> Option<Letter<S>> {
        self.letters.try_recv().ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.letters.len()
    }
}

/// Both ends of a way to the reactor that `waker` wakes.
pub(crate) fn mailbox<S>(capacity: usize, waker: Waker) -> io::Result<(Sender<S>, Mailbox<S>)> {
    let (send, receive) = channel::bounded(capacity.max(1));
    let woken = Arc::new(AtomicBool::new(false));
    Ok((Sender { letters: send, waker, woken: woken.clone() }, Mailbox { letters: receive, woken }))
}
