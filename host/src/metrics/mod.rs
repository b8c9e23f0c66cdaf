//! The pipeline's own metrics: one catalogue, two ways out.
//!
//! Every series is declared once, in [`CATALOGUE`], with its name by Prometheus' conventions, its
//! unit, its labels and one sentence; the names are stable. A [`Snapshot`] of the ledger fills them.
//! It goes
//!
//! - to the [`metrics`] facade by [`publish`], so that a recorder of the service gets them, and
//! - onto a page for Prometheus by [`render`], from the same numbers and not through a recorder, so
//!   that the two never conflict.
//!
//! Labels come from the configuration and from fixed sets of words (reasons, classes, states), never
//! from what is logged.

mod catalogue;
mod exporter;
mod facade;
mod metric;
mod page;
mod server;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;

pub use self::catalogue::CATALOGUE;
pub use self::exporter::Exporter;
pub use self::facade::{FacadeMeter, describe, publish};
pub use self::metric::{Kind, Metric};
pub use self::page::{CONTENT_TYPE, render};
pub use self::server::{Look, PrometheusPage};
pub use self::snapshot::Snapshot;
pub use self::table::markdown;
