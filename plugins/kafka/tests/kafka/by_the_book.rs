//! A frame read as `docs/frame.md` has it, by nothing of this project's.

use serde_json::json;

use super::mock::{Cluster, batch_with, deliver};

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn number(&mut self, len: usize) -> u128 {
        let bytes = self.take(len).iter().rev();
        bytes.fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }

    fn sized(&mut self) -> &'a [u8] {
        let len = self.number(4) as usize;
        self.take(len)
    }

    fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.sized()).unwrap()
    }

    /// A value, as its tag and payload.
    fn value(&mut self) -> (u8, &'a [u8]) {
        let tag = self.number(1) as u8;
        let payload = match tag >> 5 {
            0 => &[],
            1 => self.take(1),
            2 => self.take(4),
            3 => self.take(8),
            4 => self.take(12),
            5 => self.take(16),
            6 => self.sized(),
            _ => {
                let len = self.number(1) as usize;
                self.take(len)
            }
        };
        (tag, payload)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_can_be_read_by_the_documented_format_alone() {
    let cluster = Cluster::new(1);
    cluster.topic("frames", 1);
    let kafka = cluster.target("frames", json!({ "format": "frame" })).await;
    let records = batch_with(["an order"], |_, fields| {
        fields.key("count").i64(-2);
        fields.key("list").list(|list| {
            list.bool(true);
            list.str("x");
        });
        fields.key("span").duration(std::time::Duration::new(3, 4));
    });
    assert!(deliver(&kafka, &records).await.is_delivered());
    let message = &cluster.received("frames")[0].content;

    let mut bytes = Bytes(message);
    assert_eq!(bytes.take(4), b"RLGB");
    assert_eq!(
        (bytes.number(2), bytes.number(2), bytes.number(4)),
        (1, 0, 1)
    );
    let dictionary = bytes.number(4) as usize;
    let mut frame = Bytes(bytes.sized());
    assert_eq!(message.len() - bytes.0.len(), dictionary, "there is no gap");
    let counts = (bytes.number(4), bytes.number(4), bytes.number(4));
    assert_eq!(counts, (0, 1, 0));
    assert_eq!(bytes.sized(), b"shop.db");
    assert!(bytes.0.is_empty());

    assert_eq!(frame.number(2), 0x02, "a literal message");
    assert_eq!((frame.number(1), frame.number(1)), (20, 0));
    let references = (frame.number(4), frame.number(4), frame.number(4));
    assert_eq!(references, (0, 1, 0));
    assert_eq!(frame.number(4), 1);
    assert_eq!(frame.number(8), 1_700_000_000_123_456_789);
    assert_eq!((frame.number(16), frame.number(8)), (1, 0));
    assert_eq!(frame.text(), "an order");
    assert_eq!(frame.text(), "count");
    assert_eq!(frame.value(), (0x60, &(-2i64).to_le_bytes()[..]));
    assert_eq!(frame.text(), "list");
    let (tag, list) = frame.value();
    let mut list = Bytes(list);
    assert_eq!(tag, 0xc2);
    assert_eq!(list.value(), (0x02, &[][..]));
    assert_eq!(list.value(), (0xc0, &b"x"[..]));
    assert!(list.0.is_empty());
    assert_eq!(frame.text(), "span");
    let (tag, span) = frame.value();
    let mut span = Bytes(span);
    assert_eq!((tag, span.number(8), span.number(4)), (0x80, 3, 4));
    assert!(frame.0.is_empty());
}
