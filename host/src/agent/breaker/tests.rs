use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn open(now: Instant) -> Breaker {
    let mut breaker = Breaker::default();
    for _ in 0..FAILURES {
        breaker.note(now, Pass::Usual, Verdict::Down(None));
    }
    breaker
}

#[test]
fn the_fifth_failure_in_a_row_opens_it_and_one_answer_closes_it() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    let changes: Vec<_> = (0..6)
        .map(|_| breaker.note(now, Pass::Usual, Verdict::Down(None)))
        .collect();
    let once = |change: &&Change| **change == Change::Opened(FIRST);
    assert_eq!(
        (
            changes.iter().position(|change| once(&change)),
            changes.iter().filter(once).count()
        ),
        (Some(4), 1)
    );
    assert_eq!(breaker.admit(now, false), Err(now + FIRST));
    assert_eq!(breaker.note(now, Pass::Usual, Verdict::Up), Change::Closed);
    assert_eq!(breaker.admit(now, false), Ok(Pass::Usual));
}

#[test]
fn failures_that_are_far_apart_or_not_the_providers_open_nothing() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    for index in 0..20 {
        let later = now + QUIET * index;
        assert_eq!(
            breaker.note(later, Pass::Usual, Verdict::Down(None)),
            Change::None
        );
    }
    for cause in [
        Cause::NotFound,
        Cause::Cancelled,
        Cause::Rejected,
        Cause::TooLarge,
    ] {
        let verdict = Verdict::of(&Error::permanent("no").because(cause));
        assert!(!matches!(verdict, Verdict::Down(_)), "{cause:?}");
    }
}

#[test]
fn waits_double_to_the_longest_and_the_providers_own_wait_counts() {
    let now = Instant::now();
    let mut breaker = open(now);
    let mut at = now;
    for expected in [10, 20, 40, 80, 160, 300, 300] {
        assert_eq!(breaker.admit(at, false), Err(at + SECOND * expected));
        at += SECOND * expected;
        assert_eq!(breaker.admit(at, false), Ok(Pass::Probe));
        breaker.note(at, Pass::Probe, Verdict::Down(None));
    }
    at += LONGEST;
    assert_eq!(breaker.admit(at, false), Ok(Pass::Probe));
    breaker.note(at, Pass::Probe, Verdict::Down(Some(SECOND * 3)));
    assert_eq!(breaker.admit(at, false), Err(at + SECOND * 3));
    assert_eq!(breaker.admit(at, true), Err(at + SECOND * 3));
}

#[test]
fn a_probe_that_says_nothing_makes_room_for_the_next_one() {
    let now = Instant::now();
    let mut breaker = open(now);
    let at = now + FIRST;
    assert_eq!(breaker.admit(at, false), Ok(Pass::Probe));
    assert_eq!(breaker.admit(at, false), Err(at));
    breaker.note(at, Pass::Probe, Verdict::Unsaid);
    assert_eq!(breaker.admit(at, false), Ok(Pass::Probe));
}

#[test]
fn who_has_nobody_else_to_ask_retries_through_a_blip_and_is_refused_in_an_outage() {
    let now = Instant::now();
    let mut breaker = open(now);
    assert_eq!(breaker.admit(now + BLIP - SECOND, true), Ok(Pass::Usual));
    let mut breaker = Breaker::default();
    let rows: Vec<Instant> = (0..FAILURES).map(|index| now + SECOND * 3 * index).collect();
    for at in &rows {
        breaker.note(*at, Pass::Usual, Verdict::Down(None));
    }
    let opened = rows[4];
    assert_eq!(breaker.admit(opened, true), Err(opened + FIRST));
}

proptest! {
    /// However long it is down: at most one probe is under way, and nobody waits longer than the longest wait.
    #[test]
    fn an_open_breaker_lets_one_probe_through_and_never_stays_shut(
        steps in prop::collection::vec((0..400u64, any::<bool>(), 0..4u8), 1..60),
    ) {
        let mut now = Instant::now();
        let mut breaker = open(now);
        let mut probe = false;
        for (seconds, last, fate) in steps {
            now += SECOND * u32::try_from(seconds).unwrap();
            match breaker.admit(now, last) {
                Ok(Pass::Probe) => {
                    prop_assert!(!probe);
                    probe = true;
                }
                Ok(Pass::Usual) => prop_assert!(breaker.open.is_none() || last),
                Err(until) => prop_assert!(until <= now + LONGEST),
            }
            let verdict = match fate {
                0 => Verdict::Down(None),
                1 => Verdict::Unsaid,
                2 => Verdict::Up,
                _ => continue,
            };
            if probe {
                probe = false;
                breaker.note(now, Pass::Probe, verdict);
                prop_assert_eq!(breaker.open.is_none(), verdict == Verdict::Up);
            }
        }
        if !probe {
            prop_assert!(breaker.admit(now + LONGEST, false).is_ok());
        }
    }
}
