//! A hypervisor that keeps simulated machines in a folder and fails on request.
