//! Management Objects as data: definition tables, the registry, DDF documents and the standard
//! objects.

mod definition;
mod job;
mod layout;
mod mount;
mod object;
mod registry;

pub use definition::{Definition, DefinitionError, DefinitionErrorKind, NodeDefinition, Support};
pub use job::{Job, JobEnd, JobId, JobOutput, Work};
pub use layout::{Layout, MountError};
pub use mount::Mount;
pub use object::{
    Context, Effects, ExecAnswer, ExecRequest, ExecResult, ManagementObject, Refusal, Reporting,
};
pub use registry::Registry;
