//! A library that logs through the logger that the service gives it. It depends on rolog-core alone,
//! and knows nothing of pipelines, files or runtimes.

use rolog_core::{Logger, LoggerFactory, debug, warning};

/// Counts words.
pub struct Counter {
    log: Logger,
}

impl Counter {
    /// Takes its logger, `words.counter`, from the service's factory.
    pub fn new(factory: &LoggerFactory) -> Self {
        Counter {
            log: factory.get_logger("words.counter"),
        }
    }

    /// How many words there are in a text.
    pub fn count(&self, text: &str) -> usize {
        let count = text.split_whitespace().count();
        if count == 0 {
            warning!(self.log, "a text without words", bytes = text.len());
        } else {
            debug!(self.log, "counted {words} words", words = count);
        }
        count
    }
}
