//! Confined jails, aliases and tunnels, on the real kernel. Needs root.

mod confined;
mod links;
mod support;
