//! The HTTP binding of OMA DM: client, server and fetch.
