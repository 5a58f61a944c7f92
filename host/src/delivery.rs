//! Replies on their way out.

mod split;
