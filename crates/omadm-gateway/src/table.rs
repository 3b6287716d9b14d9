use std::borrow::Cow;

use omadm_core::Format::{Chr, Xml};
use omadm_mo::{Definition, NodeDefinition as N};
use omadm_tree::{
    AccessType::{Add, Delete, Get, Replace},
    Occurrence,
};

/// What a [`Gateway`](crate::Gateway) has. Its identifier and its nodes are this crate's own.
pub static GATEWAY: Definition = Definition {
    name: Cow::Borrowed("Gateway"),
    moid: Cow::Borrowed("urn:x-omadm:mo:gateway:1.0"),
    specification: Cow::Borrowed("omadm-gateway"),
    nodes: Cow::Borrowed(&[
        N::node("", "A DM gateway.", HERE).permanent(),
        N::node("<x>", "One end device.", HERE)
            .occurs(Occurrence::ZeroOrMore)
            .allows(&[Add, Delete, Get]),
        N::leaf(
            "<x>/DeviceID",
            Chr,
            "Its identifier, unique behind this gateway.",
            HERE,
        )
        .allows(&[Add, Get, Replace]),
        N::operation("<x>/Trigger", "Exec delivers a notification.", HERE),
        N::operation("<x>/Execute", "Exec carries out commands.", HERE),
        N::leaf(
            "<x>/Result",
            Xml,
            "What came of Execute, a SyncML message.",
            HERE,
        )
        .no_replace(),
    ]),
};

const HERE: &str = "omadm-gateway";
