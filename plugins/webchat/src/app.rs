//! What the page's requests and the host's calls share.

use std::sync::{Arc, Mutex};

use miniclaw_plugin_api::{Context, Result};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

use crate::handover::Posting;
use crate::links::Links;
use crate::lock;
use crate::settings::Site;
use crate::store::Store;

/// Streams of events at once; a further one is refused.
const STREAMS: usize = 32;
/// Signs of writing that a slow stream is behind; what is older is left out.
const TYPING: usize = 16;

/// What the page's requests and the host's calls share.
pub(crate) struct App {
    pub(crate) context: Context,
    pub(crate) store: Store,
    pub(crate) links: Links,
    /// Chats in which the agent writes.
    pub(crate) typing: broadcast::Sender<Arc<str>>,
    pub(crate) streams: Arc<Semaphore>,
    /// Changes whenever a login ends.
    pub(crate) logouts: watch::Sender<()>,
    /// Where messages are handed over, while the host receives.
    door: Mutex<Option<mpsc::Sender<Posting>>>,
}

impl App {
    /// # Errors
    /// The store cannot be opened.
    pub(crate) fn new(context: Context, site: &Site) -> Result<Self> {
        let store = Store::open(context.data_dir())?;
        store.sweep(site.history_days)?;
        Ok(Self {
            context,
            store,
            links: Links::default(),
            typing: broadcast::channel(TYPING).0,
            streams: Arc::new(Semaphore::new(STREAMS)),
            logouts: watch::channel(()).0,
            door: Mutex::default(),
        })
    }

    pub(crate) fn open(&self, door: mpsc::Sender<Posting>) {
        *lock(&self.door) = Some(door);
    }

    pub(crate) fn door(&self) -> Option<mpsc::Sender<Posting>> {
        lock(&self.door).clone()
    }

    pub(crate) fn close(&self) {
        *lock(&self.door) = None;
    }
}
