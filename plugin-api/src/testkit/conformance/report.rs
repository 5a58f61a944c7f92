//! What a check found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a check found, stage by stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// In order.
    pub stages: Vec<Stage>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// From 1 on.
    pub number: u32,
    /// What it is about.
    pub name: String,
    /// How long it took.
    pub millis: u64,
    /// How it ended.
    #[serde(flatten)]
    pub finding: Finding,
}

/// How a stage ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Finding {
    /// All is as it must be.
    Passed {
        /// What there is to say of it; may be empty.
        note: String,
    },
    /// Something is not as it must be.
    Failed {
        /// What happened.
        what: String,
        /// What to do about it.
        fix: String,
    },
    /// It could not be looked at.
    Skipped {
        /// Why, and how to have it looked at.
        why: String,
    },
}

impl Finding {
    /// A failure.
    pub fn failed(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Failed {
            what: what.into(),
            fix: fix.into(),
        }
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self::Skipped { why: why.into() }
    }

    /// Where what went wrong is another stage's business.
    pub(super) fn skip(self) -> Self {
        match self {
            Self::Failed { what, .. } => Self::skipped(format!("{what}; see the stages before")),
            other => other,
        }
    }
}

impl Report {
    /// Whether no stage failed; skipped ones are allowed.
    pub fn passed(&self) -> bool {
        !self
            .stages
            .iter()
            .any(|stage| matches!(stage.finding, Finding::Failed { .. }))
    }

    /// Ends the test where a stage failed.
    ///
    /// # Panics
    /// With the whole report.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.passed(), "the plugin does not keep the contract:\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stages.iter().try_for_each(|stage| write!(f, "{stage}"))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, lines) = match &self.finding {
            Finding::Passed { note } if note.is_empty() => ("passed", Vec::new()),
            Finding::Passed { note } => ("passed", vec![note.clone()]),
            Finding::Failed { what, fix } => ("FAILED", vec![what.clone(), format!("fix: {fix}")]),
            Finding::Skipped { why } => ("skipped", vec![why.clone()]),
        };
        writeln!(f, "{:2}  {word:8}{} ({} ms)", self.number, self.name, self.millis)?;
        lines.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}
