//! The VirMO Client: a management object that drives a hypervisor.
