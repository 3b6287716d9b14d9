//! The hypervisor abstraction of VirMO and the contract test suite every back end runs.
