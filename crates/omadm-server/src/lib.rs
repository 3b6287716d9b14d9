//! The OMA DM server engine: sessions as values, a command queue, procedures.
