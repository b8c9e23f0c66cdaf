//! Bodies without requests, for a benchmark that tells the cost of the two apart.

use bytes::Bytes;
use rolog_plugin::prelude::*;

use crate::config::Config;
use crate::pack::Packer;
use crate::route::Routes;

/// Makes the bodies that the target would send.
pub struct Bodies(Packer);

impl std::fmt::Debug for Bodies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bodies").finish_non_exhaustive()
    }
}

impl Bodies {
    /// As a target with these settings makes them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let routes = Routes::new(&config)?;
        Ok(Bodies(Packer::new(config, routes)))
    }

    /// The bodies of a batch's requests.
    ///
    /// # Errors
    /// A compressor that fails.
    pub fn of(&self, batch: &Batch) -> Result<Vec<Bytes>, Failure> {
        let packed = self.0.pack(batch, None)?;
        Ok(packed.requests.into_iter().map(|one| one.body).collect())
    }
}
