//! The same call and the same file by each logger. A side is set up once in a process of its own,
//! because most of them are global.
//!
//! Each gets what its authors recommend for this use: without loss, behind a thread of its own where
//! it has one, with a generous queue, and its own JSON. `log4rs` and `fern` write on the calling
//! thread; `ftlog` puts its own time before each line.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

const TEXT: &str = "0123456789abcdef";
/// Records that a side's queue holds, where that can be set.
const QUEUE: usize = 100_000;

/// A logger, set up.
pub struct Side {
    /// One call.
    pub call: Box<dyn Caller>,
    /// Waits until everything is in the file.
    pub end: Box<dyn FnOnce()>,
}

/// Makes calls in a loop of its own, so that what is measured has no call through a pointer in it.
pub trait Caller: Send + Sync {
    /// So many calls, from this number on.
    fn calls(&self, from: u64, count: u64);

    /// The nanoseconds of each of so many calls.
    fn timed(&self, from: u64, count: u64, each: &mut Vec<u64>);

    /// So many calls below the level.
    fn disabled(&self, count: u64);
}

macro_rules! caller {
    ($name:ident($($field:ident: $type:ty)?), |$n:ident $(, $bind:ident)?| $on:expr, $off:expr) => {
        struct $name { $($field: $type)? }

        impl Caller for $name {
            fn calls(&self, from: u64, count: u64) {
                $(let $bind = &self.$field;)?
                for $n in from..from + count {
                    $on;
                }
            }

            fn timed(&self, from: u64, count: u64, each: &mut Vec<u64>) {
                $(let $bind = &self.$field;)?
                for $n in from..from + count {
                    let before = rolog_core::clock::ticks();
                    $on;
                    each.push(rolog_core::clock::ticks() - before);
                }
            }

            fn disabled(&self, count: u64) {
                $(let $bind = &self.$field;)?
                for $n in 0..count {
                    $off;
                    std::hint::black_box($n);
                }
            }
        }
    };
}

caller!(Rolog(log: rolog_core::Logger), |n, log|
    rolog_core::info!(log, "order {id} accepted", id = n, total = 19.99, customer = TEXT),
    rolog_core::debug!(log, "order {id} accepted", id = n, total = 19.99, customer = TEXT));
caller!(
    Tracing(),
    |n| tracing::info!(id = n, total = 19.99, customer = TEXT, "order accepted"),
    tracing::debug!(id = n, total = 19.99, customer = TEXT, "order accepted")
);
caller!(
    Log(),
    |n| log::info!(id = n, total = 19.99, customer = TEXT; "order accepted"),
    log::debug!(id = n, total = 19.99, customer = TEXT; "order accepted")
);
caller!(Slog(log: slog::Logger), |n, log|
    slog::info!(log, "order accepted"; "id" => n, "total" => 19.99, "customer" => TEXT),
    slog::trace!(log, "order accepted"; "id" => n, "total" => 19.99, "customer" => TEXT));

/// The names of the sides.
pub const SIDES: [&str; 7] = [
    "rolog",
    "tracing",
    "slog-async",
    "log4rs",
    "ftlog",
    "logforth",
    "fern",
];

/// Sets a side up, to write into this folder.
pub fn set_up(name: &str, folder: &Path) -> Side {
    let path = folder.join("lines");
    match name {
        "rolog" => rolog(&path, false),
        "rolog+dead" => rolog(&path, true),
        "tracing" => {
            let file = File::create(path).expect("a folder of our own");
            let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
                .lossy(false)
                .buffered_lines_limit(QUEUE)
                .finish(BufWriter::with_capacity(256 * 1024, file));
            tracing_subscriber::fmt()
                .json()
                .with_max_level(tracing::Level::INFO)
                .with_writer(writer)
                .init();
            side(Tracing {}, move || drop(guard))
        }
        "slog-async" => {
            let file = File::create(path).expect("a folder of our own");
            let json = slog_json::Json::default(BufWriter::with_capacity(256 * 1024, file));
            let drain = std::sync::Mutex::new(json);
            let (drain, guard) = slog_async::Async::new(slog::Drain::ignore_res(drain))
                .chan_size(QUEUE)
                .overflow_strategy(slog_async::OverflowStrategy::Block)
                .build_with_guard();
            let drain = slog::LevelFilter::new(drain, slog::Level::Info);
            let log = slog::Logger::root(slog::Drain::ignore_res(drain), slog::o!());
            side(Slog { log }, move || drop(guard))
        }
        "log4rs" => {
            use log4rs::append::file::FileAppender;
            use log4rs::config::{Appender, Config, Root};
            use log4rs::encode::json::JsonEncoder;
            let file = FileAppender::builder()
                .encoder(Box::new(JsonEncoder::new()))
                .build(path)
                .expect("a folder of our own");
            let config = Config::builder()
                .appender(Appender::builder().build("file", Box::new(file)))
                .build(
                    Root::builder()
                        .appender("file")
                        .build(log::LevelFilter::Info),
                )
                .expect("one appender, and it is named");
            log4rs::init_config(config).expect("no other logger");
            side(Log {}, || log::logger().flush())
        }
        "ftlog" => {
            let file = File::create(path).expect("a folder of our own");
            let guard = ftlog::builder()
                .format(Ftlog)
                .utc()
                .max_log_level(log::LevelFilter::Info)
                .bounded(QUEUE, true)
                .root(BufWriter::with_capacity(256 * 1024, file))
                .try_init()
                .expect("no other logger");
            side(Log {}, move || drop(guard))
        }
        "logforth" => {
            use logforth::append::asynchronous::AsyncBuilder;
            use logforth::append::file::FileBuilder;
            let file = FileBuilder::new(folder, "lines")
                .layout(logforth::layout::JsonLayout::default())
                .build()
                .expect("a folder of our own");
            let behind = AsyncBuilder::new("logforth")
                .buffered_lines_limit(Some(QUEUE))
                .overflow_block()
                .append(file)
                .build();
            let logger = logforth::core::builder()
                .dispatch(|dispatch| dispatch.append(behind))
                .build();
            log::set_boxed_logger(Box::new(logforth::bridge::log::LogBridge::new(logger)))
                .expect("no other logger");
            log::set_max_level(log::LevelFilter::Info);
            side(Log {}, || log::logger().flush())
        }
        "fern" => {
            let file = File::create(path).expect("a folder of our own");
            let writer: Box<dyn std::io::Write + Send> =
                Box::new(BufWriter::with_capacity(256 * 1024, file));
            fern::Dispatch::new()
                .level(log::LevelFilter::Info)
                .format(|out, _, record| out.finish(format_args!("{}", line(record))))
                .chain(fern::Output::writer(writer, "\n"))
                .apply()
                .expect("no other logger");
            side(Log {}, || log::logger().flush())
        }
        other => panic!("no side `{other}`"),
    }
}

fn side(call: impl Caller + 'static, end: impl FnOnce() + 'static) -> Side {
    Side {
        call: Box::new(call),
        end: Box::new(end),
    }
}

/// Through the file plugin, loaded as a library.
fn rolog(path: &Path, dead: bool) -> Side {
    use rolog_host::config::{self, Env};
    let exe = std::env::current_exe().expect("a program has a path");
    let search = exe.with_file_name("deps");
    let (search, path) = (json!(search), json!(path));
    let (more, to) = match dead {
        // A device that is always full: every attempt fails, and is tried again.
        true => (
            ", dead: { plugin: file, config: { path: /dev/full, fsync: never }, \
             flush: { timeout: 1s } }",
            ", dead",
        ),
        false => ("", ""),
    };
    let yaml = format!(
        "{{ version: 1, plugins: {{ search: [{search}] }}, \
           rings: {{ overflow: {{ block: {{ max_wait: 60s }} }} }}, \
           targets: {{ app: {{ plugin: file, config: {{ path: {path}, fsync: never }}, \
             queue: {{ max_records: {QUEUE}, overflow: {{ block: {{ max_wait: 60s }} }} }} }}{more} }}, \
           routes: [{{ logger: 'bench.**', to: [app{to}] }}] }}"
    );
    let spec = config::parse(yaml, "bench.yaml", "/", &Env::empty())
        .unwrap_or_else(|problems| panic!("{problems}"));
    let host = rolog_host::Host::builder()
        .pipeline(spec)
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
    let log = host.factory().get_logger("bench.orders");
    side(Rolog { log }, move || {
        let patience = Duration::from_secs(if dead { 3 } else { 60 });
        let report = host.dispose_blocking(patience);
        assert!(report.ledger.balances(), "{report}");
    })
}

/// The line of those that leave it to us.
fn line(record: &log::Record<'_>) -> String {
    let mut fields = Fields(serde_json::Map::new());
    // The visitor never fails.
    let _ = record.key_values().visit(&mut fields);
    let mut line = json!({
        "time": humantime(),
        "level": record.level().as_str(),
        "logger": record.target(),
        "message": record.args().to_string(),
    });
    if let Some(line) = line.as_object_mut() {
        line.extend(fields.0);
    }
    line.to_string()
}

fn humantime() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos() as i64);
    rolog_core::value::Timestamp::from_nanos(nanos).to_string()
}

struct Fields(serde_json::Map<String, serde_json::Value>);

impl<'kvs> log::kv::VisitSource<'kvs> for Fields {
    fn visit_pair(
        &mut self,
        key: log::kv::Key<'kvs>,
        value: log::kv::Value<'kvs>,
    ) -> Result<(), log::kv::Error> {
        let value = match (value.to_u64(), value.to_f64()) {
            (Some(number), _) => json!(number),
            (None, Some(number)) => json!(number),
            _ => json!(value.to_string()),
        };
        self.0.insert(key.to_string(), value);
        Ok(())
    }
}

struct Ftlog;

/// What is put together on ftlog's own thread.
struct Parts {
    level: log::Level,
    target: String,
    message: String,
    fields: serde_json::Map<String, serde_json::Value>,
}

impl ftlog::FtLogFormat for Ftlog {
    fn msg(&self, record: &log::Record<'_>) -> Box<dyn Send + Sync + std::fmt::Display> {
        let mut fields = Fields(serde_json::Map::new());
        // The visitor never fails.
        let _ = record.key_values().visit(&mut fields);
        Box::new(Parts {
            level: record.level(),
            target: record.target().to_owned(),
            message: record.args().to_string(),
            fields: fields.0,
        })
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = json!({
            "level": self.level.as_str(), "logger": self.target, "message": self.message,
        });
        if let Some(line) = line.as_object_mut() {
            line.extend(self.fields.clone());
        }
        write!(f, "{line}")
    }
}
