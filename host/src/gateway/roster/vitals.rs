//! How all instances are, for who observes the gateway.

use std::time::Instant;

use super::{Roster, Slot, lock};
use crate::observe::Vital;

impl Roster {
    /// How all instances are.
    pub(crate) fn vitals(&self) -> Vec<Vital> {
        self.slots.borrow().iter().map(|slot| vital(slot)).collect()
    }
}

fn vital(slot: &Slot) -> Vital {
    let current = slot.current.borrow();
    let heard = current
        .as_ref()
        .and_then(|instance| *instance.progress().borrow());
    let failure = lock(&slot.failure);
    let (restarts, crashes) = failure
        .as_ref()
        .map_or((0, 0), |last| (last.restarts, last.crashes));
    Vital {
        kind: slot.kind,
        name: slot.name.clone(),
        state: slot.state.borrow().clone(),
        silent: heard.map(|heard| Instant::now().saturating_duration_since(heard)),
        outage: current.as_ref().is_some_and(|instance| instance.in_outage()),
        restarts,
        crashes,
    }
}
