//! The configuration: what the operator wants, checked.

mod model;

pub(crate) use model::*;
