//! What a call into a plugin costs: `cargo bench -p miniclaw-plugin-api --features testkit`.

use std::time::{Duration, Instant};

use miniclaw_plugin_api::testkit::ChannelKit;
use miniclaw_plugin_api::{
    Account, Channel, ChatRef, Context, InboundMessage, Inbox, Manifest, OutboundMessage, Result, Sent, Stop,
};

const ROUNDS: usize = 20_000;
const TEXT_BYTES: usize = 300;

struct Mirror;

impl Channel for Mirror {
    const MANIFEST: Manifest = Manifest::new("mirror", "1");
    type Config = serde_json::Value;

    async fn create(_: Self::Config, _: Context) -> Result<Self> {
        Ok(Self)
    }

    async fn start(&self) -> Result<Account> {
        Ok(Account::new("1", "mirror"))
    }

    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        while !stop.is_requested() {
            inbox
                .emit(InboundMessage::new("7", "1", "42", "x".repeat(TEXT_BYTES)))
                .await?;
            tokio::task::yield_now().await;
        }
        stop.requested().await;
        Ok(())
    }

    async fn send(&self, _: OutboundMessage) -> Result<Sent> {
        Ok(Sent::one("1"))
    }
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| miniclaw_plugin_api::Error::permanent(error.to_string()))?;
    runtime.block_on(async {
        let kit = ChannelKit::new::<Mirror>(serde_json::json!({}));
        kit.start().await?;
        let message = OutboundMessage::new(ChatRef::new("7"), "x".repeat(TEXT_BYTES));
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let message = message.clone();
            let start = Instant::now();
            kit.send(message).await?;
            times.push(start.elapsed());
        }
        report("send, awaited", times);
        let receiving = kit.receive(None);
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            kit.emitted().await.accept();
            times.push(start.elapsed());
        }
        report("emit, accepted", times);
        kit.stop_receiving().await?;
        while let Ok(emitted) = tokio::time::timeout(Duration::from_millis(50), kit.emitted()).await {
            emitted.accept();
        }
        receiving.ended().await
    })
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println!(
        "{what}: p50 {:?}, p90 {:?}, p99 {:?} ({TEXT_BYTES} bytes, {ROUNDS} rounds)",
        at(0.5),
        at(0.9),
        at(0.99)
    );
}
