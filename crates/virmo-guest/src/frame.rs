use std::fmt;

use crate::crc::fcs;

/// Begins and ends a frame.
const FLAG: u8 = 0x7e;
/// Announces an octet that was changed to pass the line.
const ESCAPE: u8 = 0x7d;
/// What an escaped octet is changed by.
const FLIP: u8 = 0x20;
/// The version of the frame, its kind, its id.
const HEAD: usize = 6;
const CHECK: usize = 4;
const VERSION: u8 = 1;

/// One message on a byte stream. Its `Debug` has the length of the payload: there may be a secret in
/// it.
///
/// ```
/// use virmo_guest::{Deframer, Frame, FrameKind};
///
/// let mut line = b"boot: ok\r\n".to_vec();
/// let frame = Frame::new(FrameKind::Request, 7, b"\x02ping".to_vec());
/// frame.write(&mut line);
///
/// let mut deframer = Deframer::new(1024);
/// let mut input = line.as_slice();
/// assert!(deframer.next_frame(&mut input).is_some_and(|noise| noise.is_err()));
/// assert_eq!(deframer.next_frame(&mut input), Some(Ok(frame)));
/// assert_eq!(deframer.next_frame(&mut input), None);
/// ```
///
/// # On the line
///
/// As in PPP [RFC 1662]: a frame is what stands between two flags (7E). In it 7D, 7E and every
/// octet below 20 are sent as 7D and the octet with bit 5 flipped, so that a serial line may use
/// XON and XOFF and turn CR into LF; octets below 20 that were not sent so are no part of the frame
/// and are dropped. Its content is a version (1), the kind (1 a request, 2 a reply), the id in 4
/// octets, the payload, and the frame check sequence of 32 bits over all of that; numbers have the
/// highest octet first. A frame begins with a flag even where one has just ended, so whatever came
/// before it is a frame of its own, and fails its check.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Which way it goes.
    pub kind: FrameKind,
    /// Names a request; its reply has the same.
    pub id: u32,
    /// The message.
    pub payload: Vec<u8>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, id, length) = (self.kind, self.id, self.payload.len());
        write!(f, "Frame({kind:?} {id}, {length} bytes)")
    }
}

/// Which way a [`Frame`] goes. Each end takes one kind only, so a line that echoes does no harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameKind {
    /// From the host to the guest.
    Request,
    /// From the guest to the host.
    Reply,
}

impl Frame {
    /// A frame.
    #[must_use]
    pub const fn new(kind: FrameKind, id: u32, payload: Vec<u8>) -> Self {
        Self { kind, id, payload }
    }

    /// Appends it to what goes out on the line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut content = Vec::with_capacity(HEAD + self.payload.len() + CHECK);
        let kind = match self.kind {
            FrameKind::Request => 1,
            FrameKind::Reply => 2,
        };
        content.extend([VERSION, kind]);
        content.extend(self.id.to_be_bytes());
        content.extend(&self.payload);
        content.extend(fcs(&content).to_be_bytes());
        out.push(FLAG);
        for octet in content {
            match octet {
                FLAG | ESCAPE | 0..0x20 => out.extend([ESCAPE, octet ^ FLIP]),
                _ => out.push(octet),
            }
        }
        out.push(FLAG);
    }

    fn read(content: &[u8]) -> Option<Self> {
        let (content, check) = content.split_last_chunk::<CHECK>()?;
        if fcs(content) != u32::from_be_bytes(*check) {
            return None;
        }
        let (head, payload) = content.split_first_chunk::<HEAD>()?;
        let (kind, id) = read_head(head);
        Some(Self::new(kind?, id, payload.to_vec()))
    }
}

fn read_head(head: &[u8; HEAD]) -> (Option<FrameKind>, u32) {
    let [version, kind, id @ ..] = *head;
    let kind = match (version, kind) {
        (VERSION, 1) => Some(FrameKind::Request),
        (VERSION, 2) => Some(FrameKind::Reply),
        _ => None,
    };
    (kind, u32::from_be_bytes(id))
}

/// Finds the frames in a stream of octets, however it is cut and whatever is between them.
///
/// It holds one frame at most.
#[derive(Clone)]
pub struct Deframer {
    max: usize,
    content: Vec<u8>,
    escaped: bool,
    too_long: bool,
}

impl fmt::Debug for Deframer {
    /// Shows how much came of a frame; there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deframer({} bytes)", self.content.len())
    }
}

/// What stood between two flags and is no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Noise {
    /// It fails its check, is too short or of a version nobody knows: a damaged frame, or never
    /// one.
    #[error("not a frame")]
    Damaged,
    /// It has more octets than the deframer takes. Its check was not made.
    #[error("frame too long")]
    TooLong {
        /// The kind it says it is of, if it is one.
        kind: Option<FrameKind>,
        /// The id it says it has.
        id: u32,
    },
}

impl Deframer {
    /// Takes frames with up to `max_payload` octets of payload.
    #[must_use]
    pub const fn new(max_payload: usize) -> Self {
        Self {
            max: max_payload.saturating_add(HEAD + CHECK),
            content: Vec::new(),
            escaped: false,
            too_long: false,
        }
    }

    /// Takes frames with up to `max_payload` octets of payload from now on.
    pub(crate) const fn limit(&mut self, max_payload: usize) {
        self.max = max_payload.saturating_add(HEAD + CHECK);
    }

    /// Reads on in `input` and takes from it what it has read: up to the end of the next frame, or
    /// of something that is none, or all.
    pub fn next_frame(&mut self, input: &mut &[u8]) -> Option<Result<Frame, Noise>> {
        while let Some((octet, rest)) = input.split_first() {
            *input = rest;
            match *octet {
                FLAG => {
                    if let Some(found) = self.end() {
                        return Some(found);
                    }
                }
                ESCAPE => self.escaped = true,
                // Not sent by the other end.
                0..0x20 => {}
                octet if self.escaped => {
                    self.escaped = false;
                    self.take(octet ^ FLIP);
                }
                octet => self.take(octet),
            }
        }
        None
    }

    fn take(&mut self, octet: u8) {
        if self.content.len() < self.max {
            self.content.push(octet);
        } else {
            self.too_long = true;
        }
    }

    /// What a flag ends; nothing if another has just gone before it.
    fn end(&mut self) -> Option<Result<Frame, Noise>> {
        let content = std::mem::take(&mut self.content);
        let too_long = std::mem::take(&mut self.too_long);
        // A flag right after an escape: the sender gave the frame up.
        let given_up = std::mem::take(&mut self.escaped);
        if too_long {
            let (kind, id) = content.first_chunk().map_or((None, 0), read_head);
            Some(Err(Noise::TooLong { kind, id }))
        } else if given_up {
            Some(Err(Noise::Damaged))
        } else if content.is_empty() {
            None
        } else {
            Some(Frame::read(&content).ok_or(Noise::Damaged))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_these_octets() {
        let mut line = Vec::new();
        Frame::new(FrameKind::Reply, 0x0102_7e41, b"a\x7d\n".to_vec()).write(&mut line);
        let content = [1, 2, 1, 2, 0x7e, 0x41, b'a', 0x7d, b'\n'];
        let check = fcs(&content).to_be_bytes();
        let mut expected = vec![
            0x7e, 0x7d, 0x21, 0x7d, 0x22, 0x7d, 0x21, 0x7d, 0x22, 0x7d, 0x5e, 0x41, b'a', 0x7d,
            0x5d, 0x7d, 0x2a,
        ];
        for octet in check {
            match octet {
                0x7e | 0x7d | 0..0x20 => expected.extend([0x7d, octet ^ 0x20]),
                _ => expected.push(octet),
            }
        }
        expected.push(0x7e);
        assert_eq!(line, expected);
    }

    #[test]
    fn only_this_version_and_known_kinds_are_frames() {
        let read = |content: &[u8]| {
            let check = fcs(content).to_be_bytes();
            Frame::read(&[content, &check].concat())
        };
        assert!(read(&[1, 1, 0, 0, 0, 0]).is_some());
        for content in [
            &[2, 1, 0, 0, 0, 0][..],
            &[1, 3, 0, 0, 0, 0],
            &[1, 1, 0, 0, 0],
            &[],
        ] {
            assert_eq!(read(content), None, "{content:?}");
        }
    }
}
