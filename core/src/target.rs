//! Targets that live in the service itself.

use crate::backend::BoxFuture;
use crate::delivery::{Failure, Outcome};
use crate::frame::Batch;

/// A destination for records, written in the service itself.
///
/// Records come in batches, through the same flush stage as those of any plugin: what this target
/// answers with [`Outcome::retry`] is tried again, and goes to the fallback at last. A `Result` turns
/// into an outcome by `.into()`.
///
/// A target runs on a thread of its own, so that one that blocks delays nobody else.
///
/// ```
/// use rolog_core::LogTarget;
/// use rolog_core::delivery::Outcome;
/// use rolog_core::frame::Batch;
///
/// struct Print;
///
/// impl LogTarget for Print {
///     async fn log(&self, records: &Batch<'_>) -> Outcome {
///         for record in records.records() {
///             println!("{} {}", record.level(), record.message());
///         }
///         Outcome::delivered()
///     }
/// }
/// ```
pub trait LogTarget: Send + Sync + 'static {
    /// Its name in the pipeline; where several have one name, the later ones get a number.
    fn name(&self) -> String {
        short_type_name::<Self>()
    }

    /// Delivers a batch.
    fn log(&self, records: &Batch<'_>) -> impl Future<Output = Outcome> + Send;

    /// Called when everything has been delivered: at the end of the pipeline, or when a reload has
    /// taken the target away. One that a later reload names again gets records after that.
    fn dispose(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }
}

/// The last segment of a type's path, without generic parameters.
pub(crate) fn short_type_name<T: ?Sized>() -> String {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path).to_owned()
}

/// A [`LogTarget`] whose type is not known, for the host crate.
pub trait DynTarget: Send + Sync + 'static {
    /// See [`LogTarget::name`].
    fn name(&self) -> String;
    /// See [`LogTarget::log`].
    fn log<'a>(&'a self, records: &'a Batch<'a>) -> BoxFuture<'a, Outcome>;
    /// See [`LogTarget::dispose`].
    fn dispose(&self) -> BoxFuture<'_, Result<(), Failure>>;
}

impl<T: LogTarget> DynTarget for T {
    fn name(&self) -> String {
        LogTarget::name(self)
    }

    fn log<'a>(&'a self, records: &'a Batch<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(LogTarget::log(self, records))
    }

    fn dispose(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(LogTarget::dispose(self))
    }
}

/// A target that is owned, of any type.
pub type BoxTarget = Box<dyn DynTarget>;
