//! VM states, image states and primitives of VirMO 1.0 as one transition table.
