//! The VirMO Server: typed procedures that deliver images and manage virtual machines.
