//! What the host calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rolog_core::value::Timestamp;
use rolog_plugin::Task;
use rolog_plugin::prelude::*;

use crate::address::{Address, real_path};
use crate::config::Config;
use crate::mysql::{self, MySql};
use crate::parts::Part;
use crate::pool::Pool;
use crate::postgres::{self, Postgres};
use crate::sqlite::{self, Sqlite};
use crate::table::Wanted;

/// Where larger batches gained nothing any more with any of the databases.
const PREFERRED_BATCH: usize = 5000;
/// Rows that are deleted at a time, so that nobody waits long for their locks.
pub(crate) const PRUNE_ROWS: usize = 1000;
/// How often old rows are looked for.
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// Between one delete and the next, while there are more.
const PRUNE_PAUSE: Duration = Duration::from_millis(50);

/// Inserts records into a table.
pub struct Sql {
    context: Context,
    database: Arc<Database>,
    keep: Option<(String, Duration)>,
    pruning: Mutex<Option<Task<()>>>,
}

/// The database, by its kind.
enum Database {
    Sqlite(Sqlite),
    Postgres(Box<Pool<Postgres>>),
    MySql(Box<Pool<MySql>>),
}

impl Target for Sql {
    type Config = Config;

    fn describe() -> Description {
        Description {
            summary: "inserts records into a table of SQLite, PostgreSQL, MySQL or MariaDB".into(),
            ..Description::default()
        }
    }

    fn validate(config: &Config, setup: &Setup) -> Result<Plan, ConfigError> {
        Wanted::read(config)?;
        let plan = Plan::new().preferred_batch(PREFERRED_BATCH);
        let address = Address::parse(&config.url)?;
        config.agree(&address)?;
        match address {
            Address::Sqlite(path) => {
                let path = setup.resolve(path);
                if path.is_dir() {
                    let problem =
                        ConfigError::at("url", format!("`{}` is a folder", path.display()));
                    return Err(problem.expected("the path of a file"));
                }
                let real = real_path(&path);
                Ok(plan.resource(format!("sqlite:{}:{}", real.display(), config.table)))
            }
            Address::Postgres(url) => postgres::parse(url, config).map(|_| plan),
            Address::MySql(url) => mysql::parse(url, config).map(|_| plan),
        }
    }

    async fn create(config: Config, context: Context) -> Result<Self, Failure> {
        let refused = |error: ConfigError| Failure::new(Class::Invalid, error.to_string());
        let wanted = Wanted::read(&config).map_err(refused)?;
        let time = wanted.column_of(&Part::Time).map(str::to_owned);
        let keep = config.keep.and_then(|keep| Some((time?, keep.0)));
        let database = match Address::parse(&config.url).map_err(refused)? {
            Address::Sqlite(path) => {
                let settings = sqlite::Settings {
                    path: context.setup().resolve(path),
                    wanted,
                    create_table: config.create_table,
                    index_time: keep.is_some(),
                    synchronous: config.synchronous.unwrap_or_default(),
                    busy: config
                        .busy_timeout
                        .map_or(Duration::from_secs(5), |span| span.0),
                };
                Database::Sqlite(Sqlite::create(settings, context.clone()).await?)
            }
            Address::Postgres(url) => {
                let server = postgres::parse(url, &config).map_err(refused)?;
                let made = Postgres::create(&config, server, wanted, context.clone());
                Database::Postgres(Box::new(made.await?))
            }
            Address::MySql(url) => {
                let opts = mysql::parse(url, &config).map_err(refused)?;
                let made = MySql::create(&config, opts, wanted, context.setup());
                Database::MySql(Box::new(made.await?))
            }
        };
        Ok(Sql {
            context,
            database: Arc::new(database),
            keep,
            pruning: Mutex::new(None),
        })
    }

    async fn activate(&self) -> Result<(), Failure> {
        match &*self.database {
            Database::Sqlite(sqlite) => sqlite.activate().await?,
            Database::Postgres(postgres) => postgres.activate().await?,
            Database::MySql(mysql) => mysql.activate().await?,
        }
        if let Some((column, keep)) = self.keep.clone() {
            let pruning = prune(Arc::clone(&self.database), column, keep);
            self.set_pruning(Some(self.context.spawn(pruning)));
        }
        Ok(())
    }

    async fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        match &*self.database {
            Database::Sqlite(sqlite) => sqlite.deliver(batch, attempt).await,
            Database::Postgres(postgres) => postgres.deliver(batch, attempt).await,
            Database::MySql(mysql) => mysql.deliver(batch, attempt).await,
        }
    }

    async fn shutdown(&self, deadline: Duration) -> Result<(), Failure> {
        self.set_pruning(None);
        match &*self.database {
            Database::Sqlite(sqlite) => sqlite.shutdown().await?,
            Database::Postgres(postgres) => postgres.shutdown(deadline).await,
            Database::MySql(mysql) => mysql.shutdown(deadline).await,
        }
        Ok(())
    }
}

impl Sql {
    fn set_pruning(&self, task: Option<Task<()>>) {
        let mut pruning = self.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = std::mem::replace(&mut *pruning, task) {
            earlier.abort();
        }
    }
}

impl Drop for Sql {
    fn drop(&mut self) {
        self.set_pruning(None);
    }
}

/// Deletes rows that are older than `keep`, a few at a time.
async fn prune(database: Arc<Database>, column: String, keep: Duration) {
    loop {
        let more = match &*database {
            Database::Sqlite(sqlite) => sqlite.prune(&column, keep).await,
            Database::Postgres(postgres) => postgres.prune(&column, keep).await,
            Database::MySql(mysql) => mysql.prune(&column, keep).await,
        };
        let pause = match more {
            Ok(true) => PRUNE_PAUSE,
            Ok(false) => PRUNE_EVERY,
            Err(failure) => {
                ::log::warn!("old rows stay for now: {failure}");
                PRUNE_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// The time before which rows are old.
pub(crate) fn before(keep: Duration) -> Timestamp {
    let keep = i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(Timestamp::now().nanos().saturating_sub(keep))
}

/// Resolves when an attempt has to end, with why: it was cancelled, or took longer than this.
pub(crate) async fn stop(attempt: &Attempt, limit: Option<Duration>) -> &'static str {
    let late = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = attempt.cancelled() => "the attempt was cancelled",
        () = late => "the batch took longer than `statement_timeout`",
    }
}
