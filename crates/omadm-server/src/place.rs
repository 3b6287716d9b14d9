use omadm_core::{ClientEvent, GenericAlert};
use omadm_session::Report;

/// How far a device has come with its [steps](crate::Server::enqueue_step).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Place {
    /// The reports of the steps that are over, in their order. Of those of an earlier engine, texts
    /// longer than [`Place::LONGEST_TEXT`] are left out.
    pub finished: Vec<Report>,
    /// Whether the step after those was begun, so that the device may have executed some of it.
    pub begun: bool,
    /// The alerts an earlier engine reported last, whose Status the device was not known to have
    /// when that engine ended. Where it was killed before anybody heard of them, they are here and
    /// nowhere else.
    pub alerts: Vec<GenericAlert>,
    /// The same of client events.
    pub events: Vec<ClientEvent>,
}

impl Place {
    /// The longest text of a report that outlives the engine, in bytes: 4,096. The names of
    /// children count as one text.
    pub const LONGEST_TEXT: usize = 4096;
}
