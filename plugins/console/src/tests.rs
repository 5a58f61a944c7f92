//! The channel on pipes, through the real ABI.

use std::io::{BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::sync::OnceLock;

use miniclaw_plugin_api::testkit::{ChannelKit, check_schema};
use miniclaw_plugin_api::{Cause, ChatRef, Error, OutboundMessage, Outcome};
use serde_json::json;

use super::*;

static TERMINALS: [OnceLock<Terminal>; 5] = [const { OnceLock::new() }; 5];

/// Each test has a terminal of its own.
struct Pipes<const N: usize>;

impl<const N: usize> Streams for Pipes<N> {
    fn terminal() -> &'static Terminal {
        TERMINALS[N].get().unwrap()
    }
}

struct Person {
    writes: PipeWriter,
    reads: PipeReader,
}

impl Person {
    fn at<const N: usize>(interactive: bool) -> (Self, ChannelKit) {
        let (input, writes) = pipe().unwrap();
        let (reads, output) = pipe().unwrap();
        let terminal = Terminal::new(BufReader::new(input), output, interactive);
        assert!(TERMINALS[N].set(terminal).is_ok());
        (
            Self { writes, reads },
            ChannelKit::new::<Console<Pipes<N>>>(json!({})),
        )
    }

    fn sees(&mut self, text: &str) {
        let mut bytes = vec![0; text.len()];
        self.reads.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }
}

fn reply(text: &str) -> OutboundMessage {
    OutboundMessage::new(ChatRef::new("console"), text)
}

#[tokio::test]
async fn line_is_a_message_and_reply_is_printed() {
    let (mut person, kit) = Person::at::<0>(false);
    assert_eq!(kit.start().await.unwrap().id, "console");
    let receiving = kit.receive(None);
    person.writes.write_all(b"hello\n \n/new now \n").unwrap();
    let first = kit.emitted().await;
    let message = first.messages[0].clone();
    assert_eq!(
        (message.chat.id.as_str(), message.sender.id.as_str()),
        ("console", "console")
    );
    assert_eq!(message.text(), "hello");
    assert_eq!(message.command, None);
    first.accept();
    let second = kit.emitted().await;
    let command = second.messages[0].command.clone().unwrap();
    assert_eq!((command.name.as_str(), command.args.as_str()), ("new", "now"));
    assert_ne!(second.messages[0].id, message.id);
    second.accept();
    let sent = kit.send(reply("hi\u{1b}")).await.unwrap();
    person.sees("hi\u{1b}\n");
    assert_eq!(sent.ids.len(), 1);
    kit.stop_receiving().await.unwrap();
    receiving.ended().await.unwrap();
}

#[tokio::test]
async fn person_at_a_terminal_gets_a_prompt() {
    let (mut person, kit) = Person::at::<1>(true);
    kit.start().await.unwrap();
    let _receiving = kit.receive(None);
    person.sees("> ");
    person.writes.write_all(b"\n").unwrap();
    person.sees("> ");
    person.writes.write_all(b"hello\n").unwrap();
    kit.emitted().await.accept();
    kit.send(reply("hi")).await.unwrap();
    person.sees("hi\n> ");
    kit.send(reply("unasked")).await.unwrap();
    person.sees("\nunasked\n> ");
}

#[tokio::test]
async fn end_of_input_is_told_and_replies_are_still_printed() {
    let (mut person, kit) = Person::at::<2>(false);
    kit.start().await.unwrap();
    let receiving = kit.receive(None);
    person.writes.write_all(b"last words").unwrap();
    drop(person.writes);
    kit.emitted().await.accept();
    assert_eq!(kit.event().await, ("console_closed".into(), json!({})));
    kit.send(reply("bye")).await.unwrap();
    let mut seen = [0; 4];
    person.reads.read_exact(&mut seen).unwrap();
    assert_eq!(&seen, b"bye\n");
    kit.stop_receiving().await.unwrap();
    receiving.ended().await.unwrap();
    kit.shutdown().await.unwrap();
}

#[tokio::test]
async fn refused_line_comes_again_and_no_line_is_lost() {
    let (mut person, kit) = Person::at::<3>(false);
    kit.start().await.unwrap();
    let receiving = kit.receive(None);
    person.writes.write_all(b"one\ntwo\n").unwrap();
    let refused = kit.emitted().await;
    let id = refused.messages[0].id.clone();
    refused.refuse(Error::transient("full").because(Cause::Busy));
    assert_eq!(receiving.ended().await.unwrap_err().cause, Cause::Busy);
    let receiving = kit.receive(None);
    let again = kit.emitted().await;
    assert_eq!(
        (again.messages[0].id.clone(), again.messages[0].text()),
        (id, "one".into())
    );
    kit.stop_receiving().await.unwrap();
    again.accept();
    receiving.ended().await.unwrap();
    // An instance that replaces this one goes on with the next line.
    let successor = ChannelKit::new::<Console<Pipes<3>>>(json!({}));
    successor.start().await.unwrap();
    let _receiving = successor.receive(None);
    let next = successor.emitted().await;
    assert_eq!(next.messages[0].text(), "two");
    next.accept();
}

#[tokio::test]
async fn output_that_nobody_reads_is_a_permanent_error() {
    let (person, kit) = Person::at::<4>(false);
    kit.start().await.unwrap();
    drop(person.reads);
    let error = kit.send(reply("hi")).await.unwrap_err();
    assert_eq!(error.outcome, Outcome::Permanent);
}

#[test]
fn path_is_no_command() {
    assert_eq!(command("/etc/hosts"), None);
    assert_eq!(command("/"), None);
    assert_eq!(command("a /new"), None);
    assert_eq!(command(" /new").unwrap().name, "new");
}

#[test]
fn schema_file_is_what_the_settings_derive() {
    check_schema(
        &Console::<Stdio>::MANIFEST,
        &schemars::schema_for!(Settings).to_value(),
    );
}
