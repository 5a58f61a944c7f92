//! Logs.

mod scrub;

pub(crate) use scrub::printable;
