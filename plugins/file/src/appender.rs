//! Appending so that a batch is in the file wholly or not at all.
//!
//! What the appender knows of the file is a length up to which it is *whole*: it ends in a line feed
//! and holds nothing of a batch that failed. A batch is written behind that, and then either
//! [committed](Appender::commit), or [taken back](Appender::take_back) by cutting the file to the
//! length it had. Cutting is done only while the file is exactly as long as it should be; otherwise
//! somebody else has appended to it or emptied it, and nothing of theirs is touched.

use std::io;

/// What an appender needs of a file.
pub(crate) trait Storage {
    /// The file's length.
    fn len(&self) -> io::Result<u64>;
    /// Appends some of these bytes, and says how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Shortens the file to this length.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// The byte before `end`, which is not 0.
    fn byte_before(&self, end: u64) -> io::Result<u8>;
}

/// Appends batches to a file.
#[derive(Debug)]
pub(crate) struct Appender<S> {
    storage: S,
    /// Up to here the file is whole.
    whole: u64,
    /// Bytes behind that, of a batch that is not finished.
    tail: u64,
}

/// What was found at the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A whole line, or nothing.
    Whole,
    /// A line that some earlier writer had not finished. It has been ended.
    Torn,
}

impl<S: Storage> Appender<S> {
    /// For a file of which nothing is known yet: call [`Appender::begin`] first.
    pub(crate) fn new(storage: S) -> Self {
        Appender {
            storage,
            whole: 0,
            tail: 0,
        }
    }

    pub(crate) fn storage(&self) -> &S {
        &self.storage
    }

    /// Makes sure that the file is whole, whoever wrote to it, and begins a batch.
    pub(crate) fn begin(&mut self) -> io::Result<End> {
        if self.tail > 0 {
            self.take_back()?;
        }
        let len = self.storage.len()?;
        let torn = len != self.whole && len > 0 && self.storage.byte_before(len)? != b'\n';
        if torn {
            self.put(b"\n")?;
            // Part of the whole: cutting it off again would tear the line anew.
            self.tail = 0;
        }
        self.whole = len + u64::from(torn);
        Ok(if torn { End::Torn } else { End::Whole })
    }

    /// Appends all of these bytes to the batch.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.storage.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.tail += written as u64;
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The batch is whole.
    pub(crate) fn commit(&mut self) {
        self.whole += self.tail;
        self.tail = 0;
    }

    /// Up to where the file is whole.
    pub(crate) fn whole(&self) -> u64 {
        self.whole
    }

    /// Cuts off everything behind `len`, whole batches too. Says whether that could be done.
    pub(crate) fn rewind(&mut self, len: u64) -> io::Result<bool> {
        let ours_is_last = self.storage.len()? == self.whole + self.tail && len <= self.whole;
        if ours_is_last {
            self.storage.cut(len)?;
            self.whole = len;
            self.tail = 0;
        }
        Ok(ours_is_last)
    }

    /// Cuts off what was written of the batch. Says whether nothing of it is left in the file.
    pub(crate) fn take_back(&mut self) -> io::Result<bool> {
        if self.tail == 0 {
            return Ok(true);
        }
        let ours_is_last = self.storage.len()? == self.whole + self.tail;
        if ours_is_last {
            self.storage.cut(self.whole)?;
        }
        self.tail = 0;
        Ok(ours_is_last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file in memory, with room up to a limit and writes that may be short.
    #[derive(Debug, Default)]
    struct Fake {
        bytes: Vec<u8>,
        room: usize,
        most: usize,
        uncuttable: bool,
    }

    impl Fake {
        fn with(content: &[u8]) -> Self {
            Fake {
                bytes: content.to_vec(),
                room: usize::MAX,
                most: usize::MAX,
                uncuttable: false,
            }
        }
    }

    impl Storage for Fake {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let free = self.room.saturating_sub(self.bytes.len());
            if free == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = bytes.len().min(free).min(self.most.max(1));
            self.bytes.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn cut(&mut self, len: u64) -> io::Result<()> {
            if self.uncuttable {
                return Err(io::Error::other("cannot cut"));
            }
            self.bytes.truncate(len as usize);
            Ok(())
        }

        fn byte_before(&self, end: u64) -> io::Result<u8> {
            Ok(self.bytes[end as usize - 1])
        }
    }

    fn content(appender: &Appender<Fake>) -> &str {
        std::str::from_utf8(&appender.storage.bytes).unwrap()
    }

    #[test]
    fn a_torn_line_is_ended_once() {
        let mut appender = Appender::new(Fake::with(b"whole\ntorn"));
        assert_eq!(appender.begin().unwrap(), End::Torn);
        assert_eq!(appender.begin().unwrap(), End::Whole);
        appender.put(b"next\n").unwrap();
        appender.commit();
        assert_eq!(content(&appender), "whole\ntorn\nnext\n");
    }

    #[test]
    fn an_empty_file_and_a_whole_one_are_left_alone() {
        for bytes in [&b""[..], b"a\nb\n"] {
            let mut appender = Appender::new(Fake::with(bytes));
            assert_eq!(appender.begin().unwrap(), End::Whole);
            assert_eq!(content(&appender).as_bytes(), bytes);
        }
    }

    #[test]
    fn what_another_program_appended_is_not_cut_off() {
        let mut appender = Appender::new(Fake::with(b""));
        appender.begin().unwrap();
        appender.put(b"ours, begu").unwrap();
        appender.storage.bytes.extend_from_slice(b"theirs");
        assert!(!appender.take_back().unwrap());
        assert_eq!(appender.begin().unwrap(), End::Torn);
        appender.put(b"ours\n").unwrap();
        appender.commit();
        assert_eq!(content(&appender), "ours, begutheirs\nours\n");
    }

    #[test]
    fn a_file_that_was_emptied_goes_on_from_its_beginning() {
        let mut appender = Appender::new(Fake::with(b""));
        appender.begin().unwrap();
        appender.put(b"first\n").unwrap();
        appender.commit();
        appender.storage.bytes.clear();
        assert_eq!(appender.begin().unwrap(), End::Whole);
        appender.put(b"second").unwrap();
        assert!(appender.take_back().unwrap());
        assert_eq!(content(&appender), "");
    }

    #[test]
    fn a_tail_that_could_not_be_cut_is_cut_before_the_next_batch() {
        let mut appender = Appender::new(Fake::with(b"a\n"));
        appender.begin().unwrap();
        appender.put(b"half").unwrap();
        appender.storage.uncuttable = true;
        assert!(appender.take_back().is_err());
        assert!(appender.begin().is_err());
        appender.storage.uncuttable = false;
        assert_eq!(appender.begin().unwrap(), End::Whole);
        assert_eq!(content(&appender), "a\n");
    }

    proptest! {
        /// Whatever the room and the size of writes, the file is the batches that were accepted.
        #[test]
        fn a_batch_is_wholly_there_or_not_at_all(
            steps in prop::collection::vec((1..60_usize, 0..200_usize, 1..9_usize), 1..30),
        ) {
            let mut appender = Appender::new(Fake::with(b""));
            let mut expected = String::new();
            for (size, room, most) in steps {
                appender.storage.room = room;
                appender.storage.most = most;
                let batch = format!("{}\n", "x".repeat(size));
                let written = appender
                    .begin()
                    .and_then(|_| batch.as_bytes().chunks(7).try_for_each(|part| appender.put(part)));
                match written {
                    Ok(()) => {
                        appender.commit();
                        expected += &batch;
                    }
                    Err(_) => prop_assert!(appender.take_back().unwrap()),
                }
                prop_assert_eq!(content(&appender), &expected);
            }
        }
    }
}
