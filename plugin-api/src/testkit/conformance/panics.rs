//! Stage 8: a panic ends one call, and nothing else.

use super::report::Finding;
use super::subject::{CALL, Step, Subject};
use crate::abi::{Payload, method};
use crate::error::Cause;
use crate::testkit::instance::Instance;
use crate::wire::{CHECK_PANIC, Named};

/// Calls that read a body before they do anything.
const METHODS: [u32; 9] = [
    method::RECEIVE,
    method::SEND,
    method::UPDATE,
    method::SIGNAL,
    method::FETCH,
    method::INVOKE,
    method::EVENT,
    method::COMPLETE,
    9_999,
];

pub(super) async fn check(subject: &Subject) -> Step<String> {
    let instance = subject.instance(&subject.settings)?;
    subject.start(&instance).await.map_err(Finding::skip)?;
    for method in METHODS {
        for body in ["", "{", "[1]", "7"] {
            let payload = Payload {
                json: body.into(),
                bytes: Vec::new().into(),
            };
            let what = format!("method {method} with the body `{body}`");
            let reply = subject.within(CALL, &what, instance.call_raw(method, payload));
            if reply.await?.is_ok() {
                return Err(Finding::failed(
                    format!("{what} was taken"),
                    "build the library against this version of miniclaw-plugin-api",
                ));
            }
        }
    }
    let panic = ask(subject, &instance, CHECK_PANIC).await?;
    let note = match panic.cause {
        Cause::Panicked => "",
        Cause::Unsupported => {
            "built against an API that cannot be made to panic; its manifest says that panics unwind"
        }
        _ => {
            return Err(Finding::failed(
                format!("a panic was answered with: {panic}"),
                "do not answer `check.panic`",
            ));
        }
    };
    ask(subject, &instance, "check.alive").await?;
    subject.shut_down(&instance).await?;
    Ok(note.to_owned())
}

/// The error to a question that nobody answers.
async fn ask(subject: &Subject, instance: &Instance, name: &str) -> Step<crate::Error> {
    let body = Named {
        name: name.to_owned(),
        data: serde_json::Value::Null,
    };
    let what = format!("invoke of `{name}`");
    let reply = subject.within(CALL, &what, instance.call(method::INVOKE, &body));
    let unknown = "answer `Error::unsupported` to names that the plugin does not know";
    match reply.await? {
        Ok(_) => Err(Finding::failed(format!("{what} was taken"), unknown)),
        Err(error) => Ok(error),
    }
}
