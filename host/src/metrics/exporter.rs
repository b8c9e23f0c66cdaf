//! Keeping both ways out supplied while a pipeline runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::facade::{describe, publish};
use super::server::{Look, PrometheusPage};

/// How often the facade gets new numbers.
const PACE: Duration = Duration::from_secs(1);

/// Hands the metrics of a pipeline to the `metrics` facade, once a second and at the end, and serves
/// Prometheus' page where that is asked for.
///
/// A recorder that the service installs later gets the numbers from then on; the counters are
/// absolute, so it misses nothing but descriptions, which are told again now and then.
pub struct Exporter {
    look: Look,
    page: Option<PrometheusPage>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts on the host's runtime; `prometheus` is the address of the page.
    ///
    /// # Errors
    /// The page's address is in use, or not one of this machine's.
    pub fn start(
        look: Look,
        prometheus: Option<SocketAddr>,
        runtime: &Handle,
    ) -> io::Result<Exporter> {
        let serve = |address| PrometheusPage::serve(address, Arc::clone(&look), runtime);
        let page = prometheus.map(serve).transpose()?;
        let seen = Arc::clone(&look);
        let task = runtime.spawn(async move {
            let mut ticks = interval(PACE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for tick in 0u64.. {
                ticks.tick().await;
                if tick.is_multiple_of(60) {
                    describe();
                }
                publish(&seen());
            }
        });
        Ok(Exporter { look, page, task })
    }

    /// Has this page served from now on, or none; the one before is the caller's to end.
    pub fn set_page(&mut self, page: Option<PrometheusPage>) -> Option<PrometheusPage> {
        std::mem::replace(&mut self.page, page)
    }

    /// Where the page is served.
    pub fn address(&self) -> Option<SocketAddr> {
        self.page.as_ref().map(PrometheusPage::address)
    }
}

impl Drop for Exporter {
    /// The last numbers still go to the facade.
    fn drop(&mut self) {
        self.task.abort();
        publish(&(self.look)());
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter")
            .field("page", &self.page)
            .finish_non_exhaustive()
    }
}
