use super::pages::{PAGE, Pages, word};

/// A row's payload is cut off here: none of ours is that long.
const LONGEST: usize = 256 << 20;

/// A value as it is stored. Text that is not UTF-8, a number with a fraction and a blob are of no column of ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Foreign,
}

/// A row of a table, or an entry of an index.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    /// Of rows alone.
    pub(super) rowid: Option<i64>,
    pub(super) values: Vec<Value>,
}

/// Kinds of pages of a tree (section 1.6 of the file format).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    IndexInner,
    TableInner,
    IndexLeaf,
    TableLeaf,
}

/// What stands on a page of a tree.
pub(super) struct Tree {
    pub(super) kind: Kind,
    /// Pages below.
    pub(super) children: Vec<u32>,
    /// `None` for one that cannot be read.
    pub(super) cells: Vec<Option<Cell>>,
}

/// Reads a page of a tree; `None` where it is none.
pub(super) fn tree(pages: &Pages, number: u32) -> Option<Tree> {
    let page = pages.get(number)?;
    // The first page begins with the header of the file.
    let start = if number == 1 { 100 } else { 0 };
    let kind = match page.get(start)? {
        2 => Kind::IndexInner,
        5 => Kind::TableInner,
        10 => Kind::IndexLeaf,
        13 => Kind::TableLeaf,
        _ => return None,
    };
    let inner = matches!(kind, Kind::IndexInner | Kind::TableInner);
    let pointers = start + if inner { 12 } else { 8 };
    let count = half(page, start + 3)?;
    if pointers + 2 * count > PAGE {
        return None;
    }
    let mut tree = Tree {
        kind,
        children: Vec::new(),
        cells: Vec::new(),
    };
    if inner {
        tree.children.extend(word(page, start + 8));
    }
    for pointer in 0..count {
        let at = half(page, pointers + 2 * pointer)?;
        if inner {
            tree.children.extend(word(page, at));
        }
        if kind != Kind::TableInner {
            tree.cells.push(cell(pages, page, at, kind));
        }
    }
    Some(tree)
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_be_bytes(bytes.try_into().ok()?)))
}

fn cell(pages: &Pages, page: &[u8], at: usize, kind: Kind) -> Option<Cell> {
    let mut rest = page.get(at..)?;
    if kind == Kind::IndexInner {
        rest = rest.get(4..)?;
    }
    let length = usize::try_from(varint(&mut rest)?)
        .ok()
        .filter(|&length| length <= LONGEST)?;
    let rowid = if kind == Kind::TableLeaf {
        Some(varint(&mut rest)?.cast_signed())
    } else {
        None
    };
    let payload = payload(pages, rest, length, kind)?;
    Some(Cell {
        rowid,
        values: record(&payload)?,
    })
}

/// Section 1.6 of the file format says how much of a payload stands on the page itself.
fn payload(pages: &Pages, rest: &[u8], length: usize, kind: Kind) -> Option<Vec<u8>> {
    let most = if kind == Kind::TableLeaf {
        PAGE - 35
    } else {
        (PAGE - 12) * 64 / 255 - 23
    };
    if length <= most {
        return rest.get(..length).map(<[u8]>::to_vec);
    }
    let least = (PAGE - 12) * 32 / 255 - 23;
    let fitting = least + (length - least) % (PAGE - 4);
    let local = if fitting <= most { fitting } else { least };
    let mut payload = rest.get(..local)?.to_vec();
    let mut next = word(rest, local)?;
    while payload.len() < length {
        let page = pages.get(next)?;
        let share = (length - payload.len()).min(PAGE - 4);
        payload.extend_from_slice(&page[4..4 + share]);
        next = word(page, 0)?;
    }
    Some(payload)
}

fn record(payload: &[u8]) -> Option<Vec<Value>> {
    let mut rest = payload;
    let head = usize::try_from(varint(&mut rest)?).ok()?;
    let mut types = payload.get(payload.len() - rest.len()..head)?;
    let mut body = payload.get(head..)?;
    let mut values = Vec::new();
    while !types.is_empty() {
        values.push(value(varint(&mut types)?, &mut body)?);
    }
    Some(values)
}

fn value(kind: u64, body: &mut &[u8]) -> Option<Value> {
    let length = match kind {
        0 | 8 | 9 => 0,
        1..=4 => usize::try_from(kind).ok()?,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return None,
        _ => usize::try_from((kind - 12) / 2).ok()?,
    };
    let (bytes, rest) = body.split_at_checked(length)?;
    *body = rest;
    Some(match kind {
        0 => Value::Null,
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        1..=6 => Value::Integer(integer(bytes)),
        _ if kind >= 13 && kind % 2 == 1 => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Foreign,
        },
        _ => Value::Foreign,
    })
}

fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|&first| first >= 0x80);
    let start = if negative { -1 } else { 0 };
    bytes
        .iter()
        .fold(start, |number, &byte| (number << 8) | i64::from(byte))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for at in 0..9 {
        let (&byte, left) = rest.split_first()?;
        *rest = left;
        if at == 8 {
            return Some((number << 8) | u64::from(byte));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    Some(number)
}
