//! Transports in memory: any cut, stalls, spurious waits, a buffer of their own, errors and ends.
//!
//! They keep to the letter of `poll`: only the last call's waker is kept, and none once a call was ready.

use super::Random;
use super::executor::Alarm;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tightwire_async::transport::{ReadTransport, SplitTransport, WriteTransport};

/// How much one call moves.
#[derive(Debug, Clone, Default)]
pub enum Pace {
    /// As much as there is.
    #[default]
    Free,
    /// One octet, and every other time "not yet", with a wake at once.
    Octet(bool),
    /// One octet.
    Single,
    /// At most so many octets.
    AtMost(usize),
    /// Any number of octets, and sometimes "not yet".
    Random(Random),
}

impl Pace {
    /// How many of `available` octets to move now; `None` for "not yet".
    fn step(&mut self, available: usize) -> Option<usize> {
        match self {
            Self::Free => Some(available),
            Self::Single => Some(1),
            Self::AtMost(bound) => Some(available.min(*bound)),
            Self::Octet(later) => {
                *later = !*later;
                if *later { None } else { Some(1) }
            }
            Self::Random(random) => match random.below(4) {
                0 => None,
                1 => Some(1),
                _ => Some(1 + random.below(available)),
            },
        }
    }
}

/// One direction.
#[derive(Debug, Clone, Default)]
pub struct Lane(Arc<Mutex<State>>);

#[derive(Debug)]
pub struct State {
    octets: VecDeque<u8>,
    pub capacity: usize,
    pub read_pace: Pace,
    pub write_pace: Pace,
    /// The writer is told to wait, whatever room there is.
    stalled: bool,
    stalled_flush: bool,
    /// Octets are held back until a flush.
    pub buffering: bool,
    held_back: Vec<u8>,
    ended: bool,
    deaf: bool,
    read_error: Option<io::ErrorKind>,
    write_error: Option<io::ErrorKind>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// Octets of each write.
    pub writes: Vec<usize>,
    /// Where the octets of each write lay.
    pub places: Vec<usize>,
    pub flushes: usize,
    pub reads: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            octets: VecDeque::new(),
            capacity: usize::MAX,
            read_pace: Pace::Free,
            write_pace: Pace::Free,
            stalled: false,
            stalled_flush: false,
            buffering: false,
            held_back: Vec::new(),
            ended: false,
            deaf: false,
            read_error: None,
            write_error: None,
            reader: None,
            writer: None,
            writes: Vec::new(),
            places: Vec::new(),
            flushes: 0,
            reads: 0,
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Lane {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts octets in from outside, whatever the capacity.
    pub fn put(&self, octets: &[u8]) {
        let mut state = self.state();
        state.octets.extend(octets);
        wake(&mut state.reader);
    }

    /// Takes all octets out from outside.
    pub fn take(&self) -> Vec<u8> {
        let mut state = self.state();
        wake(&mut state.writer);
        state.octets.drain(..).collect()
    }

    /// Takes at most so many octets out from outside.
    pub fn take_some(&self, octets: usize) -> Vec<u8> {
        let mut state = self.state();
        wake(&mut state.writer);
        let octets = octets.min(state.octets.len());
        state.octets.drain(..octets).collect()
    }

    /// Makes room, so that octets to come take no more memory.
    pub fn reserve(&self, octets: usize) {
        let mut state = self.state();
        state.octets.reserve(octets);
        state.writes.reserve(1000);
        state.places.reserve(2000);
    }

    pub fn len(&self) -> usize {
        self.state().octets.len()
    }

    pub fn stall(&self, stalled: bool) {
        let mut state = self.state();
        state.stalled = stalled;
        if !stalled {
            wake(&mut state.writer);
        }
    }

    /// The buffer of the transport is not passed on.
    pub fn stall_flush(&self, stalled: bool) {
        let mut state = self.state();
        state.stalled_flush = stalled;
        if !stalled {
            wake(&mut state.writer);
        }
    }

    /// No octets follow.
    pub fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        wake(&mut state.reader);
    }

    pub fn is_ended(&self) -> bool {
        self.state().ended
    }

    pub fn fail_reads(&self, kind: io::ErrorKind) {
        let mut state = self.state();
        state.read_error = Some(kind);
        wake(&mut state.reader);
    }

    pub fn fail_writes(&self, kind: Option<io::ErrorKind>) {
        let mut state = self.state();
        state.write_error = kind;
        wake(&mut state.writer);
    }

    pub fn set_pace(&self, pace: &Pace) {
        let mut state = self.state();
        (state.read_pace, state.write_pace) = (pace.clone(), pace.clone());
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let state = &mut *self.state();
        assert!(!buffer.is_empty(), "a read into nothing would look like the end");
        let available = state.octets.len().min(buffer.len());
        if available == 0 {
            if let Some(kind) = state.read_error {
                return Poll::Ready(Err(kind.into()));
            }
            if state.ended {
                return Poll::Ready(Ok(0));
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(count) = state.read_pace.step(available) else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        for (to, from) in buffer.iter_mut().zip(state.octets.drain(..count)) {
            *to = from;
        }
        state.reads += 1;
        state.reader = None;
        wake(&mut state.writer);
        Poll::Ready(Ok(count))
    }

    fn poll_write(&self, cx: &mut Context<'_>, slices: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        let state = &mut *self.state();
        if let Some(kind) = state.write_error {
            return Poll::Ready(Err(kind.into()));
        }
        if state.ended || state.deaf {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let wanted = slices[0].len() + slices[1].len();
        assert!(wanted > 0, "a write of nothing");
        let used = state.octets.len() + state.held_back.len();
        let available = wanted.min(state.capacity.saturating_sub(used));
        if state.stalled || available == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(count) = state.write_pace.step(available) else {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let octets = slices[0].iter().chain(slices[1]).take(count);
        if state.buffering {
            state.held_back.extend(octets)
        } else {
            state.octets.extend(octets)
        }
        state.writes.push(count);
        state
            .places
            .extend(slices.iter().filter(|slice| !slice.is_empty()).map(|slice| slice.as_ptr().addr()));
        state.writer = None;
        wake(&mut state.reader);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.state();
        state.flushes += 1;
        if state.held_back.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if state.stalled || state.stalled_flush {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let held_back = std::mem::take(&mut state.held_back);
        state.octets.extend(held_back);
        state.writer = None;
        wake(&mut state.reader);
        Poll::Ready(Ok(()))
    }
}

#[derive(Debug)]
pub struct ReadEnd(Lane);

#[derive(Debug)]
pub struct WriteEnd(Lane);

/// A transport in both directions.
#[derive(Debug)]
pub struct End {
    read: ReadEnd,
    write: WriteEnd,
}

/// The other end of a transport, in the hands of a test.
#[derive(Debug, Clone)]
pub struct Wire {
    pub input: Lane,
    pub output: Lane,
}

impl Wire {
    /// Sends octets to the transport.
    pub fn put(&self, octets: &[u8]) {
        self.input.put(octets);
    }

    /// What the transport has sent.
    pub fn take(&self) -> Vec<u8> {
        self.output.take()
    }
}

/// A transport and the wire to it.
pub fn raw() -> (End, Wire) {
    let wire = Wire { input: Lane::default(), output: Lane::default() };
    let end = End { read: ReadEnd(wire.input.clone()), write: WriteEnd(wire.output.clone()) };
    (end, wire)
}

/// Two transports that are connected, and the wire to the first.
pub fn pair() -> (End, End, Wire) {
    let (end, wire) = raw();
    let other = End { read: ReadEnd(wire.output.clone()), write: WriteEnd(wire.input.clone()) };
    (end, other, wire)
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.deaf = true;
        wake(&mut state.writer);
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl ReadTransport for ReadEnd {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buffer)
    }
}

impl WriteTransport for WriteEnd {
    type Error = io::Error;
    type Timer = Alarm;

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, [octets, &[]])
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.poll_flush(cx).is_pending() {
            return Poll::Pending;
        }
        self.0.end();
        Poll::Ready(Ok(()))
    }
}

impl ReadTransport for End {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.read.poll_read(cx, buffer)
    }
}

impl WriteTransport for End {
    type Error = io::Error;
    type Timer = Alarm;

    fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.write.poll_write(cx, octets)
    }

    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, slices: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        self.write.poll_write_vectored(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.poll_close(cx)
    }
}

impl SplitTransport for End {
    type ReadHalf = ReadEnd;
    type WriteHalf = WriteEnd;

    fn split(self) -> (ReadEnd, WriteEnd) {
        (self.read, self.write)
    }

    fn join(read: ReadEnd, write: WriteEnd) -> Result<Self, (ReadEnd, WriteEnd)> {
        Ok(Self { read, write })
    }
}
