//! The macro that makes a context.

/// The current [context](mod@crate::context) with further fields, in the form of the log macros' data:
/// `key = value`, `key = %value` by `Display`, `key = ?value` by `Debug`.
///
/// ```
/// use rolog_core::context;
///
/// let order = 42;
/// let _entered = context!(order = order, http.method = "POST").enter();
/// let inner = context!(step = ?Some(1));
/// assert!(inner.get("order").is_some() && inner.get("step").is_some());
/// ```
#[macro_export]
macro_rules! context {
    ($($fields:tt)*) => {{
        #[allow(unused_imports, reason = "which one is needed depends on the values' types")]
        use $crate::capture::{ViaDerefError as _, ViaError as _, ViaPlain as _, ViaSerialize as _};
        let mut builder = $crate::context::Builder::current();
        $crate::__context!(builder $($fields)*);
        builder.build()
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __context {
    ($to:ident) => {};
    ($to:ident $($k:ident).+ = % $e:expr $(, $($rest:tt)*)?) => {
        $to.push(
            $crate::call_site::bare_key(stringify!($($k).+)),
            &$crate::capture::DisplayArg(&$e),
        );
        $crate::__context!($to $($($rest)*)?);
    };
    ($to:ident $($k:ident).+ = ? $e:expr $(, $($rest:tt)*)?) => {
        $to.push(
            $crate::call_site::bare_key(stringify!($($k).+)),
            &$crate::capture::DebugArg(&$e),
        );
        $crate::__context!($to $($($rest)*)?);
    };
    ($to:ident $($k:ident).+ = $e:expr $(, $($rest:tt)*)?) => {
        $to.push(
            $crate::call_site::bare_key(stringify!($($k).+)),
            &(&&&&$crate::capture::Wrap(&$e)).captured(),
        );
        $crate::__context!($to $($($rest)*)?);
    };
    ($to:ident $k:literal = % $e:expr $(, $($rest:tt)*)?) => {
        $to.push($k, &$crate::capture::DisplayArg(&$e));
        $crate::__context!($to $($($rest)*)?);
    };
    ($to:ident $k:literal = ? $e:expr $(, $($rest:tt)*)?) => {
        $to.push($k, &$crate::capture::DebugArg(&$e));
        $crate::__context!($to $($($rest)*)?);
    };
    ($to:ident $k:literal = $e:expr $(, $($rest:tt)*)?) => {
        $to.push($k, &(&&&&$crate::capture::Wrap(&$e)).captured());
        $crate::__context!($to $($($rest)*)?);
    };
}

/// The ids of the present span of the `opentelemetry` crate, whichever version of it the calling crate
/// depends on: `set_trace_ids(opentelemetry_ids!())`, once, and records that are made while a span is the
/// present one say so: those of the bridges, and those of loggers within a context or a span of `tracing`
/// (which `tracing-opentelemetry` makes the present one). See [`set_trace_ids`](crate::context::set_trace_ids).
#[macro_export]
macro_rules! opentelemetry_ids {
    () => {
        || {
            use ::opentelemetry::trace::TraceContextExt as _;
            ::opentelemetry::Context::map_current(|context| {
                let span = context.span();
                let ids = span.span_context();
                ids.is_valid().then(|| $crate::context::TraceIds {
                    trace: u128::from_be_bytes(ids.trace_id().to_bytes()),
                    span: u64::from_be_bytes(ids.span_id().to_bytes()),
                })
            })
        }
    };
}
