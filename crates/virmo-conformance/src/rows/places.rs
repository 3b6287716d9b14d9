use crate::row::Place;

pub(super) static WORDS: Place = Place {
    file: "docs/conformance.md",
    heading: "## Words",
    text: include_str!("../../../../docs/conformance.md"),
};

pub(super) static PARTS: Place = Place {
    file: "docs/architecture.md",
    heading: "## Crates and arrows",
    text: include_str!("../../../../docs/architecture.md"),
};

pub(super) static NETWORK: Place = Place {
    file: "docs/hypervisors.md",
    heading: "### Network",
    text: include_str!("../../../../docs/hypervisors.md"),
};

pub(super) static OWN_CLIENT: Place = Place {
    file: "docs/embedding-device.md",
    heading: "## A DM client in a guest",
    text: include_str!("../../../../docs/embedding-device.md"),
};
