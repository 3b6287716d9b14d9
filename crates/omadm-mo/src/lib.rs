//! Management Objects as data: definition tables, the registry, DDF documents and the standard
//! objects.

mod definition;
mod job;
mod object;

pub use definition::{Definition, NodeDefinition, Support};
pub use job::{Job, JobEnd, JobId, JobOutput, Work};
pub use object::{
    Context, Effects, ExecAnswer, ExecRequest, ExecResult, ManagementObject, Mount, Refusal,
    Reporting,
};
