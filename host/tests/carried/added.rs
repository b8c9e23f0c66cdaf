//! Fields of the pipeline, and what a reload changes.

use rolog_core::value::OwnedValue;
use rolog_core::{Level, context, info};
use rolog_host::config::Env;
use rolog_host::{Host, MemoryRecord};

use crate::{LONG, fields, one, spec, taken, text, yaml};

#[test]
fn every_record_gets_the_fields_and_one_of_its_own_stands() {
    let env = Env::of([("VERSION", "1.2"), ("CANARY", "true")]);
    let sections = "
fields: { service: shop, version: '${VERSION}', shard: 7, ratio: 0.5, pid: '${pid}' }
redact: off
";
    let host = Host::builder()
        .pipeline(spec(sections, &env))
        .start()
        .unwrap();
    let log = host.factory().get_logger("shop");
    info!(log, "plain {n}", n = 1_u64);
    info!(log, "own", service = "own", n = 1_u64);
    {
        let _in = context!(shard = 9_u64, other = "x").enter();
        info!(log, "in a context");
    }
    log.record(Level::Information, "dynamic")
        .field("version", "mine")
        .send();
    let records = taken(&host);
    let pid = std::process::id().to_string();
    let all = fields(&records[0]);
    assert_eq!(records[0].message, "plain 1");
    assert_eq!(all["service"], &text("shop"));
    assert_eq!(all["version"], &text("1.2"));
    assert_eq!(all["shard"], &OwnedValue::U64(7));
    assert_eq!(all["ratio"], &OwnedValue::F64(0.5));
    assert_eq!(all["pid"], &text(&pid));
    // Its own first, then those of the pipeline in their order; none twice.
    let keys = |record: &MemoryRecord| -> Vec<String> {
        record.fields.iter().map(|(key, _)| key.clone()).collect()
    };
    assert_eq!(
        keys(&records[0]),
        ["n", "service", "version", "shard", "ratio", "pid"]
    );
    assert_eq!(
        keys(&records[1]),
        ["service", "n", "version", "shard", "ratio", "pid"]
    );
    assert_eq!(fields(&records[1])["service"], &text("own"));
    assert_eq!(
        keys(&records[2]),
        ["shard", "other", "service", "version", "ratio", "pid"]
    );
    assert_eq!(fields(&records[2])["shard"], &OwnedValue::U64(9));
    assert_eq!(fields(&records[3])["version"], &text("mine"));
    assert_eq!(records[3].fields.len(), 5);
    host.dispose_blocking(LONG);
}

#[test]
fn an_unquoted_number_stays_one_and_the_pipelines_own_records_get_the_fields() {
    let live = Live::start("fields: { service: shop }");
    live.change("fields:\n  pid: ${pid}\n  service: shop");
    let host = &live.host;
    info!(host.factory().get_logger("a"), "b");
    assert_eq!(host.flush_blocking(LONG), 0);
    let records = host.memory("memory").unwrap().take();
    let own = records
        .iter()
        .find(|record| record.logger == "rolog")
        .unwrap();
    assert_eq!(fields(own)["service"], &text("shop"));
    let last = records.iter().find(|record| record.logger == "a").unwrap();
    let pid = u64::from(std::process::id());
    assert_eq!(fields(last)["pid"], &OwnedValue::U64(pid));
    host.dispose_blocking(LONG);
}

/// A pipeline whose file can be changed.
struct Live {
    folder: tempfile::TempDir,
    host: Host,
}

impl Live {
    fn start(sections: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pipeline.yaml");
        std::fs::write(&file, yaml(sections)).unwrap();
        let host = Host::builder().file(&file).watch(false).start().unwrap();
        Live { folder, host }
    }

    fn change(&self, sections: &str) {
        let file = self.folder.path().join("pipeline.yaml");
        std::fs::write(file, yaml(sections)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(self.host.reload()).unwrap();
    }
}

#[test]
fn a_reload_changes_both_from_the_next_record_on() {
    let live = Live::start("fields: { version: one }\nredact: {}");
    let host = &live.host;
    let log = host.factory().get_logger("shop");
    let call = || info!(log, "login {password}", password = "hunter2", iban = "DE02");
    call();
    let first = one(host);
    assert_eq!(first.message, "login ***");
    assert_eq!(fields(&first)["version"], &text("one"));
    assert_eq!(fields(&first)["iban"], &text("DE02"));
    live.change(
        "fields: { version: two }\nredact: { defaults: false, keys: [iban], replacement: X }",
    );
    call();
    let second = one(host);
    assert_eq!(second.message, "login hunter2");
    assert_eq!(fields(&second)["version"], &text("two"));
    assert_eq!(fields(&second)["iban"], &text("X"));
    live.change("");
    call();
    let third = one(host);
    assert_eq!(third.fields.len(), 2, "{third:?}");
    assert_eq!(fields(&third)["iban"], &text("DE02"));
    host.dispose_blocking(LONG);
}
