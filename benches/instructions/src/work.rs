//! The hot paths, each beside an anchor that others wrote.

use std::{fmt::Write, hint::black_box, rc::Rc};

use omadm_core::Batch;
use omadm_syncml::{Encoding, decode, encode};
use omadm_tree::{NodeRef, Tree, Uri, Value};
use quick_xml::{Reader, events::Event};
use virmo_params::{Limits, Pairs, ResourceConfig};

use crate::{
    conversion::convert,
    corpus::{self, limits},
    device::Device,
    forest::{self, Anything, Nowhere, children},
    recorded::{self, Recorded},
    sessions::{Opener, basic, md5, sessions},
};

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
    exchanges(&mut rows);
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
            let text: Rc<str> = std::str::from_utf8(&sample.xml).expect("valid").into();
            let (limits, same) = (limits(), octets.clone());
            rows.push(Row {
                name: format!("decode {encoding}, {}", sample.name),
                ours: Box::new(move || {
                    black_box(decode(black_box(&octets), encoding, &limits).expect("valid"));
                }),
                anchor: pull(&text),
            });
            let (octets, mut out) = (same, Vec::new());
            rows.push(Row {
                name: format!("convert from {encoding}, {}", sample.name),
                ours: Box::new(move || {
                    convert(black_box(&octets), encoding, &mut out);
                    black_box(&out);
                }),
                anchor: pull(&text),
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

/// Pulls the events of a document and looks at none.
fn pull(text: &Rc<str>) -> Act {
    let text = Rc::clone(text);
    Box::new(move || {
        let text = std::str::from_utf8(black_box(text.as_bytes())).expect("valid");
        let mut reader = Reader::from_str(text);
        while !matches!(black_box(reader.read_event().expect("valid")), Event::Eof) {}
    })
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

fn tree(rows: &mut Vec<Row>) {
    let plan = forest::plan(2000);
    let (mut ours, map) = (forest::tree(&plan), Rc::new(forest::map(&plan)));
    let tree = Rc::new(forest::tree(&plan));
    let paths: Vec<&'static str> = plan
        .iter()
        .map(|it| &*String::leak(it.path.clone()))
        .collect();
    let interior = plan
        .iter()
        .zip(&paths)
        .filter(|(planned, _)| planned.value.is_none());
    let interior: Vec<&'static str> = interior.map(|(_, path)| *path).collect();
    // Both sides are given text, so that it is an address is checked here.
    fn find<'t>(tree: &'t Tree, path: &str) -> NodeRef<'t> {
        let found = tree.find(black_box(path)).expect("an address");
        found.expect("there")
    }
    {
        let (tree, map, paths, same) = (
            Rc::clone(&tree),
            Rc::clone(&map),
            paths.clone(),
            paths.clone(),
        );
        rows.push(Row {
            name: "tree, get 2,000 nodes".to_owned(),
            ours: Box::new(move || {
                for path in &paths {
                    black_box(find(&tree, path).octets());
                }
            }),
            anchor: Box::new(move || {
                for path in &same {
                    black_box(&*map.get(black_box(*path)).expect("there").value);
                }
            }),
        });
    }
    let same = interior.clone();
    rows.push(Row {
        name: "tree, list the children of 2,000 nodes".to_owned(),
        ours: Box::new(move || {
            for path in &interior {
                for child in find(&tree, path).children() {
                    black_box(child.name());
                }
            }
        }),
        anchor: Box::new(move || {
            for path in &same {
                children(&map, black_box(path)).for_each(|name| _ = black_box(name));
            }
        }),
    });
    let leaves = plan
        .iter()
        .zip(paths)
        .filter(|(planned, _)| planned.value.is_some());
    let leaves: Vec<&'static str> = leaves.map(|(_, path)| path).collect();
    let (same, mut theirs) = (leaves.clone(), forest::map(&plan));
    rows.push(Row {
        name: "tree, change a leaf and commit".to_owned(),
        ours: Box::new(move || {
            for path in &leaves {
                let mut change = ours.begin(forest::now());
                let value = Value::chr(black_box("another value"));
                let uri = Uri::parse(black_box(path)).expect("an address");
                change.set(&Anything, &uri, value).expect("a leaf");
                change.commit(&Nowhere, Batch::new()).expect("kept nowhere");
            }
        }),
        anchor: Box::new(move || {
            for path in &same {
                let entry = theirs.get_mut(black_box(*path)).expect("there");
                entry.value = black_box("another value").as_bytes().into();
            }
        }),
    });
}

/// What devices and servers do with messages, beside reading and writing them.
fn exchanges(rows: &mut Vec<Row>) {
    let mut recorded = Recorded::new(Device::with_machines(1), 0);
    let said: Vec<Vec<u8>> = recorded.said.iter().map(|it| it.body.clone()).collect();
    let (answered, mut out) = (recorded.answered.clone(), Vec::new());
    rows.push(Row {
        name: "device, a session of 1 KB messages".to_owned(),
        ours: Box::new(move || recorded.again()),
        anchor: Box::new(move || recorded::codecs(&said, &answered, &mut out)),
    });
    for (what, proof) in [("a password", basic()), ("nonces", md5())] {
        let (mut server, _) = sessions(1, proof.clone());
        let mut opener = Opener::new(proof);
        let messages = opener.messages.clone();
        rows.push(Row {
            name: format!("server, a session opened with {what}"),
            ours: Box::new(move || {
                opener.ask(&mut server, 0);
                black_box(opener.open(&mut server, 0));
            }),
            anchor: Box::new(move || {
                for (text, _) in &messages {
                    let message = decode(black_box(text.as_bytes()), Encoding::Xml, &limits());
                    black_box(message.expect("valid"));
                }
            }),
        });
    }
}
