//! Messages to the guest and its answers.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    sync::TryLockError,
    time::{Duration, Instant},
};

use virmo_guest::HostEnd;
use virmo_hypervisor::{
    GuestChannel, HypervisorError, HypervisorErrorKind as Kind, MachineState, backend::wait_for,
};
use virmo_state::VmId;

use crate::Qemu;

impl GuestChannel for Qemu {
    fn exchange(
        &self,
        id: &VmId,
        message: &[u8],
        within: Duration,
        max_reply: usize,
        over: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, HypervisorError> {
        let deadline = Instant::now() + within;
        let state = self.machine(id)?.1;
        if state != MachineState::Running {
            return Err(HypervisorError::invalid_state(state));
        }
        let turns = self.turns(id);
        let mut turn = None;
        wait_for(within, || {
            turn = match turns.channel.try_lock() {
                Ok(turn) => Some(turn),
                Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            Ok::<_, HypervisorError>(turn.is_some() || over())
        })?;
        let Some(mut end) = turn else {
            let error = HypervisorError::new(Kind::Timeout {
                may_have_happened: false,
            });
            return Err(error.because(match over() {
                true => TAKEN_BACK,
                false => "the guest is still busy with another message",
            }));
        };
        let mut out = Vec::new();
        end.request(message, max_reply, &mut out);
        let socket = self.folder(id).channel();
        let answer = UnixStream::connect(socket)
            .map_err(Broken::Io)
            .and_then(|line| talk(line, &out, &mut end, deadline, over));
        answer.map_err(|broken| match broken {
            Broken::Silent => HypervisorError::new(Kind::Timeout {
                may_have_happened: true,
            })
            .because("the guest does not answer"),
            Broken::TakenBack => HypervisorError::new(Kind::Timeout {
                may_have_happened: true,
            })
            .because(TAKEN_BACK),
            Broken::TooLong => HypervisorError::new(Kind::Backend).because(format!(
                "the guest's answer has more than {max_reply} octets"
            )),
            Broken::Io(error) => match self.machine(id) {
                Ok((_, state)) if state != MachineState::Running => {
                    HypervisorError::invalid_state(state)
                }
                _ => HypervisorError::new(Kind::Backend)
                    .because("the channel to the guest broke")
                    .caused_by(error),
            },
        })
    }
}

const TAKEN_BACK: &str = "nobody waits for the answer any more";

/// How often it is asked whether anybody does.
const LOOK: Duration = Duration::from_millis(200);

/// Why there is no answer.
enum Broken {
    Silent,
    TakenBack,
    TooLong,
    Io(std::io::Error),
}

/// Says something and waits for the reply.
fn talk(
    mut line: UnixStream,
    out: &[u8],
    end: &mut HostEnd,
    deadline: Instant,
    over: &dyn Fn() -> bool,
) -> Result<Vec<u8>, Broken> {
    let rest = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(Broken::Silent),
        _ if over() => Err(Broken::TakenBack),
        rest => Ok(Some(rest.min(LOOK))),
    };
    let again = |error: &std::io::Error| {
        matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        )
    };
    let mut unsent = out;
    while !unsent.is_empty() {
        line.set_write_timeout(rest()?).map_err(Broken::Io)?;
        match line.write(unsent) {
            Ok(sent) => unsent = unsent.get(sent..).unwrap_or_default(),
            Err(error) if again(&error) => {}
            Err(error) => return Err(Broken::Io(error)),
        }
    }
    let mut piece = [0; 4096];
    loop {
        line.set_read_timeout(rest()?).map_err(Broken::Io)?;
        match line.read(&mut piece) {
            Ok(0) => return Err(Broken::Io(ErrorKind::UnexpectedEof.into())),
            Ok(read) => {
                let read = piece.get(..read).unwrap_or_default();
                match end.receive(read) {
                    Ok(Some(reply)) => return Ok(reply),
                    Ok(None) => {}
                    Err(_) => return Err(Broken::TooLong),
                }
            }
            Err(error) if again(&error) => {}
            Err(error) => return Err(Broken::Io(error)),
        }
    }
}
