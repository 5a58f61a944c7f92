//! Archived plugins (`tests/compat`), whatever the border has become since.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use miniclaw_plugin_api::Cause;
use miniclaw_plugin_api::abi::{PluginBox, request};
use miniclaw_plugin_api::wire::decode_error;
use serde_json::{Value, json};

use super::*;

/// `None`, said aloud, on a machine that the archive was not built for.
fn archived(name: &str) -> Option<PathBuf> {
    if !cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
        println!("NOT CHECKED: the archive holds libraries for x86_64 with glibc alone");
        return None;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/compat");
    Some(folder.join(format!("{name}.so")))
}

enum Heard {
    Done(u64, Reply),
    Request(u64, u32, Payload),
    Notice(u32),
}

struct Ears(Sender<Heard>);

impl Ears {
    fn hear(&self, heard: Heard) {
        // A test that has what it wants does not listen any more.
        let _ = self.0.send(heard);
    }
}

impl HostApi for Ears {
    fn request(&self, ticket: u64, _: u64, method: u32, payload: Payload) {
        self.hear(Heard::Request(ticket, method, payload));
    }
    fn done(&self, op: u64, reply: Reply) {
        self.hear(Heard::Done(op, reply));
    }
    fn log(&self, _: LogRecord) {}
    fn notify(&self, notice: u32, _: Payload) {
        self.hear(Heard::Notice(notice));
    }
}

/// An archived plugin in this process, with the test as its host.
struct Archived {
    plugin: Arc<PluginBox>,
    heard: Receiver<Heard>,
}

impl Archived {
    fn load(path: &Path) -> Self {
        let folder = folder();
        let inspected = inspect::inspect(path).unwrap();
        let loaded = Loader::new(folder.path().to_owned(), TrustPolicy::default())
            .load(&inspected)
            .unwrap();
        let (sender, heard) = channel();
        let birth = Birth {
            instance: "archived".into(),
            settings: "{}".into(),
            log_level: 4,
            meta: json!({ "unheard_of": { "a": [1, 2] } }).to_string().into(),
        };
        let host = HostApi_TO::from_value(Ears(sender), TD_Opaque);
        let plugin = (loaded.root.instantiate())(birth, host).into_result();
        let plugin = Arc::new(plugin.unwrap_or_else(|_| panic!("no instance")));
        Self { plugin, heard }
    }

    fn next(&self) -> Heard {
        self.heard.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Calls a method and returns how it ended, and the chunks that it gave meanwhile.
    fn call(&self, op: u64, method: u32, body: &Value) -> (Reply, Vec<Value>) {
        self.plugin.call(op, method, Payload::encode(body));
        let mut chunks = Vec::new();
        loop {
            match self.next() {
                Heard::Done(done, reply) if done == op => return (reply, chunks),
                Heard::Request(ticket, request::CHUNK, payload) => {
                    chunks.push(payload.decode().unwrap());
                    self.plugin.answer(ticket, Reply::ROk(Payload::default()));
                }
                _ => {}
            }
        }
    }

    /// Has it say something to a request with fields, roles and parts that no version knows.
    fn completes(&self) {
        let request = json!({
            "messages": [
                { "role": "oracle", "parts": [{ "type": "hologram", "depth": 3 }] },
                { "role": "user", "parts": [{ "type": "text", "text": "hello archive", "mood": "good" }], "since": 1 },
            ],
            "meta": { "inbound": 7, "unheard_of": true },
            "patience": { "of": "a saint" },
        });
        let (reply, chunks) = self.call(10, method::COMPLETE, &request);
        assert!(reply.is_ok());
        let said: String = chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect();
        assert!(said.ends_with("hello archive"), "{chunks:?}");
    }
}

#[test]
fn an_archived_plugin_ignores_fields_and_refuses_methods_that_it_does_not_know() {
    for name in ["provider-0.1.0", "provider-additive"] {
        let Some(path) = archived(name) else { return };
        let archived = Archived::load(&path);
        for (op, number) in [(1, method::CREATE), (2, method::START)] {
            assert!(
                archived.call(op, number, &json!({ "unheard_of": 1 })).0.is_ok(),
                "{name}"
            );
        }
        let Reply::RErr(error) = archived.call(3, 4_000_000_000, &json!({})).0 else {
            panic!("{name} knows every method");
        };
        assert_eq!(decode_error(&error).cause, Cause::Unsupported, "{name}");
        // An answer to what nobody asked.
        archived
            .plugin
            .answer(987_654_321, Reply::ROk(Payload::default()));
        archived.completes();
    }
}

#[test]
fn a_newer_plugin_may_use_what_this_host_does_not_have() {
    let Some(path) = archived("provider-additive") else {
        return;
    };
    assert!(inspect::inspect(&path).unwrap().manifest.api > API_VERSION);
    let archived = Archived::load(&path);
    // The host's method that it calls first has a default body on its own side.
    assert!(matches!(archived.next(), Heard::Notice(77)));
    assert!(matches!(archived.next(), Heard::Request(_, 77, _)));
}

#[test]
fn a_breaking_change_is_refused_with_its_place() {
    let Some(path) = archived("provider-breaking") else {
        return;
    };
    let folder = folder();
    let inspected = inspect::inspect(&path).unwrap();
    let refusal = Loader::new(folder.path().to_owned(), TrustPolicy::default())
        .load(&inspected)
        .err()
        .unwrap();
    let line = refusal.to_string();
    let place =
        "its layout differs from this host's in instantiate.field_0.obj.vtable.call.param_2, although";
    assert!(line.contains(place), "{line}");
    assert!(!line.contains('\n') && line.len() < 600, "{line}");
}
