//! From a batch to requests: records that go to one place, as many as a request may hold.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rolog_plugin::prelude::*;

use crate::compress::Compressor;
use crate::config::Config;
use crate::format::{self, Format, Written};
use crate::key::Ids;
use crate::route::{Route, Routes};
use crate::shelf::Shelf;

/// What a record costs in a body beside its text, at most.
const RECORD_COST: usize = 16;

/// Makes requests of batches. The same records in the same order always make the same requests, so
/// that their keys stay the same; but for a limit that was learnt from a refusal.
pub(crate) struct Packer {
    config: Config,
    routes: Routes,
    max_records: usize,
    /// Bytes of a body before compression; falls when the service says that it is too large.
    max_bytes: AtomicUsize,
    /// Those that are not in use.
    desks: Mutex<Vec<Desk>>,
    bodies: Shelf,
}

/// What it takes to write a batch, kept for the next one.
struct Desk {
    /// It keeps what it has seen of call sites.
    writer: Box<dyn Format>,
    compressor: Compressor,
    written: Written,
    /// Where in the batch what is written comes from, in order.
    positions: Vec<u32>,
    ids: Ids,
}

/// A batch as requests.
#[derive(Default)]
pub(crate) struct Packed {
    pub requests: Vec<Request>,
    /// Records that cannot be put into any.
    pub rejected: Vec<Rejection>,
}

/// One request.
pub(crate) struct Request {
    pub route: Route,
    pub content_type: String,
    pub body: Bytes,
    /// Bytes of the body before compression.
    pub plain: usize,
    /// Positions of its records in the batch, ascending.
    pub records: Vec<u32>,
    pub key: String,
}

/// The records of one route.
struct Group {
    key: Vec<String>,
    records: Vec<u32>,
}

impl Packer {
    pub(crate) fn new(config: Config, routes: Routes) -> Self {
        Packer {
            routes,
            max_records: config.max_records.unwrap_or(usize::MAX),
            max_bytes: AtomicUsize::new(config.max_bytes.0),
            desks: Mutex::default(),
            bodies: Shelf::default(),
            config,
        }
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(crate) fn encoding(&self) -> Option<&'static str> {
        Compressor::encoding(self.config.compression)
    }

    /// The service has refused a body of this many bytes.
    pub(crate) fn too_large(&self, plain: usize) {
        self.max_bytes.fetch_min(plain / 2, Ordering::Relaxed);
    }

    /// The requests for the records at these positions, which ascend; for all without.
    ///
    /// # Errors
    /// A compressor that fails.
    pub(crate) fn pack(&self, batch: &Batch, which: Option<&[u32]>) -> Result<Packed, Failure> {
        let desk = self.desks().pop();
        let mut desk = desk.unwrap_or_else(|| Desk {
            writer: format::writer(&self.config),
            compressor: Compressor::new(&self.config),
            written: Written::default(),
            positions: Vec::new(),
            ids: Ids::default(),
        });
        let packed = self.pack_at(&mut desk, batch, which);
        self.desks().push(desk);
        packed
    }

    fn desks(&self) -> MutexGuard<'_, Vec<Desk>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pack_at(
        &self,
        desk: &mut Desk,
        batch: &Batch,
        which: Option<&[u32]>,
    ) -> Result<Packed, Failure> {
        let mut packed = Packed::default();
        let mut groups = Groups::default();
        self.write(desk, batch, which, &mut groups, &mut packed.rejected);
        let parts = self.split(&*desk.writer, &desk.written, &mut groups);
        let only_one = parts.len() == 1;
        for (group, records) in parts {
            let whole = only_one.then(|| desk.writer.complete(&mut desk.written.bytes));
            let (body, start) = if let Some(start) = whole.flatten() {
                (std::mem::take(&mut desk.written.bytes), start)
            } else {
                let mut body = self.bodies.take();
                desk.writer.body(&desk.written, &records, &mut body);
                (body, 0)
            };
            let plain = body.len() - start;
            let body = self.compressed(&mut desk.compressor, body, start)?;
            let route = match self.routes.fixed() {
                Some(fixed) => Ok(fixed.clone()),
                None => self.routes.route(&groups.list[group].key),
            };
            match route {
                Ok(route) => packed.requests.push(Request {
                    route,
                    content_type: desk.writer.content_type().to_owned(),
                    body,
                    plain,
                    key: desk.ids.key(&records),
                    records: records
                        .into_iter()
                        .map(|index| desk.positions[index as usize])
                        .collect(),
                }),
                Err(message) => packed
                    .rejected
                    .extend(records.iter().map(|index| Rejection {
                        index: desk.positions[*index as usize],
                        class: Class::Invalid,
                        message: message.clone(),
                    })),
            }
        }
        Ok(packed)
    }

    /// The body as it is sent.
    fn compressed(
        &self,
        compressor: &mut Compressor,
        body: Vec<u8>,
        start: usize,
    ) -> Result<Bytes, Failure> {
        let mut smaller = self.bodies.take();
        let done = compressor.compress(&body[start..], &mut smaller);
        let done = done.map_err(|error| compression(&error))?;
        let (sent, spare, start) = if done {
            (smaller, body, 0)
        } else {
            (body, smaller, start)
        };
        self.bodies.give_back(spare);
        Ok(self.bodies.lend(sent, start))
    }

    /// Writes the records one after the other, and groups them by where they go.
    fn write(
        &self,
        desk: &mut Desk,
        batch: &Batch,
        which: Option<&[u32]>,
        groups: &mut Groups,
        rejected: &mut Vec<Rejection>,
    ) {
        let view = batch.view();
        let written = &mut desk.written;
        written.bytes.clear();
        desk.ids.clear();
        if written.bytes.capacity() == 0 {
            written.bytes = self.bodies.take();
        }
        written.bytes.reserve(2 * batch.bytes().len());
        desk.writer.begin(&mut written.bytes);
        written.begin();
        let apart = self.routes.fixed().is_none();
        let mut wanted = which.map(|which| which.iter().copied().peekable());
        for (position, record) in (0u32..).zip(view.records()) {
            if let Some(wanted) = &mut wanted
                && wanted.next_if_eq(&position).is_none()
            {
                continue;
            }
            let group = if apart {
                self.routes.key(&record).map(|key| Some(groups.of(key)))
            } else {
                Ok(None)
            };
            let placed = group.and_then(|group| {
                let stream = desk.writer.record(&record, &mut written.bytes)?;
                Ok((group, stream))
            });
            match placed {
                Ok((group, stream)) => {
                    if let Some(group) = group {
                        groups.list[group].records.push(written.len());
                    }
                    desk.ids.push(record.id());
                    written.end(stream);
                }
                Err(message) => {
                    written.undo();
                    rejected.push(Rejection {
                        index: position,
                        class: Class::Invalid,
                        message,
                    });
                }
            }
        }
        if !apart {
            let all = groups.of(Vec::new());
            groups.list[all].records.extend(0..written.len());
        }
        desk.positions.clear();
        match which {
            Some(which) => desk.positions.extend_from_slice(which),
            None => desk.positions.extend(0..view.len() as u32),
        }
        if !rejected.is_empty() {
            let mut out = rejected.iter().map(|one| one.index).peekable();
            desk.positions.retain(|at| out.next_if_eq(at).is_none());
        }
    }

    /// What each request holds, of what is written.
    fn split(
        &self,
        writer: &dyn Format,
        written: &Written,
        groups: &mut Groups,
    ) -> Vec<(usize, Vec<u32>)> {
        let limit = self.max_bytes.load(Ordering::Relaxed);
        if let [group] = &mut groups.list[..] {
            let streams = written.streams().map(|stream| writer.stream_cost(stream));
            let records = group.records.len();
            let most = written.bytes.len() + records * RECORD_COST + streams.sum::<usize>();
            if most <= limit && records <= self.max_records && records > 0 {
                return vec![(0, std::mem::take(&mut group.records))];
            }
        }
        let mut parts = Vec::new();
        for (place, group) in groups.list.iter().enumerate() {
            let mut part: Vec<u32> = Vec::new();
            let (mut bytes, mut streams) = (0, Vec::new());
            for &index in &group.records {
                let stream = written.stream(index);
                let mut cost = written.get(index).len() + RECORD_COST;
                if !streams.contains(&stream) {
                    cost += writer.stream_cost(stream);
                }
                if !part.is_empty() && (bytes + cost > limit || part.len() >= self.max_records) {
                    parts.push((place, std::mem::take(&mut part)));
                    streams.clear();
                    bytes = 0;
                }
                if streams.last() != Some(&stream) && !streams.contains(&stream) {
                    streams.push(stream);
                }
                bytes += cost;
                part.push(index);
            }
            if !part.is_empty() {
                parts.push((place, part));
            }
        }
        parts
    }
}

#[derive(Default)]
struct Groups {
    list: Vec<Group>,
    places: HashMap<Vec<String>, usize>,
}

impl Groups {
    fn of(&mut self, key: Vec<String>) -> usize {
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let place = self.list.len();
        self.list.push(Group {
            key: key.clone(),
            records: Vec::new(),
        });
        self.places.insert(key, place);
        place
    }
}

fn compression(error: &std::io::Error) -> Failure {
    Failure::new(
        Class::Internal,
        format!("a body cannot be compressed: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::batch;

    fn packer(config: Value) -> Packer {
        let config: Config = serde_json::from_value(config).unwrap();
        let routes = Routes::new(&config).unwrap();
        Packer::new(config, routes)
    }

    fn numbers(body: &[u8]) -> Vec<u64> {
        let body: Vec<Value> = serde_json::from_slice(body).unwrap();
        body.iter().map(|one| one["n"].as_u64().unwrap()).collect()
    }

    #[test]
    fn a_batch_is_split_by_route_count_and_bytes_and_keeps_its_order() {
        let batch = batch(10, |n| format!("number {n}"));
        let all = |config| packer(config).pack(&batch, None).unwrap().requests;
        let one = all(json!({ "url": "http://h/", "format": "json" }));
        assert_eq!(one.len(), 1);
        assert_eq!(numbers(&one[0].body), (0..10).collect::<Vec<_>>());
        assert_eq!(one[0].plain, one[0].body.len());

        let by_tenant = all(json!({ "url": "http://h/{tenant}", "format": "json" }));
        assert_eq!(by_tenant.len(), 2);
        assert_eq!(by_tenant[1].route.url.path(), "/so%2Futh");
        assert_eq!(by_tenant[1].records, [1, 3, 5, 7, 9]);
        assert_eq!(numbers(&by_tenant[1].body), [1, 3, 5, 7, 9]);

        let by_count = all(json!({ "url": "http://h/", "format": "json", "max_records": 4 }));
        let counts: Vec<_> = by_count.iter().map(|one| one.records.len()).collect();
        assert_eq!(counts, [4, 4, 2]);
        assert_eq!(numbers(&by_count[2].body), [8, 9]);

        let limit = one[0].body.len() / 3;
        let by_bytes = all(json!({ "url": "http://h/", "format": "json", "max_bytes": limit }));
        assert!(by_bytes.len() > 3 && by_bytes.iter().all(|one| one.body.len() <= limit));
        let each = all(json!({ "url": "http://h/", "format": "json", "max_bytes": 1 }));
        assert_eq!(each.len(), 10, "a record alone is sent whatever its size");
    }

    #[test]
    fn keys_stay_when_what_was_sent_before_is_left_out() {
        let batch = batch(10, |n| format!("number {n}"));
        let packer = packer(json!({ "url": "http://h/", "max_records": 4 }));
        let first = packer.pack(&batch, None).unwrap().requests;
        let again = packer
            .pack(&batch, Some(&[4, 5, 6, 7, 8, 9]))
            .unwrap()
            .requests;
        let keys = |requests: &[Request]| -> Vec<String> {
            requests.iter().map(|one| one.key.clone()).collect()
        };
        assert_eq!(keys(&first)[1..], keys(&again));
        assert_eq!(again[0].records, [4, 5, 6, 7]);
        assert_eq!(again[0].body, first[1].body);
    }

    #[test]
    fn a_record_that_lacks_what_the_url_names_is_left_out_and_said_to_lack_it() {
        let batch = batch(3, |n| if n == 1 { "..".into() } else { "a".into() });
        let packer = packer(json!({ "url": "http://h/{message}", "format": "json" }));
        let packed = packer.pack(&batch, None).unwrap();
        assert_eq!(packed.requests.len(), 1);
        assert_eq!(numbers(&packed.requests[0].body), [0, 2]);
        assert_eq!(packed.requests[0].records, [0, 2]);
        assert_eq!(packed.rejected[0].index, 1);
        assert!(packed.rejected[0].message.contains("message"));
    }

    #[test]
    fn a_refused_size_is_learnt() {
        let batch = batch(8, |n| format!("number {n}"));
        let packer = packer(json!({ "url": "http://h/", "format": "json" }));
        let whole = packer.pack(&batch, None).unwrap().requests;
        packer.too_large(whole[0].plain);
        let halves = packer.pack(&batch, None).unwrap().requests;
        assert!(halves.len() > 1 && halves.iter().all(|one| one.plain <= whole[0].plain / 2));
    }

    #[test]
    fn what_was_compressed_is_the_body() {
        use std::io::Read;
        let batch = batch(100, |n| format!("number {n}"));
        let body = |compression: &str, level| {
            let config = json!({ "url": "http://h/", "compression": compression, "compression_level": level });
            packer(config)
                .pack(&batch, None)
                .unwrap()
                .requests
                .remove(0)
                .body
        };
        let plain = body("none", None::<u8>);
        assert!(plain.ends_with(b"}\n") && plain.split(|b| *b == b'\n').count() == 101);
        for level in [None, Some(1), Some(9)] {
            let mut text = Vec::new();
            let gzip = body("gzip", level);
            flate2::read::GzDecoder::new(&gzip[..])
                .read_to_end(&mut text)
                .unwrap();
            assert_eq!(text, plain);
            let zstd = body("zstd", level);
            assert_eq!(zstd::decode_all(&zstd[..]).unwrap(), plain);
            assert!(gzip.len() < plain.len() / 4 && zstd.len() < plain.len() / 4);
        }
    }
}
