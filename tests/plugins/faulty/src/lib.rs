//! A channel that fails in a way and at a place of choice, as often as its settings say.

mod deed;
mod load;

use deed::Fault;
use miniclaw_fixture_link::Link;
use miniclaw_plugin_api::{
    Account, Channel, Context, Inbox, Manifest, OutboundMessage, Permission, Result, Sent, Stop,
};
use serde::{Deserialize, Serialize};

/// Settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    #[serde(flatten)]
    link: miniclaw_fixture_link::Settings,
    at: Place,
    fault: Fault,
    /// Faults before it behaves, over all processes and instances of one platform; without it there is no end.
    #[serde(default)]
    times: Option<u64>,
    /// With `at: "message"` or `"accepted"`: from which message of a `receive` on, the first being 1.
    #[serde(default = "first")]
    after: u64,
    /// How much: lines, messages or bytes, whatever the fault is made of.
    #[serde(default)]
    amount: Option<u64>,
}

/// Where it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Create,
    Start,
    Receive,
    /// Before a message is handed over.
    Message,
    /// After a message was accepted, before the platform is told.
    Accepted,
    Send,
    /// After a message was sent, before the host is told.
    Sent,
    /// In a task beside `receive`.
    Task,
    /// In a thread of its own beside `receive`.
    Thread,
    Shutdown,
}

fn first() -> u64 {
    1
}

/// The channel.
pub struct Faulty {
    settings: Settings,
    context: Context,
    link: std::sync::Arc<Link>,
}

/// What a place needs to fail there.
#[derive(Clone)]
struct Scene {
    settings: Settings,
    context: Context,
    link: std::sync::Arc<Link>,
    inbox: Option<Inbox>,
}

impl Scene {
    async fn reach(&self, place: Place) {
        if self.strikes(place) {
            let amount = self.settings.amount;
            self.settings
                .fault
                .commit(amount, &self.context, self.inbox.as_ref())
                .await;
        }
    }

    fn strikes(&self, place: Place) -> bool {
        self.settings.at == place
            && self
                .link
                .may_fail(&name(&self.settings.fault), &name(&place), self.settings.times)
    }
}

/// The name in the settings.
fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl Faulty {
    fn scene(&self, inbox: Option<&Inbox>) -> Scene {
        Scene {
            settings: self.settings.clone(),
            context: self.context.clone(),
            link: self.link.clone(),
            inbox: inbox.cloned(),
        }
    }

    fn fail_beside(&self, inbox: &Inbox) {
        let scene = self.scene(Some(inbox));
        self.context.spawn(async move { scene.reach(Place::Task).await });
        let scene = self.scene(Some(inbox));
        if self.settings.at == Place::Thread {
            let runtime = tokio::runtime::Handle::current();
            std::thread::spawn(move || runtime.block_on(scene.reach(Place::Thread)));
        }
    }
}

impl Channel for Faulty {
    const MANIFEST: Manifest = Manifest::new("faulty", env!("CARGO_PKG_VERSION"))
        .description("A channel that fails in a way and at a place of choice")
        .permissions(&[Permission::Network]);
    type Config = Settings;

    async fn create(settings: Settings, context: Context) -> Result<Self> {
        let link = Link::open(settings.link.clone(), &context).await?.into();
        let channel = Self {
            settings,
            context,
            link,
        };
        channel.scene(None).reach(Place::Create).await;
        Ok(channel)
    }

    async fn start(&self) -> Result<Account> {
        self.link.report("start").await?;
        self.scene(None).reach(Place::Start).await;
        Ok(self.link.account())
    }

    async fn receive(&self, inbox: Inbox, mut stop: Stop) -> Result<()> {
        self.link.report("receive").await?;
        let scene = self.scene(Some(&inbox));
        scene.reach(Place::Receive).await;
        self.fail_beside(&inbox);
        let mut count = 0;
        while let Some(message) = self.link.next(&mut stop).await? {
            count += 1;
            if count >= self.settings.after {
                scene.reach(Place::Message).await;
            }
            let id = message.id.clone();
            let verdict = inbox.emit(message).await?;
            if count >= self.settings.after {
                scene.reach(Place::Accepted).await;
            }
            self.link.confirm(&id, verdict).await?;
            inbox.progress();
        }
        Ok(())
    }

    async fn send(&self, message: OutboundMessage) -> Result<Sent> {
        self.link.report("send").await?;
        self.scene(None).reach(Place::Send).await;
        let sent = self.link.send(&message).await?;
        self.scene(None).reach(Place::Sent).await;
        Ok(sent)
    }

    async fn shutdown(&self) -> Result<()> {
        self.link.shutdown().await?;
        self.scene(None).reach(Place::Shutdown).await;
        Ok(())
    }
}

miniclaw_plugin_api::export_plugin!(channel: Faulty);
