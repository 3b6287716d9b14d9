//! UVE over HTTP.
