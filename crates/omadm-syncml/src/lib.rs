//! SyncML messages of OMA DM as typed values that borrow from their input.
