//! What the protocol machine of either role does for compressed messages.

use super::{Agreement, Terms};
use crate::peer::{Peer, either};
use tightwire::deflate::{Compress, Flush};
use tightwire::{Connection, Kind, Message, Output, Role, SendError, Violation};

impl Peer {
    /// The same with compression agreed on. Without `takeover` what is sent refers to nothing before it.
    pub(crate) fn with_compression(self, agreement: Agreement, takeover: bool) -> Self {
        match self {
            Self::Server(machine) => Self::Server(agree(machine, agreement, takeover)),
            Self::Client(machine) => Self::Client(agree(machine, agreement, takeover)),
        }
    }

    /// The terms of the compressed messages that arrive.
    #[inline]
    pub(crate) fn receives_compressed(&self) -> Option<Terms> {
        either!(self, machine => machine.inbound().compression())
    }

    /// The terms of the messages that may be sent compressed.
    #[inline]
    pub(crate) fn sends_compressed(&self) -> Option<Terms> {
        either!(self, machine => machine.outbound().compression())
    }

    /// Fails for a fault that was found outside. The next call of [`decode`](Self::decode) says so to the peer.
    pub(crate) fn fail(&mut self, violation: Violation) {
        either!(self, machine => machine.inbound_mut().fail(violation));
    }

    pub(crate) fn encode_compressed(
        &mut self,
        message: Message<'_>,
        codec: &mut dyn Compress,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        either!(self, machine => machine.encode_compressed(message, codec, out))
    }

    pub(crate) fn fragment_compressed(
        &mut self,
        kind: Kind,
        payload: &mut &[u8],
        flush: Flush,
        codec: &mut dyn Compress,
        out: &mut Output<'_>,
    ) -> Result<bool, SendError> {
        either!(self, machine => machine.fragment_compressed(kind, payload, flush, codec, out))
    }

    /// Whether a message in fragments has begun and not ended on its way out.
    pub(crate) fn is_sending_message(&self) -> bool {
        either!(self, machine => machine.outbound().open_message().is_some())
    }
}

fn agree<R: Role>(machine: Connection<R>, agreement: Agreement, takeover: bool) -> Connection<R> {
    let (inbound, outbound) = machine.split();
    let sent = agreement.sent_by::<R>();
    let sent = Terms::new(sent.window(), sent.takeover() && takeover);
    let inbound = inbound.with_compression(agreement.received_by::<R>());
    Connection::join(inbound, outbound.with_compression(sent))
}
