//! Frames on lines that cut, add, damage and drop octets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use proptest::{collection::vec, prelude::*};
use virmo_guest::{Deframer, Frame, FrameKind, HostEnd, Noise, ReplyTooLong};

fn frames() -> impl Strategy<Value = Frame> {
    let kind = prop_oneof![Just(FrameKind::Request), Just(FrameKind::Reply)];
    (kind, any::<u32>(), vec(any::<u8>(), 0..200))
        .prop_map(|(kind, id, payload)| Frame::new(kind, id, payload))
}

/// What a deframer finds in a stream that comes in these pieces.
fn found(pieces: &[&[u8]], max: usize) -> Vec<Result<Frame, Noise>> {
    let mut deframer = Deframer::new(max);
    let mut found = Vec::new();
    for mut piece in pieces.iter().copied() {
        while let Some(next) = deframer.next_frame(&mut piece) {
            found.push(next);
        }
        assert!(piece.is_empty());
    }
    found
}

fn good(found: Vec<Result<Frame, Noise>>) -> Vec<Frame> {
    found.into_iter().filter_map(Result::ok).collect()
}

fn written(frame: &Frame) -> Vec<u8> {
    let mut line = Vec::new();
    frame.write(&mut line);
    line
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn frames_are_found_however_the_line_is_cut_and_whatever_is_between(
        parts in vec((vec(any::<u8>(), 0..60), frames()), 1..5),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut line = Vec::new();
        for (noise, frame) in &parts {
            line.extend(noise);
            frame.write(&mut line);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(line.len())).collect();
        cuts.extend([0, line.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &line[cut[0]..cut[1]]).collect();
        let sent: Vec<Frame> = parts.into_iter().map(|(_, frame)| frame).collect();
        prop_assert_eq!(good(found(&pieces, 200)), sent);
    }

    #[test]
    fn a_line_that_adds_and_changes_control_characters_does_no_harm(
        frame in frames(), extra in vec((any::<prop::sample::Index>(), 0u8..0x20), 0..10),
    ) {
        let mut line = written(&frame);
        prop_assert!(line.iter().all(|octet| *octet >= 0x20));
        for (place, octet) in extra {
            line.insert(place.index(line.len()), octet);
        }
        prop_assert_eq!(good(found(&[&line], 200)), vec![frame]);
    }

    #[test]
    fn a_damaged_or_cut_frame_is_none_and_the_next_one_is_whole(
        broken in frames(), next in frames(), place: prop::sample::Index, flip in 1u8..=255, cut: bool,
    ) {
        let mut line = written(&broken);
        let place = place.index(line.len());
        if cut {
            line.truncate(place);
        } else {
            line[place] ^= flip;
        }
        let before = line.clone();
        next.write(&mut line);
        let got = good(found(&[&line], 200));
        prop_assert_eq!(got.last(), Some(&next));
        // The same frame once more if only a flag was hit, or an octet added to it was dropped.
        prop_assert!(got.len() == 1 || got[0] == broken, "{:02x?}", before);
    }

    #[test]
    fn any_octets_are_read_within_the_maximum(octets in vec(any::<u8>(), 0..600), max in 0usize..64) {
        for found in found(&[&octets], max) {
            prop_assert!(found.is_err() || found.is_ok_and(|frame| frame.payload.len() <= max));
        }
    }

    #[test]
    fn the_maximum_is_exact(frame in frames()) {
        let (line, size) = (written(&frame), frame.payload.len());
        prop_assert_eq!(found(&[&line], size), vec![Ok(frame.clone())]);
        if let Some(less) = size.checked_sub(1) {
            let noise = Noise::TooLong { kind: Some(frame.kind), id: frame.id };
            prop_assert_eq!(found(&[&line], less), vec![Err(noise)]);
        }
    }
}

fn reply(id: u32, payload: &[u8]) -> Vec<u8> {
    written(&Frame::new(FrameKind::Reply, id, payload.to_vec()))
}

#[test]
fn a_late_reply_is_not_taken_for_the_next_one() {
    let mut host = HostEnd::new(u32::MAX);
    let mut line = Vec::new();
    host.request(b"one", 8, &mut line);
    let late = reply(u32::MAX, b"to one");
    assert_eq!(host.receive(&late[..5]), Ok(None));
    host.request(b"two", 8, &mut line);
    assert_eq!(host.receive(&late[5..]), Ok(None));
    // The line echoes what the host sent.
    assert_eq!(host.receive(&line), Ok(None));
    assert_eq!(
        host.receive(&reply(0, b"to two")),
        Ok(Some(b"to two".to_vec()))
    );
    // A second answer to the same request is none.
    assert_eq!(host.receive(&reply(0, b"again")), Ok(None));
}

#[test]
fn only_the_reply_that_is_waited_for_can_be_too_long() {
    let mut host = HostEnd::new(1);
    let mut line = Vec::new();
    host.request(b"one", 4, &mut line);
    host.request(b"two", 4, &mut line);
    assert_eq!(host.receive(&reply(1, b"12345")), Ok(None));
    assert_eq!(host.receive(&reply(2, b"12345")), Err(ReplyTooLong));
    assert_eq!(host.receive(&reply(2, b"1234")), Ok(None));
}
