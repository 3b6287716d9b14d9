use std::{
    sync::mpsc::{self, Receiver, Sender},
    time::Duration,
};

use virmo::dm::syncml::Encoding;

use crate::{Failed, Packet};

/// One message of a device, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) packet: Packet,
    pub(crate) encoding: Encoding,
    pub(crate) answer: Sender<Packet>,
}

/// The server's end of what a device says, wherever it comes from.
#[derive(Debug)]
pub(crate) struct Wire {
    incoming: Receiver<Exchange>,
    open: Option<Exchange>,
    patience: Duration,
    silent: bool,
}

impl Wire {
    /// A wire on which a device may be silent for so long, and its other end.
    pub(crate) fn new(patience: Duration) -> (Self, Sender<Exchange>) {
        let (outgoing, incoming) = mpsc::channel();
        let wire = Self {
            incoming,
            open: None,
            patience,
            silent: false,
        };
        (wire, outgoing)
    }

    pub(crate) fn receive(&mut self) -> Result<(Packet, Encoding), Failed> {
        let exchange = self.incoming.recv_timeout(self.patience);
        self.silent = exchange.is_err();
        let exchange = exchange.map_err(|_| {
            let seconds = self.patience.as_secs();
            Failed::new(format_args!("nothing came from the device for {seconds} s"))
        })?;
        let message = (exchange.packet.clone(), exchange.encoding);
        self.open = Some(exchange);
        Ok(message)
    }

    /// Whether nothing came when something was waited for.
    pub(crate) const fn is_silent(&self) -> bool {
        self.silent
    }

    /// Lets the exchange that is open fail.
    pub(crate) fn drop_call(&mut self) {
        self.open = None;
    }

    pub(crate) fn answer(&mut self, packet: Packet) -> Result<(), Failed> {
        let exchange = self.open.take();
        exchange
            .and_then(|exchange| exchange.answer.send(packet).ok())
            .ok_or_else(|| Failed::new("the device waits for no answer"))
    }
}
