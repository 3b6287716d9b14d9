//! One module a command.

pub(crate) mod bootstrap;
pub(crate) mod conformance;
pub(crate) mod convert;
pub(crate) mod ddf;
pub(crate) mod demo;
pub(crate) mod device;
pub(crate) mod hypervisor;
pub(crate) mod load;
pub(crate) mod notify;
pub(crate) mod params;
pub(crate) mod serve;
pub(crate) mod tree;
pub(crate) mod unlock;
pub(crate) mod uve;
