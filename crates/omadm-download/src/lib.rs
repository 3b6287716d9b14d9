//! Resumable download of a file: where bytes come from, where they go, and the durable record between.
