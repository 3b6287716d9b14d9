use std::collections::VecDeque;

use omadm_syncml::Command;

/// The answers to received commands, in the order of the commands. [DM-RepPro]
///
/// A command that is answered at once is [pushed](Outbox::push); one whose answer comes later
/// [reserves](Outbox::reserve) its place, and what follows waits behind it. The Status of the
/// header is not here: every message carries its own first.
///
/// ```
/// use omadm_core::StatusCode;
/// use omadm_session::Outbox;
/// use omadm_syncml::{CmdId, Command, Status};
///
/// let status = |id| {
///     let id = CmdId::new(id).unwrap_or(CmdId::FIRST);
///     Command::Status(Status::new(1, id, "Exec", StatusCode::OK))
/// };
/// let mut outbox = Outbox::new();
/// let pending = outbox.reserve();
/// outbox.push([status(3)]);
/// assert!(outbox.front_mut().is_none() && outbox.is_blocked());
/// assert!(outbox.answer(pending, [status(2)]));
/// assert_eq!(outbox.pop_front(), Some(status(2)));
/// assert_eq!(outbox.pop_front(), Some(status(3)));
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outbox {
    slots: VecDeque<Slot>,
    /// The id of the first slot; ids count on, so that an old one never means a new slot.
    first: u64,
}

#[derive(Clone, PartialEq, Debug)]
enum Slot {
    Reserved,
    Answered(VecDeque<Command<'static>>),
}

/// The place of a command whose answer comes later: [`Outbox::reserve`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotId(u64);

impl Outbox {
    /// Nothing to send.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the answers to one command: its Status, one for each Item if they differ, then its
    /// Results.
    pub fn push(&mut self, answers: impl IntoIterator<Item = Command<'static>>) {
        self.slots
            .push_back(Slot::Answered(answers.into_iter().collect()));
    }

    /// Keeps the place of a command that is answered later.
    pub fn reserve(&mut self) -> SlotId {
        let id = SlotId(self.first.saturating_add(self.slots.len() as u64));
        self.slots.push_back(Slot::Reserved);
        id
    }

    /// Fills a reserved place; whether it was still open.
    pub fn answer(
        &mut self,
        slot: SlotId,
        answers: impl IntoIterator<Item = Command<'static>>,
    ) -> bool {
        let place = slot
            .0
            .checked_sub(self.first)
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| self.slots.get_mut(index));
        match place {
            Some(place @ Slot::Reserved) => {
                *place = Slot::Answered(answers.into_iter().collect());
                true
            }
            _ => false,
        }
    }

    /// The next element that may be sent; none if there is nothing or the next command is not
    /// answered yet.
    pub fn front_mut(&mut self) -> Option<&mut Command<'static>> {
        self.skip_empty();
        match self.slots.front_mut()? {
            Slot::Answered(answers) => answers.front_mut(),
            Slot::Reserved => None,
        }
    }

    /// Takes the next element that may be sent.
    pub fn pop_front(&mut self) -> Option<Command<'static>> {
        self.skip_empty();
        match self.slots.front_mut()? {
            Slot::Answered(answers) => answers.pop_front(),
            Slot::Reserved => None,
        }
    }

    /// Whether some command still waits for its answer.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.slots.contains(&Slot::Reserved)
    }

    /// Whether there is nothing to send, now or later.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots
            .iter()
            .all(|slot| matches!(slot, Slot::Answered(answers) if answers.is_empty()))
    }

    fn skip_empty(&mut self) {
        while matches!(self.slots.front(), Some(Slot::Answered(answers)) if answers.is_empty()) {
            self.slots.pop_front();
            self.first = self.first.saturating_add(1);
        }
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::StatusCode;
    use omadm_syncml::{CmdId, Status};

    use super::*;

    fn status(id: u32) -> Command<'static> {
        Command::Status(Status::new(
            1,
            CmdId::new(id).unwrap(),
            "Get",
            StatusCode::OK,
        ))
    }

    fn drain(outbox: &mut Outbox) -> Vec<Command<'static>> {
        std::iter::from_fn(|| outbox.pop_front()).collect()
    }

    #[test]
    fn answers_leave_in_the_order_of_the_commands() {
        let mut outbox = Outbox::new();
        outbox.push([status(1)]);
        let second = outbox.reserve();
        let third = outbox.reserve();
        outbox.push([]);
        outbox.push([status(5), status(50)]);
        assert!(outbox.answer(third, [status(3)]));
        assert_eq!(drain(&mut outbox), [status(1)]);
        assert!(outbox.is_blocked() && !outbox.is_empty());
        assert!(outbox.answer(second, [status(2)]));
        assert_eq!(
            drain(&mut outbox),
            [status(2), status(3), status(5), status(50)]
        );
        assert!(!outbox.is_blocked() && outbox.is_empty());
    }

    #[test]
    fn a_place_is_filled_once_and_never_reused() {
        let mut outbox = Outbox::new();
        let first = outbox.reserve();
        assert!(outbox.answer(first, [status(1)]));
        assert!(!outbox.answer(first, [status(9)]));
        assert_eq!(drain(&mut outbox), [status(1)]);
        assert!(outbox.front_mut().is_none());
        let second = outbox.reserve();
        assert_ne!(first, second);
        assert!(!outbox.answer(first, [status(9)]));
        assert!(outbox.answer(second, []));
        assert!(outbox.is_empty());
    }
}
