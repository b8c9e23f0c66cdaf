//! One line of the dead letters.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use rolog_core::delivery::{Class, Failure};
use rolog_core::frame::{Batch, BatchBuilder, RecordId};
use rolog_core::render::JsonLine;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::stage::Letters;

/// A record that was given up, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// Its line in the file, from 1. A record has one for each of its targets that gave it up.
    pub line: u64,
    /// The record's id.
    pub id: RecordId,
    /// The target that gave it up last.
    pub target: String,
    /// The target that it was routed to.
    pub routed: String,
    /// Why.
    pub failure: Failure,
    /// How many attempts that target made.
    pub attempts: u32,
    /// When the first of them failed.
    pub first: Timestamp,
    /// When the last of them failed.
    pub last: Timestamp,
    /// Which instance was in the target's slot.
    pub generation: u64,
    /// An interrupted attempt may have written it all the same.
    pub maybe_written: bool,
    /// The first record of the batch that was given up with this one in it; letters of one batch
    /// follow one another, in its order. None where an older version has written the letter.
    pub together: Option<RecordId>,
    /// The record, as a checked batch of one.
    pub batch: Vec<u8>,
}

/// The line as it is written and read.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    record_id: String,
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    routed: Cow<'a, str>,
    error: Error<'a>,
    attempts: u32,
    first: Timestamp,
    last: Timestamp,
    generation: u64,
    maybe_written: bool,
    #[serde(default)]
    together: Option<String>,
    #[serde(borrow)]
    record: &'a RawValue,
    frame: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Error<'a> {
    class: &'a str,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

/// Writes letters as lines.
pub(super) struct LetterWriter {
    builder: BatchBuilder,
    renderer: JsonLine,
}

impl LetterWriter {
    pub(super) fn new() -> Self {
        LetterWriter {
            // The records have been pushed before, with the epochs of those who made them.
            builder: BatchBuilder::new(0),
            renderer: JsonLine::new(),
        }
    }

    /// All of `letters` as lines.
    pub(super) fn lines(&mut self, letters: &Letters) -> Result<Vec<u8>, Failure> {
        let unreadable = |error: &dyn std::fmt::Display| {
            Failure::new(
                Class::Internal,
                format!("a dead letter is unreadable: {error}"),
            )
        };
        let batch = Batch::parse(&letters.batch).map_err(|error| unreadable(&error))?;
        let time = |time| Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        let (first, last) = (time(letters.first), time(letters.last));
        let mut out = Vec::with_capacity(letters.batch.len() * 4);
        let mut rendered = Vec::new();
        let together = batch.get(0).map(|first| first.id().to_string());
        for record in batch.records() {
            rendered.clear();
            self.renderer.line(&record, &mut rendered);
            let text = std::str::from_utf8(&rendered).map_err(|error| unreadable(&error))?;
            let readable: &RawValue =
                serde_json::from_str(text.trim_end()).map_err(|error| unreadable(&error))?;
            self.builder.push_record(&record, None);
            let frame = BASE64.encode(self.builder.finish());
            let line = Line {
                record_id: record.id().to_string(),
                target: Cow::Borrowed(&letters.target),
                routed: Cow::Borrowed(&letters.routed),
                error: Error {
                    class: letters.failure.class.name(),
                    text: letters.failure.message.as_str().into(),
                },
                attempts: letters.attempts,
                first,
                last,
                generation: letters.generation,
                maybe_written: letters.maybe_written,
                together: together.clone(),
                record: readable,
                frame: &frame,
            };
            serde_json::to_writer(&mut out, &line).map_err(|error| unreadable(&error))?;
            out.push(b'\n');
        }
        Ok(out)
    }
}

impl Letter {
    /// Whether this one was in the same batch as the one that stands before it in the file.
    pub(crate) fn follows(&self, before: &Letter) -> bool {
        self.together.is_some()
            && self.together == before.together
            && self.routed == before.routed
            // Buried anew, a batch may stand behind itself.
            && self.together != Some(self.id)
    }

    /// Reads the line with this number.
    ///
    /// # Errors
    /// One sentence that says what is wrong with it.
    pub(super) fn read(bytes: &[u8], number: u64) -> Result<Letter, String> {
        let line: Line<'_> =
            serde_json::from_slice(bytes).map_err(|error| format!("not a dead letter: {error}"))?;
        let batch = BASE64
            .decode(line.frame)
            .map_err(|error| format!("its frame is not Base64: {error}"))?;
        let id: RecordId = line.record_id.parse().map_err(|error| format!("{error}"))?;
        let parsed = Batch::parse(&batch).map_err(|error| format!("its frame: {error}"))?;
        let ids: Vec<RecordId> = parsed.records().map(|record| record.id()).collect();
        if ids != [id] {
            return Err(format!("its frame is not that of the record {id}"));
        }
        let together = line.together.map(|first| first.parse());
        let together = together
            .transpose()
            .map_err(|error| format!("its batch: {error}"))?;
        let class = Class::ALL
            .into_iter()
            .find(|class| class.name() == line.error.class)
            .unwrap_or(Class::Other);
        Ok(Letter {
            line: number,
            id,
            target: line.target.into_owned(),
            routed: line.routed.into_owned(),
            failure: Failure::new(class, line.error.text),
            attempts: line.attempts,
            first: line.first,
            last: line.last,
            generation: line.generation,
            maybe_written: line.maybe_written,
            together,
            batch,
        })
    }
}
