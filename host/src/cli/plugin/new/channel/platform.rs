//! The platform: two files in a folder. A line appended to `in.txt` is a message, replies are appended to
//! `out.txt`. Put the client of your platform here.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use miniclaw_plugin_api::{Cause, Error, Result};

/// Sends that are remembered, so that one that is repeated is not written twice.
const REMEMBERED: usize = 1000;
/// Lines that are handed over at once.
const PAGE: usize = 100;

pub struct Platform {
    folder: PathBuf,
    sent: Mutex<VecDeque<String>>,
}

/// A line that somebody wrote.
pub struct Line {
    /// Unique, and the same whenever the line is read.
    pub id: String,
    pub text: String,
    /// Where the next line begins.
    pub end: u64,
}

impl Platform {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            sent: Mutex::default(),
        }
    }

    /// Makes what is missing.
    pub fn connect(&self) -> Result<()> {
        std::fs::create_dir_all(&self.folder).map_err(|error| lost(&error))?;
        self.append("in.txt", "")?;
        self.append("out.txt", "")
    }

    /// The lines from a position on; a line without its end is still being written.
    pub fn lines_after(&self, mut position: u64) -> Result<Vec<Line>> {
        let mut file = File::open(self.folder.join("in.txt")).map_err(|error| lost(&error))?;
        let sought = file.seek(SeekFrom::Start(position));
        sought.map_err(|error| lost(&error))?;
        let mut file = BufReader::new(file);
        let mut lines = Vec::new();
        let mut bytes = Vec::new();
        while lines.len() < PAGE {
            bytes.clear();
            let read = file.read_until(b'\n', &mut bytes);
            read.map_err(|error| lost(&error))?;
            if bytes.pop() != Some(b'\n') {
                break;
            }
            let id = position.to_string();
            position += bytes.len() as u64 + 1;
            lines.push(Line {
                id,
                text: String::from_utf8_lossy(&bytes).into_owned(),
                end: position,
            });
        }
        Ok(lines)
    }

    /// Writes a reply, once for each key, and returns its id.
    pub fn post(&self, text: &str, key: &str) -> Result<String> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_empty() || !sent.iter().any(|known| known == key) {
            self.append("out.txt", &format!("{text}\n"))?;
            sent.push_back(key.to_owned());
            if sent.len() > REMEMBERED {
                sent.pop_front();
            }
        }
        Ok(key.to_owned())
    }

    pub fn write_as_a_person(&self, line: &str) -> Result<()> {
        self.append("in.txt", &format!("{line}\n"))
    }

    fn append(&self, name: &str, text: &str) -> Result<()> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join(name));
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| lost(&error))
    }
}

/// It did not happen, and may work later.
fn lost(error: &io::Error) -> Error {
    Error::transient(format!("the files cannot be reached: {error}")).because(Cause::Unavailable)
}
