//! A channel that keeps the contract but for the one rule that its settings name. It is its own platform: what it is
//! asked for at `check.emit` it receives.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use miniclaw_plugin_api::{
    Account, Channel, Context, Error, InboundMessage, Inbox, Manifest, OutboundMessage, Result, Sent, Stop,
};
use serde_json::{Value, json};

/// Starts so far in this process.
static STARTS: AtomicU64 = AtomicU64::new(0);

/// The channel.
pub struct Unruly {
    fault: String,
    /// Numbers of the messages that were not confirmed yet, with their texts.
    waiting: Mutex<Vec<(u64, String)>>,
    next: AtomicU64,
}

impl Unruly {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(u64, String)>> {
        self.waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn first(&self) -> Option<InboundMessage> {
        let waiting = self.waiting();
        let (number, text) = match &*self.fault {
            "disorder" => waiting.last(),
            _ => waiting.first(),
        }?;
        let id = if self.fault == "same_id" { 1 } else { *number };
        Some(InboundMessage::new("7", id.to_string(), "42", text))
    }

    fn confirm(&self, message: &InboundMessage) {
        self.waiting().retain(|(_, text)| *text != message.text());
    }
}

impl Channel for Unruly {
    const MANIFEST: Manifest = Manifest::new("unruly", env!("CARGO_PKG_VERSION"))
        .description("A channel that breaks one rule of the contract")
        .schema(r#"{"additionalProperties":false,"properties":{"fault":{"type":"string"}},"type":"object"}"#);
    type Config = Value;

    async fn create(settings: Value, _: Context) -> Result<Self> {
        let fault = settings["fault"].as_str().unwrap_or_default().to_owned();
        let known = settings
            .as_object()
            .is_some_and(|all| all.iter().all(|(key, value)| key == "fault" && value.is_string()));
        match &*fault {
            "lenient" => {}
            "panic_at_settings" => assert!(known, "settings that do not fit"),
            "patient" if !known => return Err(Error::transient("settings that do not fit")),
            _ if !known => return Err(Error::config("settings that do not fit")),
            _ => {}
        }
        Ok(Self {
            fault,
            waiting: Mutex::default(),
            next: AtomicU64::new(1),
        })
    }

    async fn start(&self) -> Result<Account> {
        let starts = STARTS.fetch_add(1, Ordering::Relaxed);
        match &*self.fault {
            "other_account" => Ok(Account::new(starts.to_string(), "another one each time")),
            "no_start" => Err(Error::transient("the platform is not there")),
            "thread" => {
                std::thread::spawn(|| std::thread::sleep(Duration::from_secs(60)));
                Ok(Account::new("1", "unruly"))
            }
            _ => Ok(Account::new("1", "unruly")),
        }
    }

    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        loop {
            while let Some(message) = self.first() {
                let emitted = inbox.emit(message.clone()).await;
                match (&*self.fault, emitted) {
                    // It confirms what was not taken.
                    ("swallow", result) => {
                        self.confirm(&message);
                        result?;
                    }
                    ("shrug", Err(_)) => return Ok(()),
                    (_, result) => {
                        result?;
                        self.confirm(&message);
                    }
                }
            }
            tokio::select! {
                () = stop.requested(), if self.fault != "deaf" => return Ok(()),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        match &*self.fault {
            "panic" => panic!("told to"),
            "abort" => std::process::abort(),
            "exit" => std::process::exit(7),
            // SAFETY: none; the crash is what it is for.
            "segfault" => unsafe { std::ptr::null_mut::<u8>().write_volatile(1) },
            "hang" => std::future::pending().await,
            "block" => std::thread::sleep(Duration::from_secs(60)),
            "short" if message.text().len() > 1000 => return Err(Error::permanent("too long")),
            _ => {}
        }
        Ok(Sent::one(message.idempotency_key))
    }

    async fn invoke(&self, name: String, arguments: Value) -> Result<Value> {
        if name != "check.emit" || self.fault == "no_hook" {
            return Err(Error::unsupported(&name));
        }
        for number in 1..=arguments["count"].as_u64().unwrap_or(1) {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            self.waiting().push((id, format!("check {number}")));
        }
        Ok(json!({}))
    }

    async fn shutdown(&self) -> Result<()> {
        if self.fault == "slow_end" {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

miniclaw_plugin_api::export_plugin!(channel: Unruly);
