//! One event stream over the two encodings of OMA DM documents: XML and WBXML.
