use proptest::prelude::*;

use super::*;

/// What can happen to two sessions and the process.
#[derive(Clone, Copy, Debug)]
enum Event {
    Turn(usize),
    /// A summary that keeps so many messages.
    SumUp(usize, usize),
    StartOver(usize),
    Delete(usize),
    Checkpoint,
    Evict,
    Crash,
    Restart,
    /// A crash, after which a session's file is damaged.
    Damage(usize),
}

const NAMES: [&str; 2] = ["t_1", "t_2"];

fn event() -> impl Strategy<Value = Event> {
    let chat = 0..NAMES.len();
    prop_oneof![
        6 => chat.clone().prop_map(Event::Turn),
        2 => (chat.clone(), 0..4usize).prop_map(|(chat, keeps)| Event::SumUp(chat, keeps)),
        1 => chat.clone().prop_map(Event::StartOver),
        1 => chat.clone().prop_map(Event::Delete),
        4 => Just(Event::Checkpoint),
        2 => Just(Event::Evict),
        2 => Just(Event::Crash),
        1 => Just(Event::Restart),
        1 => chat.prop_map(Event::Damage),
    ]
}

async fn happens(world: &mut World, event: Event, number: usize, model: &mut [Vec<String>; 2]) {
    match event {
        Event::Turn(chat) => {
            let text = number.to_string();
            world.turn(NAMES[chat], &text).await;
            model[chat].push(text);
            let begin = usize::from(model[chat].first().is_some_and(|first| first.starts_with('S')));
            let excess = model[chat].len().saturating_sub(begin + 4);
            model[chat].drain(begin..begin + excess);
        }
        Event::SumUp(chat, keeps) => {
            let text = format!("S{number}");
            world.sum_up(NAMES[chat], &text, keeps).await;
            let kept = model[chat].len().saturating_sub(keeps);
            model[chat].splice(..kept, [text]);
        }
        Event::StartOver(chat) => {
            world.start_over(NAMES[chat]).await;
            model[chat].clear();
        }
        Event::Delete(chat) => {
            world.sessions().delete(&key(NAMES[chat])).await.unwrap();
            model[chat].clear();
        }
        Event::Checkpoint => drop(world.sessions().checkpoint().await),
        // The cache holds one session.
        Event::Evict => drop(world.texts("t_3").await),
        Event::Crash => world.crash(),
        Event::Restart => world.restart().await,
        Event::Damage(chat) => {
            world.crash();
            let path = world.file(&format!("{}.json", NAMES[chat]));
            if path.exists() {
                fs::write(path, "{\"version\":1,").unwrap();
                drop(world.texts(NAMES[chat]).await);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_history_is_what_its_turns_made_it(events in prop::collection::vec(event(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::with_cache(1);
            let mut model = [Vec::new(), Vec::new()];
            for (number, event) in events.iter().enumerate() {
                happens(&mut world, *event, number, &mut model).await;
                if number % 3 == 0 {
                    prop_assert_eq!(&world.texts(NAMES[number % 2]).await, &model[number % 2]);
                }
            }
            world.crash();
            for (name, texts) in NAMES.iter().zip(&model) {
                prop_assert_eq!(&world.texts(name).await, texts);
            }
            Ok(())
        })?;
    }
}
