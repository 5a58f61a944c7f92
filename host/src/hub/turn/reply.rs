//! From an answer to what T2 stores.

use miniclaw_plugin_api::{ChatKind, OutboundMessage, Role};

use super::{Asked, ChatHub};
use crate::agent::Answer;
use crate::delivery::{Shown, remarked, replace, split};
use crate::media::MediaFile;
use crate::sessions::Entry;
use crate::spool::{FinishedTurn, Usage, wall_ms};

/// Where a turn stands before T2.
pub(super) struct Answered {
    pub(super) generation: u64,
    pub(super) answer: Answer,
    /// What it cost.
    pub(super) usage: Vec<Usage>,
    /// Files of what was answered.
    pub(super) files: Vec<MediaFile>,
    /// The message that showed the answer while it was written.
    pub(super) shown: Option<Shown>,
    /// What was written, where no answer came of it.
    pub(super) written: String,
}

impl Answered {
    /// An answer that was not shown before.
    pub(super) fn new(generation: u64, answer: Answer) -> Self {
        Self {
            generation,
            answer,
            files: Vec::new(),
            usage: Vec::new(),
            shown: None,
            written: String::new(),
        }
    }

    /// What the chat is to show: of a turn that was stopped, what it showed before.
    fn reply(&self) -> String {
        match &self.shown {
            Some(_) if self.answer.reply.is_empty() => remarked(&self.written, "[stopped]"),
            _ if self.answer.remark.is_empty() => self.answer.reply.clone(),
            _ => remarked(&self.answer.reply, &self.answer.remark),
        }
    }
}

impl ChatHub {
    pub(super) fn finished(&self, asked: &Asked<'_>, answered: Answered) -> FinishedTurn {
        let row = asked.row();
        let mut chunks = self.chunks(asked, &answered.reply());
        if let (Some(shown), Some(first)) = (&answered.shown, chunks.first_mut()) {
            replace(shown, first);
        }
        let Answered {
            generation,
            usage,
            answer,
            files,
            ..
        } = answered;
        let mut entries = Vec::new();
        if !answer.heard.is_empty() {
            entries.push(Entry::new(Role::User, answer.heard, row.received_ms).with_media(files));
            if !answer.reply.is_empty() {
                entries.push(Entry::new(Role::Assistant, answer.reply, wall_ms()));
            }
        }
        FinishedTurn {
            session: row.session.clone(),
            generation,
            new_generation: answer.new_generation,
            inbound: asked.rows.seqs(),
            entries,
            channel: row.channel.clone(),
            chunks,
            story: answer.story,
            usage,
            choice: answer.choice,
        }
    }

    /// The reply as the channel's messages.
    fn chunks(&self, asked: &Asked<'_>, reply: &str) -> Vec<OutboundMessage> {
        let (limit, unit) = self.channels.text_limit(&asked.row().channel);
        let mut names = self.names(asked);
        split(reply, limit, unit)
            .into_iter()
            .map(|text| {
                let mut message = OutboundMessage::new(asked.message.chat.clone(), text);
                message.reply_to = names.take();
                message
            })
            .collect()
    }

    /// The message that the answer names, where it is not plain which one it answers: in a group, and when more
    /// messages wait.
    pub(super) fn names(&self, asked: &Asked<'_>) -> Option<String> {
        let waiting = self.load.of(&asked.row().session).waiting;
        let plain = asked.message.chat_kind == ChatKind::Private && waiting <= asked.rows.rows().len();
        (!plain).then(|| asked.message.id.clone())
    }
}
