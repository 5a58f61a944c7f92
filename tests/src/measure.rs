//! What the programs that measure the gateway share.

pub mod figure;
pub mod rig;
