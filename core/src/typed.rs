//! Loggers named after the type that logs.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use crate::factory::LoggerFactory;
use crate::logger::Logger;

/// The logger named after `T`, by its path: what a dependency injection container gives to the
/// service type that asks for a logger.
///
/// ```
/// # fn example(factory: &rolog_core::LoggerFactory) {
/// use rolog_core::{TypedLogger, info};
///
/// struct OrderService {
///     log: TypedLogger<OrderService>,
/// }
///
/// let service = OrderService { log: factory.typed() };
/// info!(service.log, "ready");
/// # }
/// ```
pub struct TypedLogger<T: ?Sized> {
    logger: Logger,
    of: PhantomData<fn(&T)>,
}

impl<T: ?Sized> TypedLogger<T> {
    /// From a factory, as any container can build it.
    pub fn new(factory: &LoggerFactory) -> Self {
        let path = std::any::type_name::<T>();
        let name = path.split('<').next().unwrap_or(path);
        TypedLogger {
            logger: factory.get_logger(name),
            of: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for TypedLogger<T> {
    type Target = Logger;

    fn deref(&self) -> &Logger {
        &self.logger
    }
}

impl<T: ?Sized> Clone for TypedLogger<T> {
    fn clone(&self) -> Self {
        TypedLogger {
            logger: self.logger.clone(),
            of: PhantomData,
        }
    }
}

impl<T: ?Sized> fmt::Debug for TypedLogger<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.logger.fmt(f)
    }
}
