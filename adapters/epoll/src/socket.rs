//! The system calls of the data path, and what their results mean to a connection.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use std::io::{IoSlice, IoSliceMut};

/// What a read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    /// So many octets, at least one.
    Octets(usize),
    /// The peer sends nothing more.
    End,
    /// There is nothing now.
    Nothing,
    /// The connection is broken.
    Broken,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// So many octets were taken, perhaps none. Fewer than offered: the socket is full.
    Octets(usize),
    /// The connection is broken.
    Broken,
}

#[inline]
pub(crate) fn read(fd: &OwnedFd, memory: &mut [u8]) -> Got {
    loop {
        return match rustix::net::recv(fd, &mut *memory, RecvFlags::empty()) {
            Ok((0, _)) => Got::End,
            Ok((octets, _)) => Got::Octets(octets),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Got::Nothing,
            Err(_) => Got::Broken,
        };
    }
}

/// Reads into `first`, and what does not fit there into `second`.
pub(crate) fn read_two(fd: &OwnedFd, first: &mut [u8], second: &mut [u8]) -> Got {
    let mut memory = [IoSliceMut::new(first), IoSliceMut::new(second)];
    loop {
        return match rustix::io::readv(fd, &mut memory) {
            Ok(0) => Got::End,
            Ok(octets) => Got::Octets(octets),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Got::Nothing,
            Err(_) => Got::Broken,
        };
    }
}

#[inline]
pub(crate) fn write(fd: &OwnedFd, octets: &[u8]) -> Put {
    loop {
        return match rustix::net::send(fd, octets, SendFlags::NOSIGNAL) {
            Ok(taken) => Put::Octets(taken),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Put::Octets(0),
            Err(_) => Put::Broken,
        };
    }
}

pub(crate) fn write_all_of(fd: &OwnedFd, slices: &[IoSlice<'_>]) -> Put {
    loop {
        let mut control = SendAncillaryBuffer::default();
        return match rustix::net::sendmsg(fd, slices, &mut control, SendFlags::NOSIGNAL) {
            Ok(taken) => Put::Octets(taken),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Put::Octets(0),
            Err(_) => Put::Broken,
        };
    }
}
