//! Lines of a bounded length.

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// How reading the next line ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its end; at the end of the input a line need not have one.
    Whole(Vec<u8>),
    /// The line has more bytes than allowed; this is its beginning, and the next one is its rest.
    Cut(Vec<u8>),
    End,
}

/// Reads a line of at most `limit` bytes.
pub(crate) async fn next(input: &mut (impl AsyncBufRead + Unpin), limit: usize) -> std::io::Result<Line> {
    let mut line = Vec::new();
    loop {
        let bytes = input.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(if line.is_empty() {
                Line::End
            } else {
                Line::Whole(line)
            });
        }
        let room = limit - line.len();
        match bytes.iter().take(room + 1).position(|&byte| byte == b'\n') {
            Some(end) => {
                line.extend_from_slice(&bytes[..end]);
                input.consume(end + 1);
                return Ok(Line::Whole(line));
            }
            None if bytes.len() > room => {
                line.extend_from_slice(&bytes[..room]);
                input.consume(room);
                return Ok(Line::Cut(line));
            }
            None => {
                let length = bytes.len();
                line.extend_from_slice(bytes);
                input.consume(length);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn all(mut input: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        loop {
            match next(&mut input, limit).await.unwrap() {
                Line::End => return lines,
                line => lines.push(line),
            }
        }
    }

    proptest! {
        #[test]
        fn lines_and_their_ends_are_the_input(input in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), limit in 1_usize..20) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let lines = runtime.block_on(all(&input, limit));
            let mut joined = Vec::new();
            for line in &lines {
                match line {
                    Line::Whole(bytes) => {
                        prop_assert!(bytes.len() <= limit);
                        joined.extend_from_slice(bytes);
                        joined.push(b'\n');
                    }
                    Line::Cut(bytes) => {
                        prop_assert_eq!(bytes.len(), limit);
                        joined.extend_from_slice(bytes);
                    }
                    Line::End => unreachable!(),
                }
            }
            if !input.is_empty() && !input.ends_with(b"\n") {
                joined.pop();
            }
            prop_assert_eq!(joined, input);
        }
    }
}
