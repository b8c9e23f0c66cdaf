//! The log macros.
//!
//! ```
//! # fn main() {}
//! # fn example(log: &rolog_core::Logger) {
//! use rolog_core::{critical, debug, error, exception, info, log, trace, warning, Level};
//!
//! info!(log, "order {id} accepted", id = 42, total = 19.99);
//! info!(log, "Hello, World!", 1, 2, 3, cool = true);
//! debug!(log, "state is {state}", state = ?Some(1));         // by Debug
//! warning!(log, "{} of {}", 3, 7, http.status = 503);
//! let address: std::net::IpAddr = [127, 0, 0, 1].into();
//! trace!(log, "from {peer}", peer = %address);               // by Display
//! if let Err(error) = "x".parse::<u8>() {
//!     exception!(log, error, "cannot read the count");       // level error, with its sources
//!     critical!(log, "giving up", exception = error);        // the same at any level
//! }
//! let text = String::from("made at run time");
//! error!(log, text);                                         // never taken for a template
//! log!(log, Level::Warning, "the level can be a value");
//! # }
//! ```

/// Logs at a level that is a value. See [the module](crate::macros) for the forms.
#[macro_export]
macro_rules! log {
    ($log:expr, $level:expr, $($rest:tt)+) => {
        $crate::__record!($log, $level, $($rest)+)
    };
}

/// Logs at level trace. See [the module](crate::macros) for the forms.
#[macro_export]
macro_rules! trace {
    ($log:expr, $($rest:tt)+) => {
        $crate::__record!($log, $crate::Level::Trace, $($rest)+)
    };
}

/// Logs at level debug. See [the module](crate::macros) for the forms.
#[macro_export]
macro_rules! debug {
    ($log:expr, $($rest:tt)+) => {
        $crate::__record!($log, $crate::Level::Debug, $($rest)+)
    };
}

/// Logs at level information. See [the module](crate::macros) for the forms.
#[macro_export]
macro_rules! info {
    ($log:expr, $($rest:tt)+) => {
        $crate::__record!($log, $crate::Level::Information, $($rest)+)
    };
}

/// Logs at level warning. See [the module](crate::macros) for the forms.
#[macro_export]
macro_rules! warning {
    ($log:expr, $($rest:tt)+) => {
        $crate::__record!($log, $crate::Level::Warning, $($rest)+)
    };
}

/// Logs at level error. See [the module](crate::macros) for the forms.
#[macro_export]
macro_rules! error {
    ($log:expr, $($rest:tt)+) => {
        $crate::__record!($log, $crate::Level::Error, $($rest)+)
    };
}

/// Logs at level critical. See [the module](crate::macros) for the forms.
#[macro_export]
macro_rules! critical {
    ($log:expr, $($rest:tt)+) => {
        $crate::__record!($log, $crate::Level::Critical, $($rest)+)
    };
}

/// Logs an error, with its type and the whole chain of its sources, at level error.
///
/// The error is anything that implements [`std::error::Error`], or a pointer to it such as
/// `Box<dyn Error>`. It is also the keyword `exception = error` of the other macros.
#[macro_export]
macro_rules! exception {
    ($log:expr, $error:expr, $message:literal $(, $($rest:tt)*)?) => {
        $crate::__record!($log, $crate::Level::Error, $message, exception = $error $(, $($rest)*)?)
    };
    ($log:expr, $error:expr, $message:expr $(, $($rest:tt)*)?) => {
        $crate::__record!($log, $crate::Level::Error, $message, exception = $error $(, $($rest)*)?)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __record {
    ($log:expr, $level:expr, $template:literal $(, $($rest:tt)*)?) => {
        $crate::__parse!([$log, $level, $template, ()] [] [] [] $($($rest)*)?)
    };
    ($log:expr, $level:expr, $message:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!([$log, $level, "", ($message)] [] [] [] $($($rest)*)?)
    };
}

/// Sorts what follows the message into errors, positional arguments and keyed data.
#[doc(hidden)]
#[macro_export]
macro_rules! __parse {
    ($head:tt [$($exc:tt)*] $args:tt $keys:tt exception = $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head [$($exc)* ($e)] $args $keys $($($rest)*)?)
    };
    ($head:tt $exc:tt $args:tt [$($keys:tt)*] $($k:ident).+ = % $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc $args [$($keys)* ((stringify!($($k).+)) (display $e))] $($($rest)*)?)
    };
    ($head:tt $exc:tt $args:tt [$($keys:tt)*] $($k:ident).+ = ? $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc $args [$($keys)* ((stringify!($($k).+)) (debug $e))] $($($rest)*)?)
    };
    ($head:tt $exc:tt $args:tt [$($keys:tt)*] $($k:ident).+ = $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc $args [$($keys)* ((stringify!($($k).+)) (value $e))] $($($rest)*)?)
    };
    ($head:tt $exc:tt $args:tt [$($keys:tt)*] $k:literal = % $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc $args [$($keys)* (($k) (display $e))] $($($rest)*)?)
    };
    ($head:tt $exc:tt $args:tt [$($keys:tt)*] $k:literal = ? $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc $args [$($keys)* (($k) (debug $e))] $($($rest)*)?)
    };
    ($head:tt $exc:tt $args:tt [$($keys:tt)*] $k:literal = $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc $args [$($keys)* (($k) (value $e))] $($($rest)*)?)
    };
    ($head:tt $exc:tt [$($args:tt)*] $keys:tt % $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc [$($args)* (display $e)] $keys $($($rest)*)?)
    };
    ($head:tt $exc:tt [$($args:tt)*] $keys:tt ? $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc [$($args)* (debug $e)] $keys $($($rest)*)?)
    };
    ($head:tt $exc:tt [$($args:tt)*] $keys:tt $e:expr $(, $($rest:tt)*)?) => {
        $crate::__parse!($head $exc [$($args)* (value $e)] $keys $($($rest)*)?)
    };
    ([$log:expr, $level:expr, $template:literal, $message:tt]
     [$($exc:tt)*] [$($args:tt)*] [$(($key:tt $value:tt))*]) => {{
        static SITE: $crate::call_site::CallSite = $crate::call_site::CallSite::new(
            $template,
            <[()]>::len(&[$($crate::__unit!($args)),*]) as u16,
            &[$($crate::call_site::bare_key($crate::__strip!($key))),*],
            module_path!(),
            file!(),
            line!(),
        );
        #[allow(unused_imports, reason = "which one is needed depends on the values' types")]
        use $crate::capture::{ViaDerefError as _, ViaError as _, ViaPlain as _, ViaSerialize as _};
        match (&$log, $level) {
            (log, level) => {
                if $crate::logger::Emit::enabled(log, level) {
                    $crate::logger::Emit::emit(
                        log,
                        &SITE,
                        level,
                        $crate::__flags!($message [$($exc)*]),
                        &$crate::__values!([$message] [$($exc)*] [$($args)* $($value)*]),
                    )
                } else {
                    $crate::logger::Emit::skip(log)
                }
            }
        }
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __unit {
    ($any:tt) => {
        ()
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __strip {
    (($($inner:tt)*)) => {
        $($inner)*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __flags {
    (() []) => {
        0
    };
    (($message:expr) []) => {
        $crate::frame::flags::MESSAGE
    };
    (() [$exc:tt]) => {
        $crate::frame::flags::ERROR
    };
    (($message:expr) [$exc:tt]) => {
        $crate::frame::flags::MESSAGE | $crate::frame::flags::ERROR
    };
    ($message:tt [$exc:tt $($more:tt)+]) => {
        compile_error!("a record tells of one error: `exception` is given twice")
    };
}

/// The list of captured values, in the order of the payload.
#[doc(hidden)]
#[macro_export]
macro_rules! __values {
    ([()] [$($exc:tt)*] $values:tt) => {
        $crate::__values!([$($exc)*] $values)
    };
    ([($message:expr)] [$($exc:tt)*] $values:tt) => {
        ($crate::capture::MessageArg(::core::convert::AsRef::<str>::as_ref(&$message)), $crate::__values!([$($exc)*] $values))
    };
    ([] []) => {
        ()
    };
    ([($e:expr) $($more:tt)*] $values:tt) => {
        (match &$e { error => (&&$crate::capture::ErrorOf(error)).captured() }, $crate::__values!([] $values))
    };
    ([] [(display $e:expr) $($rest:tt)*]) => {
        ($crate::capture::DisplayArg(&$e), $crate::__values!([] [$($rest)*]))
    };
    ([] [(debug $e:expr) $($rest:tt)*]) => {
        ($crate::capture::DebugArg(&$e), $crate::__values!([] [$($rest)*]))
    };
    ([] [(value $e:expr) $($rest:tt)*]) => {
        ((&&&&$crate::capture::Wrap(&$e)).captured(), $crate::__values!([] [$($rest)*]))
    };
}
