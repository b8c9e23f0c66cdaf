//! What a record carries when it leaves: the fields that all records get, and nothing that is hidden.
//!
//! The pump calls [`Dresser::dress`] once for each record, before the first copy of it is made, so that
//! whatever comes after (targets of every kind, fallbacks, dead letters, what the pipeline says of
//! itself) has never seen anything else. Callers pay nothing for it.
//!
//! Where nothing of the kind is configured there is no [`Dress`], and the pump asks for nothing. Where
//! it is, a record is copied only if something changes in it. What can be known of a call site is found
//! out once: which of its keys and arguments are hidden, and which fields it has itself.
//!
//! A field that a record has itself stands, whatever `fields` says, as the record's own key does
//! before its context. The bound on a record holds for what leaves: what fields, masks and hashes add
//! is taken from the record's longest parts, which are cut and marked as always.

mod fields;
mod site;
mod walk;

pub(crate) use self::fields::Fields;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rolog_core::call_site::CallSite;
use rolog_core::capture::truncate;
use rolog_core::frame::flags;

use self::site::Site;
use self::walk::Payload;
use crate::config::PipelineSpec;
use crate::ledger::PumpCounts;
use crate::redact::{Redactor, Tally};

/// Tells one dress from every other of the process.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// What one configuration adds to records, and what it hides.
#[derive(Debug)]
pub(crate) struct Dress {
    serial: u64,
    fields: Fields,
    redactor: Option<Arc<Redactor>>,
    max_record: usize,
}

impl Dress {
    /// That of a configuration; `None` where it neither adds nor hides anything.
    pub(crate) fn of(spec: &PipelineSpec) -> Option<Arc<Self>> {
        let redactor = spec.redact().map(|rules| Arc::new(rules.compile()));
        let fields = Fields::new(spec.fields(), redactor.as_deref());
        let wanted = redactor.is_some() || !fields.is_empty();
        wanted.then(|| {
            Arc::new(Dress {
                serial: SERIAL.fetch_add(1, Ordering::Relaxed),
                fields,
                redactor,
                max_record: spec.max_record().get(),
            })
        })
    }

    /// The rules of what is hidden, for those that outlive a configuration.
    pub(crate) fn redactor(dress: Option<&Arc<Self>>) -> Option<Arc<Redactor>> {
        dress.and_then(|dress| dress.redactor.clone())
    }
}

/// The pump's side: what it knows of call sites, and room for a record.
#[derive(Debug, Default)]
pub(crate) struct Dresser {
    /// Of the dress that `sites` is about.
    serial: u64,
    sites: Vec<Option<Site>>,
    no_site: Site,
    scratch: Vec<u8>,
}

/// Larger scratch than this is given back.
const SCRATCH: usize = 64 * 1024;

impl Dresser {
    /// The payload as it is to leave, and its flags: as they were, where nothing is to be done.
    #[inline]
    pub(crate) fn dress<'p>(
        &'p mut self,
        dress: Option<&Dress>,
        site: Option<&'static CallSite>,
        bits: u16,
        payload: &'p [u8],
        counts: &PumpCounts,
    ) -> (&'p [u8], u16) {
        match dress {
            None => (payload, bits),
            Some(dress) => self.change(dress, site, bits, payload, counts),
        }
    }

    fn change<'p>(
        &'p mut self,
        dress: &Dress,
        site: Option<&'static CallSite>,
        bits: u16,
        payload: &'p [u8],
        counts: &PumpCounts,
    ) -> (&'p [u8], u16) {
        if self.serial != dress.serial {
            self.serial = dress.serial;
            self.sites.clear();
        }
        let Dresser {
            sites,
            no_site,
            scratch,
            ..
        } = self;
        let rules = dress.redactor.as_deref();
        let known = match site {
            None => no_site,
            Some(site) => {
                let index = site.id() as usize;
                if index >= sites.len() {
                    sites.resize_with(index + 1, || None);
                }
                sites[index].get_or_insert_with(|| Site::new(site, &dress.fields, rules))
            }
        };
        let whole = Payload {
            bytes: payload,
            bits,
            site: known,
        };
        let found = whole.look(&dress.fields, rules);
        if !found.hidden && dress.fields.is_empty() {
            return (payload, bits);
        }
        scratch.clear();
        scratch.shrink_to(SCRATCH);
        match rules {
            Some(rules) if found.hidden => {
                let mut tally = Tally::default();
                whole.rewrite(&found, rules, scratch, &mut tally);
                counts.hidden_by_name.add(tally.names);
                counts.hidden_by_pattern.add(tally.patterns);
            }
            _ => scratch.extend_from_slice(payload),
        }
        let mut bits = bits;
        let room = dress.max_record.saturating_sub(dress.fields.len());
        if scratch.len() > room {
            *scratch = truncate(scratch, site, bits, room);
            bits |= flags::TRUNCATED;
        }
        dress.fields.put(known.own | found.own, scratch);
        (scratch, bits)
    }
}
