//! The durable journal on redb and the file sink of OMA DM.
