use std::sync::Arc;
use std::time::Instant;

use miniclaw_plugin_api::{ChatRef, InboundMessage, OutboundMessage};
use miniclaw_tests::watched::DEADLINE;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::sessions::SessionKey;

const SECRET: &str = "what a person wrote";

fn row(seq: u64) -> InboundRow {
    let mut message = InboundMessage::default();
    message.chat = ChatRef::new("chat-777");
    message.parts = OutboundMessage::new(ChatRef::new("x"), SECRET).parts;
    InboundRow {
        seq,
        channel: "telegram".into(),
        session: SessionKey("telegram_chat-777".into()),
        message: Arc::new(message),
        attempts: 0,
        suspect: false,
        received_ms: 1_000,
        draft: None,
    }
}

fn finished(row: &InboundRow) -> FinishedTurn {
    let mut turn = FinishedTurn::note(row, vec![row.seq], SECRET);
    let story = r#"[{"provider":"model","model":"m","at_ms":1100,"took_ms":50,"error":"what a person wrote"},
        {"provider":"model","at_ms":1200,"took_ms":50,"usage":{"provider":"model","model":null,"input":7,"output":3,"cost_micros":null,"estimated":false}}]"#;
    turn.story = Some(story.into());
    turn
}

fn reply(row: &InboundRow) -> OutboxRow {
    OutboxRow {
        id: 99,
        channel: row.channel.clone(),
        session: row.session.clone(),
        reply: row.seq,
        message: Arc::new(OutboundMessage::new(ChatRef::new("chat-777"), SECRET)),
        attempts: 0,
        kills: 0,
        outage: false,
        ambiguous: false,
        not_before_ms: 0,
        created: 0,
        asked_ms: Some(row.received_ms),
    }
}

/// Answers one request; returns its head and its spans.
async fn collect(listener: &TcpListener) -> (String, Vec<Value>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        if let Ok(told) = serde_json::from_str::<Value>(body) {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                .await
                .unwrap();
            let spans = told["resourceSpans"][0]["scopeSpans"][0]["spans"]
                .as_array()
                .unwrap()
                .clone();
            return (head.to_owned(), spans);
        }
    }
}

/// One queue stands for the process, so that this is one test.
#[tokio::test]
async fn otel_a_message_is_one_trace_without_a_word_of_it_and_a_collector_that_is_down_holds_up_nobody() {
    let (sender, waiting) = mpsc::channel(WAITING);
    QUEUE.set(sender).unwrap();
    let row = row(7);
    // Nobody takes them: the queue fills up, and telling goes on at once.
    let began = Instant::now();
    for _ in 0..10_000 {
        turn(
            "spool",
            std::slice::from_ref(&row),
            &finished(&row),
            Duration::ZERO,
        );
    }
    assert!(began.elapsed() < DEADLINE);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = waiting;
    while waiting.try_recv().is_ok() {}
    turn(
        "spool",
        std::slice::from_ref(&row),
        &finished(&row),
        Duration::from_millis(300),
    );
    sent("spool", &reply(&row), 1, Duration::from_millis(20), true);
    let target = Target::of(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(format!("http://{address}")),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("x-key=k".into()),
        _ => None,
    });
    let collected = async {
        tokio::select! {
            told = collect(&listener) => told,
            () = run((target.unwrap(), waiting)) => panic!("the exporter ended"),
        }
    };
    let (head, spans) = tokio::time::timeout(DEADLINE, collected).await.unwrap();
    assert!(
        head.starts_with("POST /v1/traces HTTP/1.1") && head.contains("x-key: k"),
        "{head}"
    );
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["message", "turn", "provider", "provider", "send"]);
    assert!(spans.iter().all(|span| span["traceId"] == spans[0]["traceId"]));
    assert_eq!(spans[1]["parentSpanId"], spans[0]["spanId"]);
    for child in &spans[2..] {
        assert_eq!(child["parentSpanId"], spans[1]["spanId"]);
    }
    let failed: Vec<_> = spans.iter().map(|span| span["status"]["code"] == 2).collect();
    assert_eq!(failed, [false, false, true, false, true]);
    let text = serde_json::to_string(&spans).unwrap();
    assert!(!text.contains(SECRET) && !text.contains("777"), "{text}");
    assert!(
        text.contains(r#""gen_ai.usage.input_tokens","value":{"intValue":"7"}"#),
        "{text}"
    );
}
