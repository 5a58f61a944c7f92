//! Finding, inspecting, loading and driving plugins.

pub(crate) mod builtin;
pub(crate) mod catalog;
pub(crate) mod inspect;
pub(crate) mod instance;
pub(crate) mod isolate;
pub(crate) mod load;

#[cfg(test)]
pub(crate) mod fixture;
