//! The OCI commands on the real kernel, through the built binary. Containers are made and removed for
//! real; tests that cannot be root say so and pass.

mod configs;
mod crash;
mod harness;
mod killed;
mod privileges;
mod verbs;
