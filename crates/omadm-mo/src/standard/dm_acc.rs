use std::borrow::Cow;

use omadm_core::Format::{Bin, Chr};
use omadm_tree::{
    AccessType::{Add, Delete, Get, Replace},
    Occurrence::{OneOrMore, ZeroOrOne},
};

use crate::{Definition, NodeDefinition as N};

/// DMAcc: one account with one DM server, the root node included. [DM-StdObj]
///
/// Required is what occurs once or more (unverified). The specification prints Get alone as the
/// minimum of every node but the two secrets, which have none; a server may manage its account all
/// the same, except for `AppID` and `ServerID`.
pub static DM_ACC: Definition = Definition {
    name: Cow::Borrowed("DMAcc"),
    moid: Cow::Borrowed("urn:oma:mo:oma-dm-dmacc:1.0"),
    specification: Cow::Borrowed("OMA-TS-DM_StdObj-V1_2"),
    nodes: Cow::Borrowed(&[
        N::node("", "An account with a server.", CLAUSE).occurs(OneOrMore),
        N::leaf("AppID", Chr, "Always w7.", CLAUSE).starts_as("w7"),
        N::leaf("ServerID", Chr, "Identifier of the server.", CLAUSE),
        optional("Name", Chr, "Name for people."),
        optional("PrefConRef", Chr, "Preferred connectivity."),
        N::node("ToConRef", "Other connectivity.", CLAUSE)
            .optional()
            .occurs(ZeroOrOne)
            .allows(&[Add, Delete, Get]),
        instance("ToConRef/<x>", "One connectivity."),
        required("ToConRef/<x>/ConRef", "Reference to it."),
        N::node("AppAddr", "Addresses of the server.", CLAUSE),
        instance("AppAddr/<x>", "One address."),
        required("AppAddr/<x>/Addr", "The address."),
        required("AppAddr/<x>/AddrType", "URI, IPv4 or IPv6; empty is URI."),
        N::node("AppAddr/<x>/Port", "Ports.", CLAUSE)
            .optional()
            .occurs(ZeroOrOne)
            .allows(&[Add, Delete, Get]),
        instance("AppAddr/<x>/Port/<x>", "One port."),
        required("AppAddr/<x>/Port/<x>/PortNbr", "Its number."),
        optional("AAuthPref", Chr, "Preferred AAuthType."),
        N::node("AppAuth", "Credentials.", CLAUSE)
            .optional()
            .occurs(ZeroOrOne)
            .allows(&[Add, Delete, Get]),
        instance("AppAuth/<x>", "One set of credentials."),
        required("AppAuth/<x>/AAuthLevel", "CLCRED, SRVCRED, OBEX or HTTP."),
        required("AppAuth/<x>/AAuthType", "Scheme of authentication."),
        optional("AppAuth/<x>/AAuthName", Chr, "User name."),
        secret("AppAuth/<x>/AAuthSecret", Chr, "Password."),
        secret(
            "AppAuth/<x>/AAuthData",
            Bin,
            "Data of the scheme, such as a nonce.",
        ),
        N::node("Ext", "Vendor extensions.", CLAUSE)
            .optional()
            .occurs(ZeroOrOne)
            .allows(&[Add, Delete, Get])
            .open(),
    ]),
};

const CLAUSE: &str = "DM-StdObj, DMAcc";

const fn required(path: &'static str, description: &'static str) -> N {
    N::leaf(path, Chr, description, CLAUSE).allows(&[Add, Get, Replace])
}

const fn optional(path: &'static str, format: omadm_core::Format, description: &'static str) -> N {
    N::leaf(path, format, description, CLAUSE)
        .optional()
        .occurs(ZeroOrOne)
        .allows(&[Add, Delete, Get, Replace])
}

const fn instance(path: &'static str, description: &'static str) -> N {
    N::node(path, description, CLAUSE)
        .occurs(OneOrMore)
        .allows(&[Add, Delete, Get])
}

const fn secret(path: &'static str, format: omadm_core::Format, description: &'static str) -> N {
    optional(path, format, description)
        .prints(&[])
        .allows(&[Add, Delete, Replace])
}
