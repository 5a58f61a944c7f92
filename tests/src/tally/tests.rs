use super::*;

const WINDOW: Duration = Duration::from_millis(50);

/// A tally of one chat, 7, that was asked `n` times.
fn asked(n: u32) -> Tally {
    let tally = Tally::default();
    for index in 0..n {
        assert_eq!(tally.ask(7), question(7, index));
    }
    tally
}

fn send(tally: &Tally, place: u32) {
    tally.sent(7, &format!("answer {place} of 7"));
}

#[test]
fn what_the_script_writes_it_can_read_again() {
    assert_eq!(script::read_question(&question(7, 12)), Some((7, 12)));
    let mut place = 0;
    for index in 0..40 {
        let text = answer(7, index);
        let parts: Vec<&str> = text.split("\n\n").collect();
        assert_eq!(parts.len(), script::parts(index) as usize);
        assert!(parts.len() == 1 || (parts[0].len() < 4_096 && text.len() > 4_096));
        for part in parts {
            assert_eq!(script::read_answer(7, part), Some(place));
            assert_eq!(script::read_answer(8, part), None);
            place += 1;
        }
    }
    assert_eq!(script::place(40), place);
}

#[test]
fn what_arrives_in_order_is_neither_lost_nor_reordered() {
    let tally = asked(8);
    (0..9).for_each(|place| send(&tally, place));
    let counts = tally.counts();
    assert_eq!((counts.due, counts.arrived, counts.reordered), (9, 9, 0));
    assert!(tally.wait_until_missing(0, Duration::ZERO));
}

#[test]
fn what_is_skipped_is_missing_and_counts_as_reordered_if_it_comes_late() {
    let tally = asked(3);
    send(&tally, 0);
    send(&tally, 2);
    assert_eq!((tally.missing(), tally.counts().reordered), (1, 1));
    assert_eq!(tally.missing_places(), ["chat 7: places [1]"]);
    send(&tally, 1);
    assert_eq!((tally.missing(), tally.counts().reordered), (0, 1));
}

#[test]
fn a_repetition_is_explained_once_and_only_by_a_kill_after_the_chats_last_send() {
    let tally = asked(3);
    send(&tally, 0);
    send(&tally, 0);
    assert_eq!(tally.counts().unexplained, 1);
    send(&tally, 1);
    tally.killed(Instant::now(), WINDOW);
    send(&tally, 0);
    assert_eq!(tally.counts().unexplained, 2);
    send(&tally, 1);
    send(&tally, 1);
    assert_eq!(tally.counts().unexplained, 3);
    let kills = tally.kills();
    assert_eq!((kills[0].in_flight, kills[0].repeated.len()), (1, 1));
}

#[test]
fn a_send_long_before_the_kill_was_not_in_flight_and_its_repetition_shows_its_age() {
    let tally = asked(1);
    send(&tally, 0);
    tally.killed(Instant::now() + 2 * WINDOW, WINDOW);
    send(&tally, 0);
    let kills = tally.kills();
    assert_eq!((kills[0].in_flight, kills[0].repeated.len()), (0, 1));
    assert!(kills[0].repeated[0] >= 2 * WINDOW);
}

#[test]
fn the_model_may_be_asked_again_only_after_a_life_ended_without_the_answer() {
    let tally = asked(2);
    tally.call(&question(7, 0));
    tally.killed(Instant::now(), WINDOW);
    tally.call(&question(7, 0));
    assert_eq!(tally.counts().needless_calls, 0);
    tally.call(&question(7, 0));
    assert_eq!(tally.counts().needless_calls, 1);
    send(&tally, 0);
    tally.killed(Instant::now(), WINDOW);
    tally.call(&question(7, 0));
    assert_eq!((tally.counts().needless_calls, tally.counts().calls), (2, 4));
}

#[test]
fn a_text_that_answers_nothing_is_told() {
    let tally = asked(1);
    tally.sent(7, "One of your messages crashed me");
    tally.sent(8, "answer 0 of 7");
    let counts = tally.counts();
    assert_eq!((counts.foreign, counts.arrived), (2, 0));
    assert_eq!(counts.foreign_text, "answer 0 of 7");
}
