//! The hot paths, each beside an anchor that others wrote.

use std::{collections::BTreeMap, fmt::Write, hint::black_box};

use omadm_core::{Format, Now};
use omadm_syncml::{Encoding, decode, encode};
use omadm_tree::{
    AccessSet, AccessType, FormatSet, Required, Rule, Schema, Tree, TreeLimits, Uri, Value,
};
use quick_xml::{Reader, events::Event};
use virmo_params::{Limits, Pairs, ResourceConfig};

use crate::corpus::{self, limits};

/// Something to be counted.
pub type Act = Box<dyn FnMut()>;

/// A hot path and its anchor.
pub struct Row {
    pub name: String,
    pub ours: Act,
    pub anchor: Act,
}

/// All of them.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    codecs(&mut rows);
    params(&mut rows);
    tree(&mut rows);
    rows
}

fn codecs(rows: &mut Vec<Row>) {
    // The list of Structs is the tree's Results once more, in a size where memory is moved.
    let samples = corpus::samples().into_iter();
    for sample in samples.filter(|sample| !sample.name.contains("Struct")) {
        for encoding in [Encoding::Xml, Encoding::Wbxml] {
            let octets = match encoding {
                Encoding::Xml => sample.xml.clone(),
                Encoding::Wbxml => sample.wbxml.clone(),
            };
            let message = decode(&octets, encoding, &limits()).expect("valid");
            let message = message.into_owned();
            let text = String::from_utf8(sample.xml.clone()).expect("valid");
            let limits = limits();
            rows.push(Row {
                name: format!("decode {encoding}, {}", sample.name),
                ours: Box::new(move || {
                    black_box(decode(black_box(&octets), encoding, &limits).expect("valid"));
                }),
                anchor: Box::new(move || {
                    let text = std::str::from_utf8(black_box(text.as_bytes())).expect("valid");
                    let mut reader = Reader::from_str(text);
                    while !matches!(black_box(reader.read_event().expect("valid")), Event::Eof) {}
                }),
            });
            let told = corpus::told(&sample.xml);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            rows.push(Row {
                name: format!("encode {encoding}, {}", sample.name),
                ours: Box::new(move || {
                    ours.clear();
                    encode(black_box(&message), encoding, &mut ours).expect("valid");
                    black_box(&ours);
                }),
                anchor: Box::new(move || {
                    theirs.clear();
                    corpus::write(black_box(&told), &mut theirs);
                    black_box(&theirs);
                }),
            });
        }
    }
}

fn split(text: &str) {
    for pair in black_box(text).split('&').map(|pair| pair.split_once('=')) {
        black_box(pair.expect("valid"));
    }
}

fn params(rows: &mut Vec<Row>) {
    for keys in [2, 4, 100] {
        let mut text = String::new();
        for key in 0..keys {
            let and = if key == 0 { "" } else { "&" };
            write!(text, "{and}vendor{key}=value-{key}").expect("text takes everything");
        }
        let same = text.clone();
        rows.push(Row {
            name: format!("params, {keys} pairs"),
            ours: Box::new(move || {
                let pairs = Pairs::new(black_box(&text), Limits::default()).expect("short");
                pairs.for_each(|pair| {
                    black_box(pair.expect("valid"));
                });
            }),
            anchor: Box::new(move || split(&same)),
        });
    }
    let text = "RAM=268435456&Storage=1073741824&CPU=10&Network=10";
    rows.push(Row {
        name: "params, resources".to_owned(),
        ours: Box::new(move || {
            black_box(black_box(text).parse::<ResourceConfig>().expect("valid"));
        }),
        anchor: Box::new(move || split(text)),
    });
}

/// Any node anywhere.
struct Anything;

impl Schema for Anything {
    fn rule(&self, uri: &Uri) -> Option<Rule<'_>> {
        let access = AccessSet::of(&[AccessType::Get]);
        let leaf = uri.segments().count() == 3;
        Some(match leaf {
            true => Rule::leaf(access, FormatSet::of(&[Format::Chr])),
            false => Rule::interior(access),
        })
    }

    fn required(&self, _: &Uri) -> Vec<Required> {
        Vec::new()
    }
}

fn tree(rows: &mut Vec<Row>) {
    let mut tree = Tree::new(TreeLimits::default(), omadm_tree::Acl::root_default());
    let (mut plain, mut paths) = (BTreeMap::new(), Vec::new());
    let mut change = tree.begin(Now::default());
    for number in 0..2000 {
        let uri: Uri = format!("./x/machine{number}/State").parse().expect("valid");
        change
            .set(&Anything, &uri, Value::chr("1"))
            .expect("a new node");
        plain.insert(uri.to_string(), "1".to_owned());
        paths.push(uri.to_string());
    }
    let journal = omadm_core::MemoryJournal::new();
    change
        .commit(&journal, omadm_core::Batch::new())
        .expect("memory");
    let same = paths.clone();
    rows.push(Row {
        name: "tree, get 2,000 nodes".to_owned(),
        ours: Box::new(move || {
            // Both sides are given text, so the address is parsed here.
            for path in &paths {
                let uri = Uri::parse(black_box(path)).expect("an address");
                black_box(tree.node(&uri).expect("there").octets());
            }
        }),
        anchor: Box::new(move || {
            for path in &same {
                black_box(plain.get(black_box(path)).expect("there").as_bytes());
            }
        }),
    });
}
