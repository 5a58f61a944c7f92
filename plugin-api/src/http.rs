//! A client for model servers: deadlines, caps, streams, typed errors.
//!
//! ```no_run
//! # use miniclaw_plugin_api::{ChunkSink, Result, http::{Client, HttpSettings}};
//! # async fn complete(settings: HttpSettings, sink: ChunkSink) -> Result<()> {
//! let client = Client::new("https://models.example/v1", &settings)?.bearer("key")?;
//! let mut events = client
//!     .post("chat", &serde_json::json!({ "stream": true }))
//!     .await?
//!     .events();
//! while let Some(event) = events.next().await? {
//!     sink.text(event.data).await?;
//! }
//! # Ok(()) }
//! ```
//!
//! # Errors
//! Every failure comes as an [`Error`](crate::Error) that the author can return as it is: the sentence names
//! the server without the query and without credentials, quotes at most 300 characters of what the server said,
//! and holds none of the keys that the client was given, also where the server echoes them.
//!
//! | what happened | outcome | cause |
//! |---|---|---|
//! | no connection; connection cut | Transient | `Network` |
//! | a deadline of [`HttpSettings`] passed; 408 | Transient | `Timeout` |
//! | 429 | Transient, with the server's `Retry-After`, or `RetryInfo` of Google | `RateLimited` |
//! | 5xx | Transient, with the server's `Retry-After` | `Unavailable` |
//! | the answer is not what the format says | Transient | `Protocol` |
//! | 401, 403 | Permanent | `Auth` |
//! | 402 | Permanent | `Auth`, with `unpaid: true` in `meta` |
//! | 404 | Permanent | `NotFound` |
//! | the answer is over a cap | Permanent | `Protocol` |
//! | 413 | Permanent | `TooLarge` |
//! | 3xx: redirects are not followed, a key must not wander | Permanent | `Config` |
//! | other 4xx | Permanent | `Rejected` |
//!
//! A deadline or a cut leaves open what the server did. It is Transient all the same and not
//! [`Outcome::Unknown`](crate::Outcome::Unknown): a completion has no side effect that matters, and asking for
//! it a second time is safe.
//!
//! `meta` of an error holds `status`, the HTTP status; `code`, the server's own code for the error; `param`, the field
//! of the request that it names; `connect: true` where no connection came about; and `unpaid: true` where the account
//! has no credit, which a provider also sets where its server says so in other words.

mod body;
mod client;
mod error_body;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod lines;
mod response;
mod retry_after;
mod roots;
mod server;
mod settings;
mod sse;

pub use client::{Client, is_loopback};
pub use response::{Events, Lines, Response};
pub use roots::extra_roots;
pub use server::Server;
pub use settings::HttpSettings;
pub use sse::Event;
