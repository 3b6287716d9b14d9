//! The packer fills messages to the byte and never changes what is in them already.

#![allow(clippy::unwrap_used, reason = "test code")]

use omadm_core::StatusCode;
use omadm_session::{Fit, LargeObject, Link, Packer, header_status, request};
use omadm_syncml::{Command, Encoding, Header, Limits, Message, decode};
use omadm_testkit::encoding;
use proptest::prelude::*;

fn header() -> Header<'static> {
    let mut link = Link::new("1", "https://dm.example", "dev1");
    link.next_header().into_owned()
}

fn status() -> Command<'static> {
    Command::Status(header_status(&header(), StatusCode::OK))
}

fn value(length: usize) -> Command<'static> {
    request::replace("./A", "v".repeat(length).into())
}

fn read(bytes: &[u8]) -> Message<'static> {
    let message = decode(bytes, encoding(), &Limits::default()).unwrap();
    message.into_owned()
}

/// The size of a message of the Status and these values.
fn size(lengths: &[usize]) -> usize {
    let mut out = Vec::new();
    let mut packer = Packer::new(&header(), encoding(), usize::MAX, &mut out).unwrap();
    packer.require(&mut status()).unwrap();
    for length in lengths {
        packer.push(&mut value(*length)).unwrap();
    }
    packer.finish(true);
    out.len()
}

#[test]
fn the_limit_is_met_to_the_byte() {
    let exact = size(&[10, 20]);
    for (limit, second) in [(exact, true), (exact - 1, false), (exact + 1, true)] {
        let mut out = Vec::new();
        let mut packer = Packer::new(&header(), encoding(), limit, &mut out).unwrap();
        packer.require(&mut status()).unwrap();
        assert!(matches!(packer.push(&mut value(10)).unwrap(), Fit::Packed(id) if id.get() == 2));
        let fit = packer.push(&mut value(20)).unwrap();
        assert_eq!(matches!(fit, Fit::Packed(id) if id.get() == 3), second);
        assert_eq!(fit == Fit::Full, !second);
        packer.finish(true);
        assert!(out.len() <= limit);
    }
}

#[test]
fn what_fits_no_message_is_told_apart_from_what_fits_no_more() {
    let limit = size(&[100]);
    let mut out = Vec::new();
    let mut packer = Packer::new(&header(), encoding(), limit, &mut out).unwrap();
    packer.require(&mut status()).unwrap();
    assert_eq!(packer.push(&mut value(101)).unwrap(), Fit::Never);
    assert!(matches!(
        packer.push(&mut value(50)).unwrap(),
        Fit::Packed(_)
    ));
    assert_eq!(packer.push(&mut value(100)).unwrap(), Fit::Full);
    packer.finish(false);
    let message = read(&out);
    assert_eq!(message.commands.len(), 2);
    assert!(!message.is_final);
}

#[test]
fn a_reserve_is_kept_for_what_is_required_later() {
    let limit = size(&[100]);
    let mut out = Vec::new();
    let mut packer = Packer::new(&header(), encoding(), limit, &mut out).unwrap();
    packer.reserve(1);
    packer.require(&mut status()).unwrap();
    assert_eq!(packer.push(&mut value(100)).unwrap(), Fit::Never);
    // What is required goes in whatever the limit.
    let id = packer.require(&mut value(1000)).unwrap();
    assert_eq!(id.get(), 2);
    packer.finish(true);
    assert_eq!(read(&out).commands.len(), 2);
}

#[test]
fn room_is_kept_for_the_next_chunk_of_an_object() {
    // Each of the two fits alone, a chunk beside the first does not.
    let limit = size(&[400]);
    for is_kept in [true, false] {
        let mut object = LargeObject::new(value(5000)).unwrap();
        let mut out = Vec::new();
        let mut packer = Packer::new(&header(), encoding(), limit, &mut out).unwrap();
        packer.require(&mut status()).unwrap();
        if is_kept {
            packer.reserve_chunk(&object);
        }
        let other = packer.push(&mut value(400)).unwrap();
        assert_eq!(other == Fit::Full, is_kept);
        let chunk = packer.push_chunk(&mut object).unwrap();
        assert_eq!(matches!(chunk, Fit::Packed(_)), is_kept);
    }
}

#[test]
fn what_is_required_tells_when_it_is_beyond_the_limit() {
    let exact = size(&[100]);
    for (limit, over) in [
        (exact - 2, true),
        (exact - 1, true),
        (exact, false),
        (exact + 1, false),
    ] {
        let mut out = Vec::new();
        let mut packer = Packer::new(&header(), encoding(), limit, &mut out).unwrap();
        packer.require(&mut status()).unwrap();
        assert!(!packer.is_over());
        packer.require(&mut value(100)).unwrap();
        assert_eq!(packer.is_over(), over);
        packer.reserve(1);
        assert_eq!(packer.is_over(), limit <= exact);
    }
}

#[test]
fn a_command_that_cannot_be_written_leaves_no_trace() {
    let mut out = Vec::new();
    let mut packer = Packer::new(&header(), Encoding::Xml, usize::MAX, &mut out).unwrap();
    packer.require(&mut status()).unwrap();
    let mut bell = request::replace("./A", "\u{7}".into());
    packer.push(&mut bell).unwrap_err();
    packer.require(&mut bell).unwrap_err();
    assert!(matches!(packer.push(&mut value(1)).unwrap(), Fit::Packed(id) if id.get() == 2));
    packer.finish(true);
    let message = decode(&out, Encoding::Xml, &Limits::default()).unwrap();
    assert_eq!(message.commands.len(), 2);
}

#[test]
fn a_packer_that_is_not_finished_leaves_nothing() {
    let mut out = b"before".to_vec();
    let mut packer = Packer::new(&header(), encoding(), 5000, &mut out).unwrap();
    packer.require(&mut status()).unwrap();
    drop(packer);
    assert_eq!(out, b"before");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_are_full_and_hold_what_was_packed(
        limit in 200usize..3000,
        lengths in prop::collection::vec(0usize..900, 0..20),
    ) {
        let mut out = Vec::new();
        let mut packer = Packer::new(&header(), encoding(), limit, &mut out).unwrap();
        packer.require(&mut status()).unwrap();
        let mut packed = Vec::new();
        for length in &lengths {
            let mut command = value(*length);
            let mut more = packed.clone();
            more.push(*length);
            match packer.push(&mut command).unwrap() {
                Fit::Packed(id) => {
                    prop_assert_eq!(command.cmd_id(), Some(id));
                    prop_assert!(size(&more) <= limit);
                    packed = more;
                }
                full_or_never => {
                    let never = full_or_never == Fit::Never;
                    prop_assert_eq!(never, packed.is_empty());
                    prop_assert!(size(&more) > limit);
                }
            }
        }
        packer.finish(true);
        prop_assert_eq!(out.len(), size(&packed));
        let message = read(&out);
        let ids = message.commands.iter().map(|it| it.cmd_id().unwrap().get());
        let ids: Vec<u32> = ids.collect();
        let expected: Vec<u32> = (1..).take(packed.len() + 1).collect();
        prop_assert_eq!(ids, expected);
    }
}

#[test]
fn all_of_this_over_wbxml_too() {
    omadm_testkit::again_over_wbxml();
}
