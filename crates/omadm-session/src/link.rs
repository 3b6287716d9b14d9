use std::{borrow::Cow, sync::Arc};

use omadm_syncml::{Header, Location, Version};

/// The default of the largest message an end announces it can take, in bytes: 65,536.
pub const MAX_MESSAGE_SIZE: u32 = 1 << 16;

/// The default of the largest object an end announces it can take, in bytes: 1 MiB.
pub const MAX_OBJECT_SIZE: u32 = 1 << 20;

/// What the peer is taken to receive until it says so by MaxMsgSize, in bytes: 5,000, as in the
/// samples of the specification, which leaves it open. [DM-Protocol]
pub const ASSUMED_MESSAGE_SIZE: u32 = 5000;

/// A session as one end sees it: who talks to whom, the counters of both directions, and the sizes
/// the peer announced. [DM-Protocol]
///
/// ```
/// use omadm_session::{Incoming, Link};
/// use omadm_syncml::Header;
///
/// let mut link = Link::new("1F", "https://dm.example/dm", "urn:x:dev1");
/// let header = Header::new("1F", 1, "https://dm.example/dm", "urn:x:dev1");
/// assert_eq!(link.check(&header), Incoming::New);
/// link.receive(&header);
/// assert_eq!(link.check(&header), Incoming::Duplicate);
/// assert_eq!(link.next_header().msg_id, 1);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    session_id: Arc<str>,
    local: Arc<Location<'static>>,
    remote: Location<'static>,
    sent: u32,
    received: u32,
    /// The sizes to announce, until they were.
    announced: Option<(u32, u32)>,
    version: Version,
    peer_message_size: Option<u32>,
    peer_object_size: Option<u32>,
}

/// How a received header relates to what came before: [`Link::check`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incoming {
    /// The message that was expected.
    New,
    /// The last message again: what was answered is to be sent again, nothing to be executed.
    Duplicate,
    /// Neither the last message nor the one after it.
    OutOfOrder {
        /// The MsgID that was expected.
        expected: u32,
    },
    /// A message of another session.
    OtherSession,
}

impl Link {
    /// A session in which nothing was sent yet, from `local` to `remote`.
    ///
    /// A `LocName` in `local` is the user name of MD5 and MAC credentials.
    pub fn new(
        session_id: impl Into<Arc<str>>,
        local: impl Into<Location<'static>>,
        remote: impl Into<Location<'static>>,
    ) -> Self {
        Self {
            session_id: session_id.into(),
            local: Arc::new(local.into()),
            remote: remote.into(),
            sent: 0,
            received: 0,
            announced: Some((MAX_MESSAGE_SIZE, MAX_OBJECT_SIZE)),
            version: Version::default(),
            peer_message_size: None,
            peer_object_size: None,
        }
    }

    /// Announces these sizes instead of [`MAX_MESSAGE_SIZE`] and [`MAX_OBJECT_SIZE`], in bytes.
    #[must_use]
    pub const fn with_sizes(mut self, message: u32, object: u32) -> Self {
        self.announced = Some((message, object));
        self
    }

    /// Goes on from this many messages that this end sent before, without keeping a session.
    #[must_use]
    pub const fn with_sent(mut self, messages: u32) -> Self {
        self.sent = messages;
        self
    }

    /// Keeps its address where those of other sessions are kept, if it is that of the last of
    /// them, and becomes the last.
    #[must_use]
    pub fn sharing(mut self, last: &mut Arc<Location<'static>>) -> Self {
        match self.local == *last {
            true => self.local = Arc::clone(last),
            false => *last = Arc::clone(&self.local),
        }
        self
    }

    /// Speaks this version instead of DM 1.2.
    #[must_use]
    pub const fn with_version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Speaks this version from now on.
    pub const fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Notes a message that is being processed: its MsgID and the sizes it announces.
    pub fn receive(&mut self, header: &Header<'_>) {
        self.received = header.msg_id;
        let size = |size: Option<u64>| Some(u32::try_from(size?).unwrap_or(u32::MAX));
        self.peer_message_size = size(header.meta.max_msg_size).or(self.peer_message_size);
        self.peer_object_size = size(header.meta.max_obj_size).or(self.peer_object_size);
    }

    /// The header of the next message this end sends, without credentials and RespURI.
    ///
    /// The first one announces MaxMsgSize and MaxObjSize; they stay in force for the session.
    pub fn next_header(&mut self) -> Header<'_> {
        self.sent = self.sent.saturating_add(1);
        let mut header = Header::new(
            &*self.session_id,
            self.sent,
            self.remote.borrow(),
            self.local.borrow(),
        );
        header.ver_proto = Cow::Borrowed(self.version.as_str());
        if let Some((message, object)) = self.announced.take() {
            header.meta = header
                .meta
                .with_max_msg_size(message.into())
                .with_max_obj_size(object.into());
        }
        header
    }

    /// How this header relates to what was received so far; changes nothing.
    #[must_use]
    pub fn check(&self, header: &Header<'_>) -> Incoming {
        let expected = self.received.saturating_add(1);
        if *header.session_id != *self.session_id {
            Incoming::OtherSession
        } else if header.msg_id == expected {
            Incoming::New
        } else if header.msg_id == self.received {
            Incoming::Duplicate
        } else {
            Incoming::OutOfOrder { expected }
        }
    }

    /// The version this end speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The SessionID.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The address of this end.
    #[must_use]
    pub fn local(&self) -> &Location<'static> {
        &self.local
    }

    /// The address of the peer.
    #[must_use]
    pub const fn remote(&self) -> &Location<'static> {
        &self.remote
    }

    /// The MsgID of the last message this end sent; 0 before the first one.
    #[must_use]
    pub const fn last_sent(&self) -> u32 {
        self.sent
    }

    /// The MsgID of the last message [received](Self::receive); 0 before the first one.
    #[must_use]
    pub const fn last_received(&self) -> u32 {
        self.received
    }

    /// The size in bytes that a message to the peer must not exceed: what it announced, else
    /// [`ASSUMED_MESSAGE_SIZE`].
    #[must_use]
    pub fn max_message_size(&self) -> usize {
        let size = self.peer_message_size.unwrap_or(ASSUMED_MESSAGE_SIZE);
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    /// The size in bytes that an object to the peer must not exceed, if it announced one; at
    /// most [`u32::MAX`].
    #[must_use]
    pub fn max_object_size(&self) -> Option<u64> {
        self.peer_object_size.map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link::new("1", "server", "device").with_sizes(1000, 2000)
    }

    fn header(session: &str, msg_id: u32) -> Header<'_> {
        Header::new(session, msg_id, "server", "device")
    }

    #[test]
    fn incoming_messages_are_counted_from_one() {
        let mut link = link();
        assert_eq!(link.check(&header("1", 1)), Incoming::New);
        assert_eq!(link.check(&header("2", 1)), Incoming::OtherSession);
        link.receive(&header("1", 1));
        link.receive(&header("1", 2));
        let seen = [1, 2, 3, 4].map(|id| link.check(&header("1", id)));
        assert_eq!(
            seen,
            [
                Incoming::OutOfOrder { expected: 3 },
                Incoming::Duplicate,
                Incoming::New,
                Incoming::OutOfOrder { expected: 3 },
            ]
        );
    }

    #[test]
    fn only_the_first_header_announces_sizes() {
        let mut link = link();
        assert_eq!(link.session_id(), "1");
        let first = link.next_header();
        assert_eq!((first.msg_id, &*first.session_id), (1, "1"));
        assert_eq!(
            (&*first.target.uri, &*first.source.uri),
            ("device", "server")
        );
        assert_eq!(first.meta.max_msg_size, Some(1000));
        assert_eq!(first.meta.max_obj_size, Some(2000));
        assert_eq!(first.ver_proto, "DM/1.2");
        link.set_version(Version::Dm13);
        let second = link.next_header();
        assert_eq!((second.msg_id, &*second.ver_proto), (2, "DM/1.3"));
        assert!(second.meta.is_empty());
        assert_eq!(link.last_sent(), 2);
    }

    #[test]
    fn sessions_share_what_they_are_called() {
        let mut last = Arc::new(Location::new(""));
        let of =
            |address: &str, last: &mut _| Link::new("1", address.to_owned(), "d").sharing(last);
        let [a, b, c, d] = ["x", "x", "y", "x"].map(|address| of(address, &mut last));
        assert!(Arc::ptr_eq(&a.local, &b.local));
        assert!([&c, &d].iter().all(|it| !Arc::ptr_eq(&a.local, &it.local)));
        assert_eq!(
            [&a, &b, &c, &d].map(|it| &*it.local().uri),
            ["x", "x", "y", "x"]
        );
    }

    #[test]
    fn sizes_of_the_peer_stay_in_force_until_replaced() {
        let mut link = link();
        assert_eq!(link.max_message_size(), 5000);
        let mut announcing = header("1", 1);
        announcing.meta = announcing.meta.with_max_msg_size(6000).with_max_obj_size(7);
        link.receive(&announcing);
        link.receive(&header("1", 2));
        assert_eq!(link.max_message_size(), 6000);
        assert_eq!(link.max_object_size(), Some(7));
        announcing.meta = announcing.meta.with_max_msg_size(4000);
        link.receive(&announcing);
        assert_eq!(link.max_message_size(), 4000);
    }
}
