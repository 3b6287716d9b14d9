//! Management Objects as data: definition tables, the registry, DDF documents and the standard objects.
