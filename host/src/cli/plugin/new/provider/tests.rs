use miniclaw_plugin_api::ChatMessage;
use miniclaw_plugin_api::testkit::{ProviderKit, check_schema, conformance, text_of};
use serde_json::json;

use super::*;

#[tokio::test]
async fn the_last_message_comes_back_word_by_word() {
    let kit = ProviderKit::new::<Plugin>(json!({ "greeting": "> " }));
    kit.start().await.unwrap();
    let asked = vec![ChatMessage::new(Role::User, "one two")];
    let (chunks, completion) = kit.complete(CompletionRequest::new(asked)).await;
    assert_eq!(text_of(&chunks), "> one two");
    assert_eq!(chunks.len(), 3);
    assert_eq!(completion.unwrap().model.as_deref(), Some(MODEL));
}

#[tokio::test]
async fn a_request_without_a_question_is_refused_for_good() {
    let kit = ProviderKit::new::<Plugin>(json!({}));
    kit.start().await.unwrap();
    let (_, completion) = kit.complete(CompletionRequest::new(Vec::new())).await;
    let error = completion.unwrap_err();
    assert_eq!(error.message, "nobody asked anything");
}

#[tokio::test]
async fn the_provider_keeps_the_contract() {
    conformance::provider::<Plugin>(json!({})).await.assert();
}

#[test]
fn the_schema_file_is_what_the_settings_derive() {
    check_schema(
        &Plugin::MANIFEST,
        &schemars::schema_for!(Settings).to_value(),
    );
}
