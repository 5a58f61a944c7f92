//! What the author of a plugin is given: the page, the crate, the check, the trial.

mod check;
mod page;
mod trial;
