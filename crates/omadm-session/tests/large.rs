//! What is cut into chunks is put together as it was, within any size of messages.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use omadm_core::{Format, StatusCode};
use omadm_session::{
    Assembler, Fit, LargeObject, Link, MIN_CHUNK, Packer, Taken, data_size, header_status, request,
    request::Leaf,
};
use omadm_syncml::{Command, Data, Encoding, Limits, decode};
use proptest::prelude::*;

/// How a value came over.
#[derive(Debug)]
struct Carried {
    whole: Command<'static>,
    /// The Data of each chunk.
    chunks: Vec<Data<'static>>,
}

/// Carries a value in messages of at most `limit` bytes; none if not even the smallest chunk fits.
fn carry(leaf: Leaf, limit: usize, encoding: Encoding) -> Option<Carried> {
    let command = request::replace("./A", leaf);
    let size = data_size(command.items()[0].data.as_ref().unwrap());
    let mut object = LargeObject::new(command).unwrap();
    assert_eq!(object.size(), size);
    let mut assembler = Assembler::new(size);
    let mut link = Link::new("1", "https://dm.example", "dev1");
    let mut chunks = Vec::new();
    loop {
        let header = link.next_header();
        let mut body = Vec::new();
        let mut packer = Packer::new(&header, encoding, limit, &mut body).unwrap();
        let status = header_status(&header, StatusCode::OK);
        packer.require(&mut Command::Status(status)).unwrap();
        match packer.push_chunk(&mut object).unwrap() {
            Fit::Packed(_) => packer.finish(object.is_complete()),
            Fit::Full => panic!("nothing else is there"),
            Fit::Never => return None,
        }
        assert!(body.len() <= limit, "{} of {limit}", body.len());
        let message = decode(&body, encoding, &Limits::default()).unwrap();
        let command = &message.commands[1];
        let item = &command.items()[0];
        chunks.push(item.data.clone().unwrap_or("".into()).into_owned());
        match assembler.take(command) {
            Taken::Answered(StatusCode::CHUNK_ACCEPTED) => assert!(!object.is_complete()),
            Taken::Complete(whole) => {
                assert!(object.is_complete());
                return Some(Carried {
                    whole: *whole,
                    chunks,
                });
            }
            // All of it fit.
            Taken::Whole => {
                let whole = command.clone().into_owned();
                return Some(Carried { whole, chunks });
            }
            Taken::Answered(code) => panic!("{code:?}"),
        }
        assert_eq!(assembler.end_message(false), None);
    }
}

fn octets(data: &Data<'_>) -> Vec<u8> {
    match data {
        Data::Opaque(octets) => octets.to_vec(),
        data => data.as_text().unwrap().as_bytes().to_vec(),
    }
}

#[test]
fn messages_are_full() {
    for (encoding, overhead) in [(Encoding::Xml, 600), (Encoding::Wbxml, 200)] {
        let carried = carry("x".repeat(100_000).into(), 5000, encoding).unwrap();
        let most = 100_000usize.div_ceil(5000 - overhead);
        assert!(
            carried.chunks.len() <= most,
            "{} of {most}",
            carried.chunks.len()
        );
    }
}

/// Characters that take six bytes for one are found out with little less room used.
#[test]
fn escapes_are_counted() {
    let carried = carry("&<\r".repeat(10_000).into(), 5000, Encoding::Xml).unwrap();
    assert!(carried.chunks.len() <= 40, "{}", carried.chunks.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_arrives_as_it_was(
        text in "[ -~\r\n\tä€😀&<]{0,3000}",
        limit in 200usize..3000,
        wbxml in any::<bool>(),
    ) {
        let encoding = if wbxml { Encoding::Wbxml } else { Encoding::Xml };
        let Some(carried) = carry(text.as_str().into(), limit, encoding) else {
            prop_assert!(limit < 1000);
            return Ok(());
        };
        prop_assert_eq!(carried.whole.items()[0].data.as_ref().unwrap().as_text(), Some(&*text));
        if let Some((_, chunks)) = carried.chunks.split_last() {
            prop_assert!(chunks.iter().all(|it| octets(it).len() + 4 > MIN_CHUNK));
        }
    }

    #[test]
    fn octets_arrive_as_they_were(
        value in prop::collection::vec(any::<u8>(), 0..5000),
        limit in 200usize..3000,
    ) {
        let leaf = Leaf::new(Format::Bin, value.clone());
        let carried = carry(leaf, limit, Encoding::Wbxml);
        let Some(carried) = carried else {
            prop_assert!(limit < 500);
            return Ok(());
        };
        prop_assert_eq!(octets(carried.whole.items()[0].data.as_ref().unwrap()), value);
    }

    #[test]
    fn base64_is_cut_at_its_quanta(
        digits in prop::collection::vec("[A-Za-z0-9+/]{4}", 0..1000),
        line in 1usize..100,
        limit in 1000usize..3000,
    ) {
        let text = digits.concat();
        let lines: Vec<_> = text.as_bytes().chunks(line).collect();
        let text = String::from_utf8(lines.join(&b'\n')).unwrap();
        let carried = carry(Leaf::new(Format::B64, text.clone()), limit, Encoding::Xml).unwrap();
        for chunk in &carried.chunks {
            let digits = octets(chunk).into_iter().filter(|it| !it.is_ascii_whitespace());
            prop_assert_eq!(digits.count() % 4, 0);
        }
        prop_assert_eq!(carried.whole.items()[0].data.as_ref().unwrap().as_text(), Some(&*text));
    }

    /// Whatever a peer sends, what is kept stays within the limit and what is whole has its Size.
    #[test]
    fn nothing_is_whole_that_is_not(
        chunks in prop::collection::vec(
            (0usize..4, any::<bool>(), prop::option::of(0u64..12), 0usize..8, any::<bool>()),
            0..40,
        ),
    ) {
        let mut assembler = Assembler::new(10);
        let mut announced = None;
        for (target, more, size, length, ends) in chunks {
            let uri = format!("./{}", target / 2);
            let mut command = request::replace(&uri, "x".repeat(length).as_str().into());
            let item = &mut command.items_mut().unwrap()[0];
            (item.more_data, item.meta.size) = (more, size);
            match assembler.take(&command) {
                Taken::Answered(StatusCode::CHUNK_ACCEPTED) => {
                    prop_assert!(more && assembler.is_open());
                    announced = size.or(announced);
                    prop_assert!(announced.unwrap() <= 10);
                }
                Taken::Complete(whole) => {
                    let data = whole.items()[0].data.as_ref().unwrap();
                    prop_assert_eq!(Some(data_size(data)), announced);
                    prop_assert!(!more && !assembler.is_open());
                }
                Taken::Whole => prop_assert!(!more),
                Taken::Answered(_) => prop_assert!(!assembler.is_open()),
            }
            if ends {
                assembler.end_message(target == 3);
                prop_assert!(target != 3 || !assembler.is_open());
            }
        }
    }
}
