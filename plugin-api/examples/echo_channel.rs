use miniclaw_plugin_api::*;
use tokio::sync::{Mutex, mpsc::Receiver, mpsc::Sender, mpsc::channel};

struct Echo(Sender<InboundMessage>, Mutex<Receiver<InboundMessage>>);

impl Channel for Echo {
    const MANIFEST: Manifest = Manifest::new("echo-channel", "0.1.0").description("Hears what it is told.");
    type Config = serde::de::IgnoredAny;

    async fn create(_: Self::Config, _: Context) -> Result<Self> {
        let (tell, hear) = channel(16);
        Ok(Self(tell, Mutex::new(hear)))
    }

    async fn start(&self) -> Result<Account> {
        Ok(Account::new("echo", "Echo"))
    }

    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        let mut hear = self.1.lock().await;
        loop {
            tokio::select! {
                () = stop.requested() => return Ok(()),
                Some(message) = hear.recv() => inbox.emit(message).await?,
            };
        }
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        let heard = InboundMessage::new(&message.chat.id, &message.idempotency_key, "echo", message.text());
        let told = self.0.try_send(heard);
        told.map_err(|_| Error::transient("the echo is behind"))?;
        Ok(Sent::one(message.idempotency_key))
    }
}

export_plugin!(channel: Echo);
