//! What outside observers see of a running gateway: health, metrics, the past hour; and whom it tells by itself.

mod alerts;
mod exposition;
mod health;
mod histogram;
mod http;
mod metrics;
mod minutes;
#[cfg(feature = "otel")]
pub(crate) mod otel;
pub(crate) mod systemd;

pub(crate) use alerts::Alerts;
pub(crate) use health::{Health, Vital};
pub(crate) use histogram::Histogram;
pub(crate) use http::{Door, DoorError};
pub(crate) use metrics::Metrics;
pub(crate) use minutes::Minutes;
