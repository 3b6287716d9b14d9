//! The OMA DM client engine: bytes in, bytes out.
