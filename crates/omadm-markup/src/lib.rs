//! One event stream over the two encodings of OMA DM documents: XML and WBXML.

mod encoding;
mod fragment;
mod limits;

pub use encoding::Encoding;
pub use fragment::Fragment;
pub use limits::Limits;
