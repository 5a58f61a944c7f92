//! What a schema says of a value.

use serde_json::Value;

/// What came of one schema and one value.
#[derive(Default)]
pub(super) struct Verdict<'s> {
    /// All of them certain.
    pub(super) faults: Vec<Fault<'s>>,
    /// There is a rule that cannot be judged here; without faults the value may or may not fit.
    pub(super) unsure: bool,
}

/// One rule that a value breaks. Shows nothing of the value but names of keys.
pub(in super::super) struct Fault<'s> {
    /// JSON pointer to the value.
    pub(in super::super) place: String,
    pub(in super::super) kind: Kind<'s>,
}

pub(in super::super) enum Kind<'s> {
    /// A key, and the keys that are known beside it.
    Unknown { name: String, known: Vec<&'s str> },
    /// A key that is not there.
    Missing(&'s str),
    /// It has none of these types.
    Type(Vec<&'s str>),
    /// It is not this value.
    Const(&'s Value),
    /// It has none of several forms; what is wrong with it as each of them.
    Forms(Vec<Vec<Fault<'s>>>),
    /// A sentence on `the value`.
    Other(String),
}

impl<'s> Verdict<'s> {
    pub(super) const UNSURE: Self = Self {
        faults: Vec::new(),
        unsure: true,
    };

    pub(super) fn fault(place: &str, kind: Kind<'s>) -> Self {
        let place = place.to_owned();
        Self {
            faults: vec![Fault { place, kind }],
            unsure: false,
        }
    }

    /// Refuses the value with a sentence where a rule is broken.
    pub(super) fn unless(holds: bool, place: &str, sentence: impl FnOnce() -> String) -> Self {
        match holds {
            true => Self::default(),
            false => Self::fault(place, Kind::Other(sentence())),
        }
    }

    /// Certainly right.
    pub(super) fn fits(&self) -> bool {
        self.faults.is_empty() && !self.unsure
    }

    /// Certainly wrong.
    pub(super) fn fails(&self) -> bool {
        !self.faults.is_empty()
    }

    pub(super) fn join(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.unsure |= other.unsure;
    }
}

impl<'s> FromIterator<Self> for Verdict<'s> {
    /// All of them must hold.
    fn from_iter<I: IntoIterator<Item = Self>>(verdicts: I) -> Self {
        let mut all = Self::default();
        for verdict in verdicts {
            all.join(verdict);
        }
        all
    }
}
