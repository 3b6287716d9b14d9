//! What both ends of an OMA DM session share: ids, the status ledger, packing, procedures.
