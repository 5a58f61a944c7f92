//! Tests of stages together.

mod flow;
