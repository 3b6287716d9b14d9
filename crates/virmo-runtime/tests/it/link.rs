//! Links that lose, repeat and break.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use omadm_client::{Request, SessionEnd, TransportFailure};
use omadm_download::Cancel;
use omadm_http::{ClientConfig, HttpTransport};
use omadm_testkit::from_wire;
use virmo_runtime::{ExchangeError, Reply, RunError, Transport, Until};

use crate::bench::{Bench, Played, config, life, played, reports, states};

/// What becomes of a message and its answer.
#[derive(Clone, Copy)]
enum Luck {
    Good,
    /// The message does not arrive.
    Lost,
    /// The answer does not.
    Unheard,
    /// The answer to the message before comes in its place.
    Stale,
}

/// A link to a real server that has luck in turns.
struct Link {
    http: HttpTransport,
    state: Mutex<(VecDeque<Luck>, Option<Reply>)>,
}

impl Transport for Link {
    fn exchange(&self, request: &Request, cancel: &Cancel) -> Result<Reply, ExchangeError> {
        let (luck, last) = &mut *self.state.lock().unwrap();
        luck.rotate_left(1);
        if from_wire(&request.body).contains("<MsgID>1</MsgID>") {
            // What was answered in another session would end this one, and rightly so.
            *last = None;
        }
        match luck.back().copied().unwrap() {
            Luck::Lost => Err(TransportFailure::Lost.into()),
            Luck::Unheard => {
                *last = Some(self.http.exchange(request, cancel)?);
                Err(TransportFailure::Lost.into())
            }
            Luck::Stale if last.is_some() => {
                let stale = last.clone().unwrap();
                *last = Some(self.http.exchange(request, cancel)?);
                Ok(stale)
            }
            Luck::Stale | Luck::Good => {
                let reply = self.http.exchange(request, cancel)?;
                *last = Some(reply.clone());
                Ok(reply)
            }
        }
    }
}

/// Every command is executed once, whatever gets lost and comes twice.
#[test]
fn what_gets_lost_or_comes_twice_does_not_matter() {
    use Luck::{Good, Lost, Stale, Unheard};
    for luck in [
        vec![Lost, Good],
        vec![Unheard, Good],
        vec![Lost, Unheard, Lost, Good],
        vec![Good, Unheard, Unheard, Good, Lost],
        // An old answer is met with the message it was not the answer to.
        vec![Good, Good, Stale],
    ] {
        let bench = Bench::new();
        bench.put_image("i", 50_000);
        let (server, told) = bench.server(|_, images| life(images));
        let link = Link {
            http: HttpTransport::new(ClientConfig::default()),
            state: Mutex::new((luck.into(), None)),
        };
        let (builder, events) = bench.device(config(&server.url()));
        let mut device = builder.transport(Arc::new(link)).build().unwrap();
        device.run(Until::Idle).unwrap();
        let reports = reports(&told);
        assert_eq!(reports.len(), 8);
        assert!(reports.iter().all(|(_, ok, _)| *ok), "{reports:?}");
        let events: Vec<_> = events.try_iter().collect();
        assert_eq!(states(&events).len(), 9, "{:?}", states(&events));
    }
}

#[test]
fn a_link_that_never_works_ends_the_session() {
    let bench = Bench::new();
    let tries = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&tries);
    let link = Played::new(move |message| {
        seen.lock().unwrap().push(message.clone());
        Err(TransportFailure::Lost)
    });
    let (builder, _events) = bench.device(played());
    let mut device = builder.transport(link).build().unwrap();
    for until in [Until::SessionEnds, Until::Idle] {
        let failed = device.run(until);
        let Err(RunError::Session(SessionEnd::TransportFailed(TransportFailure::Lost))) = failed
        else {
            panic!("{failed:?}")
        };
    }
    let tries = tries.lock().unwrap();
    assert_eq!(tries.len(), 14, "each session tries seven times");
    assert!(tries[..7].iter().all(|message| *message == tries[0]));
}

#[test]
fn a_link_that_panics_ends_the_session() {
    let bench = Bench::new();
    let link = Played::new(|_| panic!("on purpose"));
    let (builder, _events) = bench.device(played());
    let failed = builder.transport(link).build().unwrap().run(Until::Idle);
    assert_eq!(
        failed.unwrap_err().to_string(),
        "the session failed: the transport refused the message"
    );
}
