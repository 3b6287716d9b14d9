//! Management Objects as data: definition tables, the registry, DDF documents and the standard
//! objects.

pub mod ddf;

mod definition;
mod job;
mod layout;
mod markdown;
mod mount;
mod object;
mod plain;
mod registry;
mod standard;

pub use definition::{Definition, DefinitionError, DefinitionErrorKind, NodeDefinition, Support};
pub use job::{Job, JobEnd, JobId, JobOutput, Work};
pub use layout::{Layout, MountError};
pub use markdown::markdown;
pub use mount::Mount;
pub use object::{
    Context, Effects, ExecAnswer, ExecRequest, ExecResult, ManagementObject, Refusal, Reporting,
};
pub use plain::Plain;
pub use registry::Registry;
pub use standard::{
    Account, AccountError, AccountErrorKind, AddressType, AuthLevel, AuthType, Credential,
    DEV_DETAIL, DEV_INFO, DM_ACC, DevDetail, DevInfo,
};
