//! Strict JSON that keeps the line and column of every key and value.

use super::errors::{ConfigError, Origin, Position, Problem, shown};
use super::tree::{Data, Member, Node, Object, join};

/// What a text holds, and an error for each duplicate key in it.
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) duplicates: Vec<ConfigError>,
}

/// Parses `text` as one JSON value; `origin` makes a position the origin of what stands there.
///
/// # Errors
/// The first violation of the grammar, and nesting deeper than 128.
pub(super) fn parse(text: &str, origin: &dyn Fn(Position) -> Origin) -> Result<Parsed, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser {
        text,
        at: 0,
        position: Position { line: 1, column: 1 },
        origin,
        key: String::new(),
        duplicates: Vec::new(),
    };
    let root = parser.value(0)?;
    parser.skip_space();
    if parser.peek().is_some() {
        return Err(parser.unexpected("the end after the value"));
    }
    Ok(Parsed {
        root,
        duplicates: parser.duplicates,
    })
}

const MAX_DEPTH: u32 = 128;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    position: Position,
    origin: &'a dyn Fn(Position) -> Origin,
    key: String,
    duplicates: Vec<ConfigError>,
}

impl Parser<'_> {
    fn value(&mut self, depth: u32) -> Result<Node, ConfigError> {
        self.skip_space();
        let start = self.position;
        if depth > MAX_DEPTH {
            return Err(self.error(start, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let data = match self.peek() {
            Some(b'{') => Data::Object(self.object(depth)?),
            Some(b'[') => Data::List(self.list(depth)?),
            Some(b'"') => Data::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.literal()?,
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Node::new((self.origin)(start), data))
    }

    fn object(&mut self, depth: u32) -> Result<Object, ConfigError> {
        let mut object = Object::new();
        self.advance();
        self.skip_space();
        if self.take(b'}') {
            return Ok(object);
        }
        loop {
            self.skip_space();
            if self.peek() == Some(b'}') {
                return Err(self.error(self.position, "a comma before `}`; remove the comma".into()));
            }
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let key = (self.origin)(self.position);
            let name = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.unexpected("`:` after the key"));
            }
            let outer = std::mem::take(&mut self.key);
            self.key = join(&outer, &name);
            let node = self.value(depth + 1)?;
            if let Some(first) = object.get(&name) {
                let other = Problem::Duplicate {
                    other: first.key.clone(),
                };
                self.duplicates.push(key.error(&*self.key, other));
            }
            self.key = outer;
            object.insert(name, Member { key, node });
            self.skip_space();
            if self.take(b'}') {
                return Ok(object);
            }
            if !self.take(b',') {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
    }

    fn list(&mut self, depth: u32) -> Result<Vec<Node>, ConfigError> {
        let mut list = Vec::new();
        self.advance();
        self.skip_space();
        if self.take(b']') {
            return Ok(list);
        }
        loop {
            self.skip_space();
            if self.peek() == Some(b']') {
                return Err(self.error(self.position, "a comma before `]`; remove the comma".into()));
            }
            let outer = self.key.len();
            self.key.push_str(&format!("[{}]", list.len()));
            list.push(self.value(depth + 1)?);
            self.key.truncate(outer);
            self.skip_space();
            if self.take(b']') {
                return Ok(list);
            }
            if !self.take(b',') {
                return Err(self.unexpected("`,` or `]`"));
            }
        }
    }

    fn string(&mut self) -> Result<String, ConfigError> {
        let (start, position) = (self.at, self.position);
        self.advance();
        loop {
            match self.peek() {
                None => return Err(self.error(position, "this string has no end".into())),
                Some(b'"') => break,
                Some(b'\n' | b'\r') => {
                    let message = "a string has no end on its line; for a line break in it write `\\n`";
                    return Err(self.error(position, message.into()));
                }
                Some(0..0x20) => {
                    return Err(self.error(self.position, "a control character in a string".into()));
                }
                Some(b'\\') => {
                    self.advance();
                    self.advance();
                }
                Some(_) => self.advance(),
            }
        }
        self.advance();
        let slice = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(slice).map_err(|_| {
            self.error(
                position,
                "this string has an escape that JSON does not know".into(),
            )
        })
    }

    fn number(&mut self) -> Result<Data, ConfigError> {
        let (start, position) = (self.at, self.position);
        while let Some(b'+' | b'-' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') = self.peek() {
            self.advance();
        }
        let slice = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(slice).map(Data::Number).map_err(|_| {
            let slice = shown(slice);
            let message = format!("`{slice}` is not a number; text needs double quotes");
            self.error(position, message)
        })
    }

    fn literal(&mut self) -> Result<Data, ConfigError> {
        let (start, position) = (self.at, self.position);
        while let Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-') = self.peek() {
            self.advance();
        }
        match self.text.get(start..self.at).unwrap_or_default() {
            "true" => Ok(Data::Bool(true)),
            "false" => Ok(Data::Bool(false)),
            "null" => Ok(Data::Null),
            word => Err(self.error(
                position,
                format!("`{}` is not a value; text needs double quotes", shown(word)),
            )),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self) {
        let Some(character) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) else {
            return;
        };
        self.at += character.len_utf8();
        if character == '\n' {
            self.position.line += 1;
            self.position.column = 1;
        } else {
            self.position.column += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.advance();
        }
        there
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.advance();
        }
    }

    fn unexpected(&self, expected: &str) -> ConfigError {
        let message = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            None => format!("the text ends where {expected} is expected"),
            Some('/' | '#') => "a comment, which JSON does not have; remove it or use an `x-` key".into(),
            Some('\'') => "a single quote; keys and text need double quotes".into(),
            Some(character) => format!(
                "expected {expected}, found `{}`",
                shown(character.encode_utf8(&mut [0; 4]))
            ),
        };
        self.error(self.position, message)
    }

    fn error(&self, position: Position, message: String) -> ConfigError {
        (self.origin)(position).error("", Problem::Syntax(message))
    }
}
