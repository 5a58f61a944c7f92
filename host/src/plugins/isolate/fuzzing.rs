//! What holds for any bytes in the place of what a plugin's process sends, or is sent.

use super::frame::{self, HEAD, ToChild, ToHost};

/// Reads bytes as a stream of frames in both directions, as either end does: what is read can be written again and is
/// read as the same, and what is none ends the reading.
pub fn frames(data: &[u8]) {
    each(data, |body| {
        let Some(message) = frame::parse::<ToHost<'_>>(body) else {
            return false;
        };
        let mut again = Vec::new();
        assert!(frame::append(&mut again, &message).is_ok());
        let read = frame::parse::<ToHost<'_>>(&again[HEAD..]);
        assert_eq!(format!("{read:?}"), format!("{:?}", Some(message)));
        true
    });
    each(data, |body| frame::parse::<ToChild<'_>>(body).is_some());
}

fn each(mut data: &[u8], mut whole: impl FnMut(&[u8]) -> bool) {
    while let Some((head, rest)) = data.split_first_chunk::<HEAD>() {
        let Some(body) = frame::length(*head).and_then(|length| rest.get(..length)) else {
            return;
        };
        if !whole(body) {
            return;
        }
        data = &rest[body.len()..];
    }
}

#[cfg(test)]
mod tests {
    use miniclaw_plugin_api::abi::{LogRecord, Payload, Reply};
    use proptest::prelude::*;

    use super::super::frame::{Body, MAX_BYTES};
    use super::*;

    fn some() -> Vec<u8> {
        let payload = Payload {
            json: r#"{"id":"1"}"#.into(),
            bytes: vec![0, 255].into(),
        };
        let record = LogRecord {
            level: 3,
            line: 7,
            target: "t".into(),
            file: "f.rs".into(),
            fields: "{}".into(),
            spans: "".into(),
        };
        let reply = Reply::RErr(payload.clone());
        let (ok, body) = Body::of_reply(&reply);
        let mut bytes = Vec::new();
        for message in [
            ToHost::Ready { gaps: "" },
            ToHost::Request {
                ticket: 1,
                op: 0,
                method: 1,
                body: Body::of(&payload),
            },
            ToHost::Done {
                op: u64::MAX,
                ok,
                body,
            },
            ToHost::log(&record),
            ToHost::Notify {
                notice: 1,
                body: Body::of(&payload),
            },
            ToHost::Refused { reason: "no" },
        ] {
            frame::append(&mut bytes, &message).unwrap();
        }
        bytes
    }

    #[test]
    fn what_is_too_long_is_no_frame_and_leaves_no_trace() {
        let long = "x".repeat(MAX_BYTES + 1);
        let mut bytes = vec![7];
        assert!(frame::append(&mut bytes, &ToHost::Refused { reason: &long }).is_err());
        assert_eq!(bytes, [7]);
        assert_eq!(frame::length(u32::MAX.to_le_bytes()), None);
    }

    proptest! {
        #[test]
        fn damaged_frames_are_read_as_others_or_not_at_all(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = some();
            frames(&bytes);
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            frames(&bytes);
        }
    }

    /// The fuzzer starts from whole frames.
    #[test]
    fn the_seed_is_a_stream_of_frames() {
        let seed = include_bytes!("../../../../tests/fuzz/seeds/frames/all");
        assert_eq!(&seed[..], some());
    }
}
