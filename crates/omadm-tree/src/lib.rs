//! The OMA DM management tree: URIs, values, properties, ACLs and transactions.
