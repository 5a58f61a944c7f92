use super::*;
use crate::spool::{Choice, Usage, day_of};

fn cost(provider: &str, input: u64, output: u64) -> Usage {
    Usage {
        provider: provider.into(),
        model: Some("m".into()),
        input,
        output,
        cost_micros: None,
        estimated: false,
    }
}

#[tokio::test]
async fn what_turns_cost_is_summed_by_day_and_model_for_one_session_and_for_all() {
    let store = Store::new();
    let spool = store.spool();
    for (session_name, usage) in [
        ("t_7", vec![cost("a", 10, 1), cost("b", 5, 5)]),
        ("t_7", vec![cost("a", 20, 2)]),
        ("t_8", vec![cost("a", 100, 3)]),
    ] {
        let mut turn = turn(&[], 0, 0);
        (turn.session, turn.usage) = (session(session_name), usage);
        spool.finish(&turn).await.unwrap();
    }
    let today = day_of(crate::spool::wall_ms());
    let own = spool.spent(Some(session("t_7")), today).await.unwrap();
    let sums: Vec<_> = own
        .iter()
        .map(|day| (&*day.provider, day.requests, day.input, day.output))
        .collect();
    assert_eq!(sums, [("a", 2, 30, 3), ("b", 1, 5, 5)]);
    let all = spool.spent(None, today).await.unwrap();
    assert_eq!(all.iter().map(|day| day.input).sum::<u64>(), 135);
    assert!(spool.spent(None, today + 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_choice_outlives_a_crash_and_a_new_generation() {
    let mut store = Store::new();
    let chosen = Choice {
        provider: None,
        model: Some("m".into()),
    };
    let mut choosing = turn(&[], 0, 0);
    choosing.choice = Some(chosen.clone());
    store.spool().finish(&choosing).await.unwrap();
    store.spool().raise_generation(session("t_7")).await.unwrap();
    store.crash();
    let journal = store.spool().journal(session("t_7"), 0).await.unwrap();
    assert_eq!((journal.generation, journal.choice), (1, chosen));
}

#[tokio::test]
async fn the_draft_of_an_unfinished_turn_is_known_after_a_crash() {
    let mut store = Store::new();
    let row = accept(store.spool(), "1").await;
    store.spool().note_draft(row.seq, "55".into()).await.unwrap();
    store.crash();
    assert_eq!(pending(store.spool()).await[0].draft.as_deref(), Some("55"));
}

#[tokio::test]
async fn whatever_a_provider_claims_to_have_used_can_be_summed() {
    let store = Store::new();
    for _ in 0..3 {
        let mut turn = turn(&[], 0, 0);
        let usage = Usage {
            cost_micros: Some(u64::MAX),
            ..cost("a", u64::MAX, u64::MAX)
        };
        (turn.session, turn.usage) = (session("t_7"), vec![usage]);
        store.spool().finish(&turn).await.unwrap();
    }
    let spent = store.spool().spent(None, 0).await.unwrap();
    assert_eq!(spent[0].requests, 3);
    assert!(spent[0].input > 0 && spent[0].cost_micros > Some(0));
}
