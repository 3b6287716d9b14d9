//! `--fault PRIMITIVE:MODE`: the simulator's faults, and the one of the download.

use std::{
    ops::ControlFlow,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use virmo::{
    dm::download::{
        Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, Receiver, ResponseHead,
    },
    simulator::{Fault, FaultMode},
};

use crate::{failure::Failure, output::Output};

/// The faults of one start.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) simulator: Vec<Fault>,
    pub(crate) download: Option<FaultMode>,
}

/// Reads the values of `--fault`.
pub(crate) fn parse(texts: &[String]) -> Result<Faults, Failure> {
    let mut faults = Faults::default();
    for text in texts {
        match text.strip_prefix("download:") {
            Some(mode) => {
                let mode = mode.parse().map_err(|error| usage(text, &error))?;
                faults.download = Some(mode);
            }
            None => faults
                .simulator
                .push(text.parse().map_err(|error| usage(text, &error))?),
        }
    }
    Ok(faults)
}

fn usage(text: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format_args!(
        "--fault {text}: {error} (download has the same modes)"
    ))
}

/// A fetch whose first download goes wrong once bytes have come.
pub(crate) struct FaultyFetch {
    inner: Arc<dyn Fetch>,
    mode: FaultMode,
    armed: AtomicBool,
    output: Arc<Output>,
}

impl FaultyFetch {
    pub(crate) fn new(inner: Arc<dyn Fetch>, mode: FaultMode, output: Arc<Output>) -> Self {
        Self {
            inner,
            mode,
            armed: AtomicBool::new(true),
            output,
        }
    }
}

impl Fetch for FaultyFetch {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        if !self.armed.swap(false, Ordering::SeqCst) {
            return self.inner.fetch(request, receiver);
        }
        let mut cut = Cut {
            receiver,
            seen: false,
        };
        let ending = self.inner.fetch(request, &mut cut)?;
        if !cut.seen {
            return Ok(ending);
        }
        match self.mode {
            FaultMode::Fail => Err(FetchError::from(FetchErrorKind::Status(500))),
            FaultMode::Hang => {
                self.output
                    .say("       the download hangs, as it was asked to");
                let (sender, cancelled) = mpsc::channel();
                let _guard = request.cancel.watch(move || _ = sender.send(()));
                // Ends only when the download is cancelled.
                let _ = cancelled.recv();
                Ok(Ending::Stopped)
            }
            FaultMode::Crash => process::abort(),
        }
    }
}

/// Passes the first bytes on and breaks.
struct Cut<'a> {
    receiver: &'a mut dyn Receiver,
    seen: bool,
}

impl Receiver for Cut<'_> {
    fn head(&mut self, head: &ResponseHead) -> ControlFlow<()> {
        self.receiver.head(head)
    }

    fn chunk(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        self.seen = true;
        let _ = self.receiver.chunk(bytes);
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_both_kinds_read_and_wrong_ones_say_why() {
        let faults = parse(&["create:fail".into(), "download:crash".into()]).unwrap();
        assert_eq!(faults.simulator, ["create:fail".parse().unwrap()]);
        assert_eq!(faults.download, Some(FaultMode::Crash));
        for (text, word) in [
            ("create", "OPERATION:MODE"),
            ("crate:fail", "crate"),
            ("download:x", "x"),
        ] {
            let Err(failure) = parse(&[text.to_owned()]) else {
                panic!("{text}")
            };
            assert_eq!(failure.exit_code(), 2);
            assert!(failure.message().unwrap().contains(word), "{failure:?}");
        }
    }
}
