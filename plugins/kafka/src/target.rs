//! What the host calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rolog_plugin::prelude::*;

use crate::config::Config;
use crate::delivery::{Delivery, MARGIN};
use crate::meaning::Meaning;
use crate::message::{Shape, Writer};
use crate::producer::Producer;
use crate::settings;
use crate::token::Tokens;

/// Sends records to Kafka, one message each.
pub struct Kafka {
    config: Config,
    context: Context,
    shape: Shape,
    producer: Mutex<Arc<Producer>>,
    /// Those that no attempt is using.
    writers: Mutex<Vec<Writer>>,
    told_of_deadline: AtomicBool,
}

impl Target for Kafka {
    type Config = Config;

    fn describe() -> Description {
        Description {
            summary: "sends records to Kafka topics, as JSON, OTLP or frames".into(),
            ..Description::default()
        }
    }

    fn validate(config: &Config, setup: &Setup) -> Result<Plan, ConfigError> {
        settings::check(config, setup)
    }

    async fn create(config: Config, context: Context) -> Result<Self, Failure> {
        let producer = start(&config, &context)?;
        producer.reach(config.connect_timeout.0).await?;
        Ok(Kafka {
            shape: Shape::new(&config),
            producer: Mutex::new(Arc::new(producer)),
            writers: Mutex::default(),
            told_of_deadline: AtomicBool::new(false),
            config,
            context,
        })
    }

    async fn deliver(&self, batch: &Batch, attempt: &Attempt) -> Outcome {
        self.look_at_deadline(attempt);
        let producer = match self.producer_in_order() {
            Ok(producer) => producer,
            Err(failure) => return Outcome::hold(failure),
        };
        producer.look_again(attempt.remaining()).await;
        let view = batch.view();
        let delivery = Delivery {
            producer: &producer,
            shape: &self.shape,
            attempt,
            view: &view,
        };
        let writer = self.writers().pop();
        let mut writer = writer.unwrap_or_else(|| Writer::new(&self.config));
        let outcome = delivery.run(&mut writer).await;
        self.writers().push(writer);
        outcome
    }

    async fn flush(&self, deadline: Duration) -> Result<(), Failure> {
        let producer = Arc::clone(&self.producer());
        if producer.flush(deadline).await? {
            return Ok(());
        }
        let text = "not all of what is queued was sent in time";
        Err(Failure::new(Class::Timeout, text))
    }

    async fn shutdown(&self, deadline: Duration) -> Result<(), Failure> {
        let until = Instant::now() + deadline;
        let producer = Arc::clone(&self.producer());
        producer.end(deadline).await;
        producer.stop();
        let client = Arc::clone(&producer.client);
        drop(producer);
        // The last one to let go of it waits for librdkafka's threads; better here than in a drop.
        let ended = self.context.spawn_blocking(move || drop(client));
        let rest = until.saturating_duration_since(Instant::now());
        let _ = tokio::time::timeout(rest, ended).await;
        Ok(())
    }
}

impl Kafka {
    /// The producer; a new one where the last has come to an end that building a new instance would
    /// not mend.
    fn producer_in_order(&self) -> Result<Arc<Producer>, Failure> {
        let mut producer = self.producer();
        if let Some((code, _)) = producer.client.fatal()
            && Meaning::of(code).is_hold()
            && !producer.is_ending()
        {
            let next = start(&self.config, &self.context)?;
            let last = std::mem::replace(&mut *producer, Arc::new(next));
            last.stop();
            drop(self.context.spawn_blocking(move || drop(last)));
        }
        Ok(Arc::clone(&producer))
    }

    /// Says once that attempts are cancelled before librdkafka knows what became of their records.
    fn look_at_deadline(&self, attempt: &Attempt) {
        let wanted = self.config.delivery_timeout.0 + MARGIN;
        if attempt.remaining() < wanted && !self.told_of_deadline.swap(true, Ordering::Relaxed) {
            log::warn!(
                "an attempt has {:.1?}, less than `delivery_timeout` ({}) and a second: in trouble \
                 it will be cancelled before Kafka's client knows what became of its records",
                attempt.remaining(),
                self.config.delivery_timeout
            );
        }
    }

    fn producer(&self) -> MutexGuard<'_, Arc<Producer>> {
        self.producer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writers(&self) -> MutexGuard<'_, Vec<Writer>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kafka")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

fn start(config: &Config, context: &Context) -> Result<Producer, Failure> {
    let conf = settings::conf(config, context.setup())
        .map_err(|error| Failure::new(Class::Invalid, error.to_string()))?;
    let file = config.token_file.as_ref();
    let tokens = file.map(|file| Tokens::of(context.setup().resolve(file)));
    Producer::start(conf, tokens, context)
}
