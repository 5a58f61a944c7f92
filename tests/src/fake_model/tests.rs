use serde_json::{Value, json};

use super::*;
use crate::http::Client;

const OPENAI: &str = "/v1/chat/completions";

fn request(text: &str, stream: bool) -> String {
    json!({ "model": "fake", "stream": stream, "messages": [
        { "role": "system", "content": "be kind" },
        { "role": "user", "content": [{ "type": "text", "text": text }] },
    ]})
    .to_string()
}

fn ask(model: &FakeModel, path: &str, text: &str, stream: bool) -> (u16, String) {
    let mut client = Client::connect(model.url()).unwrap();
    client.post(path, &request(text, stream)).unwrap()
}

fn text_of_events(body: &str) -> String {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str::<Value>(data).ok())
        .filter_map(|data| data["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn answers_show_what_was_asked() {
    let model = FakeModel::start();
    let (status, body) = ask(&model, OPENAI, "hi \u{1f600}", false);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["choices"][0]["message"]["content"]),
        (200, &json!("re: hi \u{1f600} [n=1]"))
    );
    let asked = model.wait_for_requests(1);
    assert_eq!(
        (asked[0].last_user(), asked[0].messages.len()),
        ("hi \u{1f600}", 2)
    );
}

#[test]
fn a_stream_holds_the_same_answer_in_pieces() {
    let model = FakeModel::start();
    let (_, body) = ask(&model, OPENAI, "hi \u{1f600}\u{1f600}\u{1f600}", true);
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    assert_eq!(text_of_events(&body), "re: hi \u{1f600}\u{1f600}\u{1f600} [n=1]");
}

#[test]
fn ollama_gets_a_line_for_each_piece() {
    let model = FakeModel::start();
    let (_, body) = ask(&model, "/api/chat", "hi", true);
    let lines: Vec<Value> = body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text: String = lines
        .iter()
        .filter_map(|line| line["message"]["content"].as_str())
        .collect();
    assert_eq!(text, "re: hi [n=1]");
    assert_eq!(lines.last().unwrap()["done"], true);
}

#[test]
fn anthropic_and_gemini_get_events_of_their_own_and_what_is_no_request_of_theirs_is_refused() {
    let model = FakeModel::start();
    let mut client = Client::connect(model.url()).unwrap();
    let contents = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] }).to_string();
    let path = "/v1beta/models/fake:streamGenerateContent";
    let (_, body) = client.post(&format!("{path}?alt=sse"), &contents).unwrap();
    assert!(body.contains(r#""text":"re: ""#), "{body}");
    assert!(body.contains(r#""finishReason":"STOP""#), "{body}");
    assert_eq!(
        client
            .post(&format!("{path}?alt=sse&key=k"), &contents)
            .unwrap()
            .0,
        400
    );
    // Without the header that names the version.
    assert_eq!(ask(&model, "/v1/messages", "hi", true).0, 400);
    let asked = model.asked();
    assert_eq!(
        (asked.len(), asked[0].model.as_str(), asked[0].stream),
        (1, "fake", true)
    );
}

#[test]
fn faults_come_once_each_and_then_it_works() {
    let model = FakeModel::start();
    model.fail(1, Fault::too_many(2));
    model.fail(1, Fault::status(500));
    model.fail(1, Fault::garbage());
    assert_eq!(ask(&model, OPENAI, "a", false).0, 429);
    assert_eq!(ask(&model, OPENAI, "a", false).0, 500);
    assert_eq!(ask(&model, OPENAI, "a", true).1, "<html>It works!</html>");
    assert_eq!(ask(&model, OPENAI, "a", false).0, 200);
}

#[test]
fn a_fault_about_one_text_leaves_the_others_alone() {
    let model = FakeModel::start();
    model.fail_about("poison", Fault::status(500));
    assert_eq!(ask(&model, OPENAI, "fine", false).0, 200);
    assert_eq!(ask(&model, OPENAI, "some poison", false).0, 500);
    model.clear_faults();
    assert_eq!(ask(&model, OPENAI, "some poison", false).0, 200);
}

#[test]
fn a_cut_stream_is_an_error_to_the_client() {
    let model = FakeModel::start();
    model.fail(1, Fault::CutStream);
    let mut client = Client::connect(model.url()).unwrap();
    assert!(client.post(OPENAI, &request("hi", true)).is_err());
}

#[test]
fn a_twisted_answer_is_one_of_its_protocol_up_to_the_twist() {
    let model = FakeModel::start();
    for twist in [Twist::ByteByByte, Twist::KeepAlives, Twist::NoEnd] {
        model.fail(1, Fault::Twisted(twist));
        let (_, body) = ask(&model, OPENAI, "hi \u{1f600}", true);
        assert_eq!(text_of_events(&body), "re: hi \u{1f600} [n=1]", "{twist:?}");
        assert_eq!(body.contains("[DONE]"), twist != Twist::NoEnd);
    }
    model.fail(1, Fault::Twisted(Twist::CutInCharacter));
    let mut client = Client::connect(model.url()).unwrap();
    assert!(client.post(OPENAI, &request("\u{1f600}", true)).is_err());
    model.fail(1, Fault::Twisted(Twist::ErrorHalfway));
    let (_, body) = ask(&model, OPENAI, "hi", true);
    assert!(body.contains("re: ") && body.contains("broke down"), "{body}");
}

#[test]
fn answers_without_text_are_well_formed() {
    let model = FakeModel::start();
    model.fail(1, Fault::Empty);
    model.fail(1, Fault::OnlyToolCall);
    assert_eq!(text_of_events(&ask(&model, OPENAI, "a", true).1), "");
    let (_, body) = ask(&model, OPENAI, "a", true);
    assert!(body.contains("no_such_tool"), "{body}");
}

#[test]
fn held_answers_are_counted_and_come_after_the_release() {
    let model = FakeModel::start();
    model.hold();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(model.url()).unwrap()).collect();
    for client in &mut clients {
        client.send(OPENAI, &request("hi", false)).unwrap();
    }
    model.wait_for_in_flight(3);
    model.release();
    for client in &mut clients {
        assert_eq!(client.receive().unwrap().0, 200);
    }
    assert_eq!(model.most_in_flight(), 3);
}

#[test]
fn a_client_that_gives_up_is_no_longer_counted() {
    let model = FakeModel::start();
    model.fail(1, Fault::Hang);
    let mut client = Client::connect(model.url()).unwrap();
    client.send(OPENAI, &request("hi", false)).unwrap();
    model.wait_for_in_flight(1);
    drop(client);
    let idle = |state: &State| (state.in_flight == 0).then_some(());
    assert!(model.shared.state.wait(DEADLINE, idle).is_some());
}
