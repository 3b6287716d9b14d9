//! SIGINT and SIGTERM, where something is to be done before the process ends.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    thread,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::Signals,
    low_level,
};

use crate::failure::Failure;

/// A signal that asks the process to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signal(i32);

impl Signal {
    /// What shells say of a process that it ended.
    pub(crate) fn exit_code(self) -> u8 {
        u8::try_from(128 + self.0).unwrap_or(1)
    }
}

/// Has the first signal told, on a thread of its own; the next ends the process at once.
pub(crate) fn first(tell: impl FnOnce(Signal) + Send + 'static) -> Result<(), Failure> {
    listen(tell).map_err(|error| Failure::work(format_args!("no signals: {error}")))
}

fn listen(tell: impl FnOnce(Signal) + Send + 'static) -> io::Result<()> {
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The first signal is to find the flag as it was.
        flag::register_conditional_default(signal, Arc::clone(&again))?;
        flag::register(signal, Arc::clone(&again))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let thread = thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || {
        let mut signals = signals.forever();
        if let Some(signal) = signals.next() {
            tell(Signal(signal));
        }
        // Two at the same moment, on two threads, may both have found the flag as it was.
        if let Some(signal) = signals.next() {
            drop(low_level::emulate_default_handler(signal));
        }
    })?;
    Ok(())
}
