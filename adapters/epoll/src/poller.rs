//! Waiting for many descriptors at once: one epoll instance and a way to wake it from other threads.
//!
//! It knows nothing of sockets, frames or time. A source is any descriptor; what an event means is for the
//! caller, who gave the token that comes back with it.

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The token that the poller keeps for its own wake-up descriptor.
pub const RESERVED_TOKEN: u64 = u64::MAX;

/// What to wait for on a source. Hang-up and errors are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(epoll::EventFlags);

impl Interest {
    /// Octets to read, a connection to accept, or the peer's end of stream.
    pub const READ: Self = Self(epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP));
    /// Room to write, or the end of a connect.
    pub const WRITE: Self = Self(epoll::EventFlags::OUT);
    /// Both.
    pub const BOTH: Self = Self(Self::READ.0.union(Self::WRITE.0));
    /// Neither: only hang-up and errors.
    pub const NONE: Self = Self(epoll::EventFlags::empty());
}

/// How often a state that lasts is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// At every wait for as long as it lasts.
    Level,
    /// Once for each change: the caller reads or writes until there is no more.
    Edge,
    /// Once; then the source is silent until [`Poller::modify`].
    OneShot,
}

impl Mode {
    const fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Level => epoll::EventFlags::empty(),
            Self::Edge => epoll::EventFlags::ET,
            Self::OneShot => epoll::EventFlags::ONESHOT,
        }
    }
}

/// What happened on one source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event {
    token: u64,
    flags: epoll::EventFlags,
}

impl Event {
    /// The token that the source was added with.
    pub const fn token(self) -> u64 {
        self.token
    }

    /// Whether a read would not wait. Also true at end of stream, hang-up and error: a read tells which.
    pub const fn readable(self) -> bool {
        const READABLE: epoll::EventFlags =
            epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP).union(Event::BROKEN);
        self.flags.intersects(READABLE)
    }

    /// Whether a write would not wait. Also true at hang-up and error: a write tells which.
    pub const fn writable(self) -> bool {
        self.flags.intersects(epoll::EventFlags::OUT.union(Self::BROKEN))
    }

    /// Whether the peer will send no more. Octets that it sent before may still be there to read.
    pub const fn read_closed(self) -> bool {
        self.flags.intersects(epoll::EventFlags::RDHUP.union(Self::BROKEN))
    }

    /// Whether both directions are closed, or an error is pending on the source.
    pub const fn broken(self) -> bool {
        self.flags.intersects(Self::BROKEN)
    }

    const BROKEN: epoll::EventFlags = epoll::EventFlags::HUP.union(epoll::EventFlags::ERR);
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("token", &self.token)
            .field("readable", &self.readable())
            .field("writable", &self.writable())
            .field("read_closed", &self.read_closed())
            .field("broken", &self.broken())
            .finish()
    }
}

/// Room for the events of one wait. Allocated once and used again and again.
pub struct Events {
    list: Vec<epoll::Event>,
    woken: bool,
}

impl Events {
    /// Room for `capacity` events, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity.max(1)), woken: false }
    }

    /// The events of the last wait.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        (0..self.list.len()).filter_map(|at| self.get(at))
    }

    /// The event at a position of the last wait. The wake-up is skipped: see [`woken`](Self::woken).
    pub fn get(&self, at: usize) -> Option<Event> {
        let event = self.list.get(at)?;
        Some(Event { token: event.data.u64(), flags: event.flags })
    }

    /// How many sources had an event.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether no source had an event.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether somebody called [`Waker::wake`].
    pub const fn woken(&self) -> bool {
        self.woken
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Ends the wait of a [`Poller`] from any thread. Clones wake the same poller.
#[derive(Clone, Debug)]
pub struct Waker {
    eventfd: Arc<OwnedFd>,
}

impl Waker {
    /// Ends the wait that is going on, or the next one. Several calls may end one wait together.
    ///
    /// When the poller is gone this does nothing.
    ///
    /// # Errors
    /// What the operating system says; none is known to happen.
    pub fn wake(&self) -> io::Result<()> {
        loop {
            return match rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes()) {
                Err(Errno::INTR) => continue,
                // The counter is full, so the poller has been woken and has not looked yet.
                Ok(_) | Err(Errno::AGAIN) => Ok(()),
                Err(error) => Err(error.into()),
            };
        }
    }
}

/// An epoll instance.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    waker: Waker,
    sources: usize,
}

impl Poller {
    /// A poller without sources.
    ///
    /// # Errors
    /// When the process has no descriptors left (it takes two).
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Edge-triggered, so that a wake-up need not be read: every write is an edge.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &eventfd, epoll::EventData::new_u64(RESERVED_TOKEN), flags)?;
        Ok(Self { epoll, waker: Waker { eventfd: Arc::new(eventfd) }, sources: 0 })
    }

    /// Waits for `source` from now on; its events carry `token`.
    ///
    /// The source stays the caller's. Take it off with [`remove`](Self::remove) before it is closed, or call
    /// [`forget`](Self::forget) after it.
    ///
    /// # Errors
    /// `AlreadyExists` when the source is there, `InvalidInput` for [`RESERVED_TOKEN`], `PermissionDenied`
    /// for a descriptor that epoll cannot wait for, such as a file. Nothing is added then.
    pub fn add(&mut self, source: impl AsFd, token: u64, interest: Interest, mode: Mode) -> io::Result<()> {
        let data = data(token)?;
        epoll::add(&self.epoll, source, data, interest.0 | mode.flags())?;
        self.sources += 1;
        Ok(())
    }

    /// Changes token, interest and mode of a source, and arms it again when it was one-shot.
    ///
    /// # Errors
    /// `NotFound` when the source was not added, `InvalidInput` for [`RESERVED_TOKEN`].
    pub fn modify(
        &mut self,
        source: impl AsFd,
        token: u64,
        interest: Interest,
        mode: Mode,
    ) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, source, data(token)?, interest.0 | mode.flags())?)
    }

    /// Waits for `source` no more. It is not closed. Events already fetched may still name its token.
    ///
    /// # Errors
    /// `NotFound` when the source was not added.
    pub fn remove(&mut self, source: impl AsFd) -> io::Result<()> {
        epoll::delete(&self.epoll, source)?;
        self.sources = self.sources.saturating_sub(1);
        Ok(())
    }

    /// Counts one source less: its only descriptor was closed, and the kernel took it off by itself.
    ///
    /// This saves the system call of [`remove`](Self::remove). A source with a second descriptor (a clone,
    /// or one that a child process inherited) is not taken off by closing one of them.
    pub fn forget(&mut self) {
        self.sources = self.sources.saturating_sub(1);
    }

    /// Waits until a source has an event, somebody wakes the poller or `timeout` has passed, and gives the
    /// number of sources with an event. `None` waits for ever.
    ///
    /// An interrupted wait goes on for the rest of its time. Nothing is allocated.
    ///
    /// # Errors
    /// What the operating system says; `events` is empty then.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<usize> {
        // A clock is only read when a wait can be cut short.
        let until = timeout.filter(|time| !time.is_zero()).and_then(|time| Instant::now().checked_add(time));
        let mut left = timeout;
        loop {
            match self.wait_once(events, left)? {
                Some(count) => return Ok(count),
                None => {
                    left = timeout.map(|_| {
                        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
                    });
                }
            }
        }
    }

    /// As [`wait`](Self::wait), but an interruption ends it with nothing.
    pub(crate) fn wait_once(
        &self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<Option<usize>> {
        events.list.clear();
        events.woken = false;
        let time = timeout.map(timespec);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events.list), time.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        if let Some(at) = events.list.iter().position(|event| event.data.u64() == RESERVED_TOKEN) {
            events.list.swap_remove(at);
            events.woken = true;
        }
        Ok(Some(events.list.len()))
    }

    /// Ends the wait that is going on, or the next one.
    ///
    /// # Errors
    /// As [`Waker::wake`].
    pub fn wake(&self) -> io::Result<()> {
        self.waker.wake()
    }

    /// A handle that wakes this poller from any thread.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// How many sources are waited for.
    pub const fn len(&self) -> usize {
        self.sources
    }

    /// Whether no source is waited for.
    pub const fn is_empty(&self) -> bool {
        self.sources == 0
    }

    /// Ends the poller. Sources stay open; they are the caller's.
    pub fn close(self) {}
}

fn data(token: u64) -> io::Result<epoll::EventData> {
    if token == RESERVED_TOKEN {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(epoll::EventData::new_u64(token))
}

/// The time in the kernel's form. Waits are in milliseconds there, so it is rounded up: a wait never ends
/// before its time.
fn timespec(time: Duration) -> rustix::event::Timespec {
    let millis = time.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i64;
    rustix::event::Timespec { tv_sec: millis / 1000, tv_nsec: (millis % 1000) * 1_000_000 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    const NOW: Option<Duration> = Some(Duration::ZERO);
    const SOON: Option<Duration> = Some(Duration::from_secs(10));

    fn pair() -> (UnixStream, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        (here, there)
    }

    fn tokens(poller: &Poller, timeout: Option<Duration>) -> Vec<u64> {
        let mut events = Events::with_capacity(8);
        poller.wait(&mut events, timeout).unwrap();
        let mut tokens: Vec<_> = events.iter().map(Event::token).collect();
        tokens.sort_unstable();
        tokens
    }

    #[test]
    fn level_reports_again_and_edge_does_not() {
        let mut poller = Poller::new().unwrap();
        let (level, mut level_peer) = pair();
        let (edge, mut edge_peer) = pair();
        poller.add(&level, 1, Interest::READ, Mode::Level).unwrap();
        poller.add(&edge, 2, Interest::READ, Mode::Edge).unwrap();
        assert_eq!(poller.len(), 2);
        assert_eq!(tokens(&poller, NOW), []);
        level_peer.write_all(b"x").unwrap();
        edge_peer.write_all(b"x").unwrap();
        assert_eq!(tokens(&poller, SOON), [1, 2]);
        assert_eq!(tokens(&poller, NOW), [1]);
        edge_peer.write_all(b"y").unwrap();
        assert_eq!(tokens(&poller, SOON), [1, 2]);
        (&level).read_exact(&mut [0]).unwrap();
        assert_eq!(tokens(&poller, NOW), []);
    }

    #[test]
    fn one_shot_is_silent_until_modified() {
        let mut poller = Poller::new().unwrap();
        let (here, mut there) = pair();
        poller.add(&here, 7, Interest::READ, Mode::OneShot).unwrap();
        there.write_all(b"x").unwrap();
        assert_eq!(tokens(&poller, SOON), [7]);
        there.write_all(b"y").unwrap();
        assert_eq!(tokens(&poller, NOW), []);
        poller.modify(&here, 8, Interest::READ, Mode::OneShot).unwrap();
        assert_eq!(tokens(&poller, SOON), [8]);
    }

    #[test]
    fn octets_before_a_hang_up_can_still_be_read() {
        let mut poller = Poller::new().unwrap();
        let (mut here, mut there) = pair();
        poller.add(&here, 1, Interest::READ, Mode::Edge).unwrap();
        there.write_all(b"last").unwrap();
        drop(there);
        let mut events = Events::with_capacity(1);
        assert_eq!(poller.wait(&mut events, SOON).unwrap(), 1);
        let event = events.get(0).unwrap();
        assert!(event.readable() && event.read_closed() && event.broken());
        let mut text = String::new();
        here.read_to_string(&mut text).unwrap();
        assert_eq!(text, "last");
    }

    #[test]
    fn a_half_close_is_no_break() {
        let mut poller = Poller::new().unwrap();
        let (here, there) = pair();
        poller.add(&here, 1, Interest::BOTH, Mode::Edge).unwrap();
        there.shutdown(std::net::Shutdown::Write).unwrap();
        let mut events = Events::with_capacity(1);
        poller.wait(&mut events, SOON).unwrap();
        let event = events.get(0).unwrap();
        assert!(event.readable() && event.read_closed() && event.writable() && !event.broken());
    }

    #[test]
    fn interest_decides_what_is_reported() {
        let mut poller = Poller::new().unwrap();
        let (here, mut there) = pair();
        poller.add(&here, 1, Interest::WRITE, Mode::Level).unwrap();
        there.write_all(b"x").unwrap();
        let mut events = Events::with_capacity(1);
        poller.wait(&mut events, SOON).unwrap();
        let event = events.get(0).unwrap();
        assert!(event.writable() && !event.readable());
        poller.modify(&here, 1, Interest::NONE, Mode::Level).unwrap();
        assert_eq!(tokens(&poller, NOW), []);
    }

    #[test]
    fn removed_sources_are_silent_and_counted() {
        let mut poller = Poller::new().unwrap();
        let (here, mut there) = pair();
        poller.add(&here, 1, Interest::READ, Mode::Level).unwrap();
        assert_eq!(
            poller.add(&here, 2, Interest::READ, Mode::Level).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(poller.len(), 1);
        there.write_all(b"x").unwrap();
        poller.remove(&here).unwrap();
        assert!(poller.is_empty());
        assert_eq!(tokens(&poller, NOW), []);
        assert_eq!(poller.remove(&here).unwrap_err().kind(), io::ErrorKind::NotFound);
        poller.add(&here, 3, Interest::READ, Mode::Level).unwrap();
        assert_eq!(tokens(&poller, SOON), [3]);
        drop(here);
        poller.forget();
        assert_eq!(poller.len(), 0);
        assert_eq!(tokens(&poller, NOW), []);
        poller.close();
    }

    #[test]
    fn the_reserved_token_is_refused() {
        let mut poller = Poller::new().unwrap();
        let (here, _there) = pair();
        let error = poller.add(&here, RESERVED_TOKEN, Interest::READ, Mode::Level).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(poller.is_empty());
    }

    #[test]
    fn a_wake_from_another_thread_ends_the_wait() {
        let poller = Poller::new().unwrap();
        let waker = poller.waker();
        let mut events = Events::with_capacity(4);
        for _ in 0..3 {
            let waker = waker.clone();
            let thread = std::thread::spawn(move || waker.wake().unwrap());
            assert_eq!(poller.wait(&mut events, None).unwrap(), 0);
            assert!(events.woken() && events.is_empty());
            thread.join().unwrap();
            // Without another wake the next wait is not ended: the edge is spent.
            assert_eq!(poller.wait(&mut events, NOW).unwrap(), 0);
            assert!(!events.woken());
        }
        poller.wake().unwrap();
        poller.close();
        waker.wake().unwrap();
    }

    #[test]
    fn a_wake_comes_beside_other_events() {
        let mut poller = Poller::new().unwrap();
        let (here, mut there) = pair();
        poller.add(&here, 5, Interest::READ, Mode::Edge).unwrap();
        there.write_all(b"x").unwrap();
        poller.wake().unwrap();
        let mut events = Events::with_capacity(8);
        assert_eq!(poller.wait(&mut events, SOON).unwrap(), 1);
        assert!(events.woken());
        assert_eq!(events.get(0).map(Event::token), Some(5));
    }

    #[test]
    fn a_wait_never_ends_before_its_time() {
        let poller = Poller::new().unwrap();
        let mut events = Events::with_capacity(1);
        let start = Instant::now();
        poller.wait(&mut events, Some(Duration::from_micros(1500))).unwrap();
        assert!(start.elapsed() >= Duration::from_micros(1500));
        let spec = timespec(Duration::from_secs(u64::MAX));
        assert_eq!((spec.tv_sec, spec.tv_nsec), (2_147_483, 647_000_000));
    }

    #[test]
    fn more_events_than_room_come_at_the_next_wait() {
        let mut poller = Poller::new().unwrap();
        let pairs: Vec<_> = (0..5).map(|_| pair()).collect();
        for (token, (here, there)) in pairs.iter().enumerate() {
            poller.add(here, token as u64, Interest::READ, Mode::Edge).unwrap();
            (&*there).write_all(b"x").unwrap();
        }
        let mut events = Events::with_capacity(2);
        let mut seen = Vec::new();
        while poller.wait(&mut events, NOW).unwrap() > 0 {
            assert!(events.len() <= events.list.capacity());
            seen.extend(events.iter().map(Event::token));
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
    }
}
