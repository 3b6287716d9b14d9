use rustix::process::{Resource, getrlimit, setrlimit};

use crate::failure::Failure;

/// A connection for messages and one for an image.
const OF_A_SESSION: u64 = 2;

/// What the process has open besides, amply.
const OTHERS: u64 = 64;

/// Sees to it that this process may open what so many sessions at once need: up to the hard limit
/// it lets itself have more.
pub(super) fn allow(sessions: u16) -> Result<(), Failure> {
    let need = OTHERS + OF_A_SESSION * u64::from(sessions);
    let mut limit = getrlimit(Resource::Nofile);
    let suffices = |most: Option<u64>| most.is_none_or(|most| most >= need);
    if suffices(limit.current) {
        return Ok(());
    }
    let too_few = |most: Option<u64>| {
        let most = most.unwrap_or_default();
        let enough = match most.saturating_sub(OTHERS) / OF_A_SESSION {
            0 => "too few for any".to_owned(),
            sessions => format!("enough for --concurrency {sessions}"),
        };
        Failure::work(format_args!(
            "{sessions} sessions at once need {need} open files, and this process may have {most} \
             (ulimit -n): that is {enough}"
        ))
    };
    if !suffices(limit.maximum) {
        return Err(too_few(limit.maximum));
    }
    let before = limit.current.replace(need);
    setrlimit(Resource::Nofile, limit).map_err(|_| too_few(before))
}
