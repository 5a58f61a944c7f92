//! Intake, lanes and outbox as one state machine, over a spool in miniature: whatever happens in whatever order,
//! crashes included, every message is answered once and in order.

mod gateway;
mod world;

use proptest::prelude::*;

use self::gateway::Gateway;
use self::world::World;

/// How a send ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Sent,
    /// Certainly not sent; it is tried again.
    Failed,
    /// Sent, and the answer got lost; it is tried again.
    Unknown,
    /// Refused for good.
    Dead,
}

/// What happens next. An index that leads nowhere does nothing.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody writes to the bot.
    Write(u8),
    /// The channel hands over so many messages.
    HandOver(usize),
    /// The spool commits so many requests as one.
    Commit(usize),
    /// The oldest answer of the spool arrives, or the oldest one that is no page of rows.
    Answer(bool),
    StartTurn,
    /// A turn ends with a reply of so many chunks.
    EndTurn(usize, usize),
    Send(usize, Outcome),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Sent),
        2 => Just(Outcome::Failed),
        1 => Just(Outcome::Unknown),
        1 => Just(Outcome::Dead),
    ];
    prop_oneof![
        12 => (0..4u8).prop_map(Step::Write),
        6 => (1..5usize).prop_map(Step::HandOver),
        12 => (1..5usize).prop_map(Step::Commit),
        16 => prop::bool::weighted(0.3).prop_map(Step::Answer),
        8 => Just(Step::StartTurn),
        8 => (any::<usize>(), 0..4usize).prop_map(|(turn, chunks)| Step::EndTurn(turn, chunks)),
        16 => (any::<usize>(), outcome).prop_map(|(send, outcome)| Step::Send(send, outcome)),
        1 => Just(Step::Crash),
    ]
}

fn take(step: &Step, world: &mut World, gateway: &mut Gateway) {
    match *step {
        Step::Write(chat) => world.write(chat),
        Step::HandOver(count) => gateway.hand_over(world, count),
        Step::Commit(count) => gateway.commit(world, count),
        Step::Answer(late_page) => gateway.answer(world, late_page),
        Step::StartTurn => gateway.start_turn(),
        Step::EndTurn(turn, chunks) => gateway.end_turn(world, turn, chunks),
        Step::Send(send, outcome) => gateway.send(world, send, outcome),
        Step::Crash => {
            gateway.crash(world);
            *gateway = Gateway::start(world);
        }
    }
}

/// Lets everything go well until nothing is left to do.
fn settle(world: &mut World, gateway: &mut Gateway) {
    for _ in 0..10_000 {
        if world.is_quiet() && gateway.is_idle() {
            return;
        }
        gateway.hand_over(world, 3);
        gateway.start_turn();
        gateway.end_turn(world, 0, 1);
        gateway.send(world, 0, Outcome::Sent);
        gateway.commit(world, 4);
        gateway.answer(world, false);
    }
    panic!("it never comes to rest: {world:?}");
}

fn play(steps: &[Step]) {
    let mut world = World::default();
    let mut gateway = Gateway::start(&mut world);
    for step in steps {
        take(step, &mut world, &mut gateway);
    }
    settle(&mut world, &mut gateway);
    world.check();
}

#[test]
fn what_was_refused_without_a_word_does_not_come_back_behind_later_messages() {
    let mut steps = vec![Step::Write(0); 5];
    // Three find room, the fourth gets a note, the fifth nothing. One is answered, and the sixth finds room.
    steps.extend([
        Step::HandOver(3),
        Step::Commit(9),
        Step::Answer(false),
        Step::Answer(false),
    ]);
    steps.extend([
        Step::StartTurn,
        Step::EndTurn(0, 0),
        Step::HandOver(2),
        Step::Commit(9),
    ]);
    steps.extend([
        Step::Answer(false),
        Step::Write(0),
        Step::HandOver(1),
        Step::Commit(9),
    ]);
    // No verdict on the last three is known.
    steps.extend([Step::Crash, Step::StartTurn, Step::EndTurn(0, 0), Step::Commit(9)]);
    steps.extend([Step::Answer(false), Step::Answer(false), Step::HandOver(3)]);
    play(&steps);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_every_message_is_answered_once_and_in_order(
        steps in prop::collection::vec(step(), 0..250),
    ) {
        play(&steps);
    }
}
