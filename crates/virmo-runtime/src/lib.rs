//! Run loops for VirMO devices and servers: threads, clocks, randomness and recovery.
