//! Finding, inspecting, loading and driving plugins.

pub(crate) mod builtin;
pub(crate) mod catalog;
pub(crate) mod inspect;
pub(crate) mod install;
pub(crate) mod instance;
pub(crate) mod isolate;
pub(crate) mod load;
pub(crate) mod trust;

#[cfg(test)]
pub(crate) mod fixture;
