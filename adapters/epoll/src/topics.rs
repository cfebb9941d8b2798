//! Topics: who subscribed to what, and frames encoded once for all of them.
//!
//! Frames of one turn of the reactor are collected by topic and written to each subscriber at once, from the
//! same memory. Only for a subscriber whose socket is full is anything kept.

use crate::compression::Variants;
use crate::conn::Conn;
use crate::entry::Flags;
use crate::mailbox::{Letter, Owned};
use crate::reactor::Reactor;
use crate::sending::{has_waiting, is_sendable};
use crate::slab::Token;
use crate::socket::{self, Put};
use std::collections::HashMap;
use std::sync::Arc;
use tightwire::frame::HEAD_MAX;
use tightwire::{Message, Prepared, SendError};

/// A batch over this is not kept for the end of the turn.
const BATCH_MAX: usize = 64 * 1024;
/// For a full socket, what is left of a batch over this is shared rather than copied.
const SHARE: usize = 4 * 1024;

/// Frames for those whose sockets are full, once somebody has needed them.
pub(crate) type Shared = Option<Arc<[u8]>>;

/// The topics of one reactor thread.
#[derive(Default)]
pub(crate) struct Topics {
    names: HashMap<Arc<str>, u32>,
    list: Vec<Topic>,
    vacant: Vec<u32>,
    /// For each subscriber, the topics and where in them it stands.
    members: HashMap<Token, Vec<Membership>>,
    /// Topics with frames that are not written yet.
    pub(crate) pending: Vec<u32>,
    /// The one of these, if any, whose subscribers may be subscribed to others.
    crossing: Option<u32>,
}

struct Topic {
    name: Arc<str>,
    subscribers: Vec<Token>,
    /// How many of them are subscribed to other topics as well.
    elsewhere: usize,
    batch: Vec<u8>,
    frames: u64,
    /// Whether it is in the list of those with frames to write.
    pending: bool,
}

#[derive(Clone, Copy)]
struct Membership {
    topic: u32,
    position: u32,
}

impl Topics {
    /// Adds a subscriber; says whether it is new.
    fn subscribe(&mut self, token: Token, name: &str) -> bool {
        let topic = match self.names.get(name) {
            Some(&topic) => topic,
            None => self.create(name),
        };
        let memberships = self.members.entry(token).or_default();
        if memberships.iter().any(|membership| membership.topic == topic) {
            return false;
        }
        let Some(subscribers) = self.list.get_mut(topic as usize).map(|topic| &mut topic.subscribers) else {
            return false;
        };
        memberships.push(Membership { topic, position: subscribers.len() as u32 });
        subscribers.push(token);
        let first = memberships.first().filter(|_| memberships.len() == 2).map(|first| first.topic);
        let this = Some(topic).filter(|_| memberships.len() > 1);
        for topic in first.into_iter().chain(this) {
            if let Some(topic) = self.list.get_mut(topic as usize) {
                topic.elsewhere += 1;
            }
        }
        true
    }

    /// Takes a subscriber off a topic; says whether it was there.
    fn unsubscribe(&mut self, token: Token, name: &str) -> bool {
        let Some(&topic) = self.names.get(name) else { return false };
        let Some(memberships) = self.members.get_mut(&token) else { return false };
        let Some(at) = memberships.iter().position(|membership| membership.topic == topic) else {
            return false;
        };
        let membership = memberships.swap_remove(at);
        let last = memberships.first().filter(|_| memberships.len() == 1).map(|last| last.topic);
        let this = Some(membership.topic).filter(|_| !memberships.is_empty());
        for topic in last.into_iter().chain(this) {
            if let Some(topic) = self.list.get_mut(topic as usize) {
                topic.elsewhere -= 1;
            }
        }
        if memberships.is_empty() {
            self.members.remove(&token);
        }
        self.take_off(membership);
        true
    }

    /// Takes a subscriber off everything.
    pub(crate) fn forget(&mut self, token: Token) {
        if self.members.is_empty() {
            return;
        }
        let memberships = self.members.remove(&token).unwrap_or_default();
        let several = memberships.len() > 1;
        for membership in memberships {
            if let Some(topic) = self.list.get_mut(membership.topic as usize)
                && several
            {
                topic.elsewhere -= 1;
            }
            self.take_off(membership);
        }
    }

    fn create(&mut self, name: &str) -> u32 {
        let name: Arc<str> = name.into();
        let index = match self.vacant.pop() {
            Some(index) => {
                // It may still be in the list of pending ones from before.
                if let Some(topic) = self.list.get_mut(index as usize) {
                    topic.name = name.clone();
                }
                index
            }
            None => {
                let (subscribers, batch) = (Vec::new(), Vec::new());
                let (elsewhere, frames, pending) = (0, 0, false);
                self.list.push(Topic { name: name.clone(), subscribers, elsewhere, batch, frames, pending });
                (self.list.len() - 1) as u32
            }
        };
        self.names.insert(name, index);
        index
    }

    /// Fills the place of a subscriber with the last one, and ends the topic when nobody is left.
    fn take_off(&mut self, membership: Membership) {
        let Some(topic) = self.list.get_mut(membership.topic as usize) else { return };
        let position = membership.position as usize;
        if position >= topic.subscribers.len() {
            return;
        }
        topic.subscribers.swap_remove(position);
        if let Some(moved) = topic.subscribers.get(position)
            && let Some(memberships) = self.members.get_mut(moved)
            && let Some(moved) = memberships.iter_mut().find(|other| other.topic == membership.topic)
        {
            moved.position = membership.position;
        }
        if topic.subscribers.is_empty() {
            self.names.remove(&topic.name);
            topic.batch = Vec::new();
            topic.frames = 0;
            self.vacant.push(membership.topic);
        }
    }
}

impl<S> Conn<'_, S> {
    /// Subscribes this connection to a topic; says whether it was not already.
    ///
    /// Only the server's end of a connection can subscribe: a client has to mask each frame by itself.
    pub fn subscribe(&mut self, topic: &str) -> bool {
        let Some(entry) = self.reactor.slab.get_mut(self.token) else { return false };
        if !entry.is_opened() || entry.is_client() {
            return false;
        }
        entry.flags.set(Flags::SUBSCRIBED);
        // What was published before is not for this connection.
        self.reactor.flush_topics();
        self.reactor.topics.subscribe(self.token, topic)
    }

    /// Takes this connection off a topic; says whether it was there. Publications so far still reach it.
    pub fn unsubscribe(&mut self, topic: &str) -> bool {
        self.reactor.flush_topics();
        self.reactor.topics.unsubscribe(self.token, topic)
    }
}

impl<S> Reactor<S> {
    /// Sends a message to the subscribers of a topic on every reactor thread of the server.
    ///
    /// It is encoded once for this thread and once for all others. Returns how many other threads could not
    /// take it because too much waits for them.
    pub fn publish<'m>(&mut self, topic: &str, message: impl Into<Message<'m>>) -> usize {
        let message = message.into();
        self.publish_here(topic, message);
        let peers = self.peers.clone();
        if peers.len() < 2 {
            return 0;
        }
        let (name, frame) = (Arc::from(topic), encode(message));
        let others = peers.iter().enumerate().filter(|(at, _)| *at != self.place);
        others
            .filter(|(_, peer)| peer.post(Letter::Publish(Arc::clone(&name), frame.clone())).is_err())
            .count()
    }

    /// Sends a message to the subscribers of a topic on this thread, and returns how many there are.
    ///
    /// A subscriber gets the messages of all its topics in the order in which they were published, and in order
    /// with what is sent to it directly. What is published to one topic within one turn of the reactor reaches
    /// each subscriber in one write; topics that may have subscribers in common are written one after another.
    ///
    /// A subscriber for which more waits than the mark allows does not get it; see
    /// [`Config::when_full`](crate::Config::when_full). Nor does one to which a message in fragments is being sent.
    pub fn publish_here<'m>(&mut self, topic: &str, message: impl Into<Message<'m>>) -> usize {
        self.publish_with(topic, |batch| append(message.into(), batch))
    }

    /// As [`publish_here`](Self::publish_here), for a frame that was encoded elsewhere.
    pub(crate) fn publish_frame(&mut self, topic: &str, frame: &[u8]) -> usize {
        self.publish_with(topic, |batch| batch.extend_from_slice(frame))
    }

    /// How many connections of this thread are subscribed to a topic.
    pub fn subscribers(&self, topic: &str) -> usize {
        let index = self.topics.names.get(topic);
        index
            .and_then(|&index| self.topics.list.get(index as usize))
            .map_or(0, |topic| topic.subscribers.len())
    }

    fn publish_with(&mut self, name: &str, add: impl FnOnce(&mut Vec<u8>)) -> usize {
        let Some(&index) = self.topics.names.get(name) else { return 0 };
        let Some(topic) = self.topics.list.get_mut(index as usize) else { return 0 };
        if topic.elsewhere > 0 {
            // A subscriber of both gets the other topic's frames first.
            if self.topics.crossing.is_some_and(|other| other != index) {
                self.flush_topics();
            }
            self.topics.crossing = Some(index);
        }
        let Some(topic) = self.topics.list.get_mut(index as usize) else { return 0 };
        if !topic.pending {
            topic.pending = true;
            self.topics.pending.push(index);
        }
        add(&mut topic.batch);
        topic.frames += 1;
        let count = topic.subscribers.len();
        if topic.batch.len() > BATCH_MAX {
            self.flush_topics();
        }
        count
    }

    /// Writes the publications so far before something else is sent to one of their subscribers.
    #[inline]
    pub(crate) fn flush_topics_before(&mut self, token: Token) {
        if !self.topics.pending.is_empty()
            && self.slab.get(token).is_some_and(|entry| entry.flags.has(Flags::SUBSCRIBED))
        {
            self.flush_topics();
        }
    }

    /// Writes the publications so far.
    pub(crate) fn flush_topics(&mut self) {
        self.topics.crossing = None;
        let pending = core::mem::take(&mut self.topics.pending);
        for &index in &pending {
            let Some(topic) = self.topics.list.get_mut(index as usize) else { continue };
            topic.pending = false;
            let batch = core::mem::take(&mut topic.batch);
            let frames = core::mem::take(&mut topic.frames);
            // Nobody subscribes or leaves meanwhile: writing calls no handler.
            let subscribers = core::mem::take(&mut topic.subscribers);
            let (mut shared, mut variants) = (None, Variants::default());
            for &token in &subscribers {
                match self.variant(token, &batch, &mut variants) {
                    Some((batch, shared)) => self.write_frames(token, batch, frames, shared),
                    None => self.write_frames(token, &batch, frames, &mut shared),
                }
            }
            variants.give(&mut self.pool);
            if let Some(topic) = self.topics.list.get_mut(index as usize) {
                topic.subscribers = subscribers;
                topic.batch = batch;
                topic.batch.clear();
                topic.batch.shrink_to(BATCH_MAX);
            }
        }
        // Writing calls no handler, so nothing was published meanwhile.
        self.topics.pending = pending;
        self.topics.pending.clear();
    }

    /// Writes whole frames to one subscriber, behind what it was sent before.
    fn write_frames(&mut self, token: Token, batch: &[u8], frames: u64, shared: &mut Shared) {
        if self.current == Some(token) && self.out_len > 0 {
            self.flush(token);
        }
        let Some(entry) = self.slab.get_mut(token) else { return };
        if !is_sendable(entry) {
            return;
        }
        match entry.may_begin(&self.extras) {
            Ok(()) => {}
            // Nothing may follow a Close frame.
            Err(SendError::Closed) => return,
            // RFC 6455 5.4: messages are not interleaved, and this one is not to wait for the end of another. That is
            // no fault of the peer, whatever the mark would do to it.
            Err(_) => return self.counters.refused_messages.add(1),
        }
        if has_waiting(entry.extra, &mut self.extras) {
            // Perhaps for nothing but the end of the turn.
            self.write_queue(token);
        }
        let Some(entry) = self.slab.get_mut(token) else { return };
        let mut start = 0;
        if !has_waiting(entry.extra, &mut self.extras) {
            match socket::write(&entry.fd, batch) {
                Put::Octets(taken) => start = taken,
                Put::Broken => return self.break_off(token),
            }
            self.counters.octets_sent.add(start as u64);
            self.counters.messages_sent.add(frames);
            if start == batch.len() {
                return;
            }
            self.block(token);
        } else if self.waiting(token) > self.config.mark {
            self.refuse(token);
            return;
        } else {
            self.counters.messages_sent.add(frames);
            self.mark_dirty(token);
        }
        let Some(entry) = self.slab.get_mut(token) else { return };
        let Some(extra) = self.extras.need(&mut entry.extra) else { return };
        if batch.len() - start > SHARE {
            let shared = shared.get_or_insert_with(|| batch.into());
            extra.output.push_shared(shared, start);
        } else {
            extra.output.push(&mut self.pool, batch.get(start..).unwrap_or_default());
        }
    }
}

/// The frame of a message, for reactors to share.
pub(crate) fn encode(message: Message<'_>) -> Arc<[u8]> {
    let mut frame = Vec::with_capacity(message.len() + HEAD_MAX);
    append(message, &mut frame);
    frame.into()
}

/// The frame of a message to be published, encoded once.
pub(crate) fn encode_owned(message: &Owned) -> Arc<[u8]> {
    encode(message.message())
}

/// Appends the frame of a message to a batch.
fn append(message: Message<'_>, batch: &mut Vec<u8>) {
    let start = batch.len();
    batch.resize(start + message.len() + HEAD_MAX, 0);
    let memory = batch.get_mut(start..).unwrap_or_default();
    let length = Prepared::encode(message, memory).map_or(0, |prepared| prepared.frame().len());
    batch.truncate(start + length);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts for each topic by hand what is kept up step by step.
    fn check(topics: &Topics) {
        for (name, &index) in &topics.names {
            let topic = &topics.list[index as usize];
            assert_eq!(topic.name, *name);
            let elsewhere = topic.subscribers.iter().filter(|token| topics.members[token].len() > 1).count();
            assert_eq!(topic.elsewhere, elsewhere, "{name}");
            for (position, token) in topic.subscribers.iter().enumerate() {
                let membership = topics.members[token].iter().find(|member| member.topic == index).unwrap();
                assert_eq!(membership.position as usize, position);
            }
        }
        assert_eq!(topics.names.len() + topics.vacant.len(), topics.list.len());
    }

    #[test]
    fn the_books_agree_after_every_step() {
        let mut topics = Topics::default();
        let names = ["a", "b", "c", "d"];
        let mut state = 1_u32;
        for _ in 0..3000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let token = Token::new(state >> 8 & 7, 0);
            let name = names[(state >> 16) as usize % names.len()];
            match state >> 24 & 7 {
                0 => topics.forget(token),
                1..=3 => drop(topics.unsubscribe(token, name)),
                _ => drop(topics.subscribe(token, name)),
            }
            check(&topics);
        }
        for index in 0..8 {
            topics.forget(Token::new(index, 0));
            check(&topics);
        }
        assert!(topics.names.is_empty() && topics.members.is_empty());
        assert!(topics.list.iter().all(|topic| topic.elsewhere == 0));
    }
}
