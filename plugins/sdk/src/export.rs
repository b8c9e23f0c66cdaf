//! From a type that implements [`Target`] to a plugin.

use crate::abi::{ModuleRef, Probe};
use crate::library::Library;
use crate::{Target, calls};

/// A target that [`export_target!`](crate::export_target) made a plugin of.
pub trait Exported: Target {
    #[doc(hidden)]
    fn library() -> &'static Library<Self>;
    #[doc(hidden)]
    fn probe() -> &'static Probe;
}

/// A plugin that is part of this program, for the host to use as if it had loaded it.
#[derive(Clone, Copy)]
pub struct Linked {
    probe: &'static Probe,
    module: ModuleRef,
}

/// The plugin that [`export_target!`](crate::export_target) made of `T`, to be linked in:
/// `linked::<rolog_file::File>()`.
pub fn linked<T: Exported>() -> Linked {
    Linked {
        probe: T::probe(),
        module: calls::module::<T>(),
    }
}

impl Linked {
    /// What the plugin says of itself.
    pub fn probe(&self) -> &'static Probe {
        self.probe
    }

    /// Its functions.
    pub fn module(&self) -> ModuleRef {
        self.module
    }
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Linked")
            .field(&self.probe.info().name)
            .finish()
    }
}

/// Makes a plugin of a type that implements [`Target`](crate::Target).
///
/// `name` is what pipelines write after `plugin:`; the library's file should be named after it:
/// `librolog_<name>.so`. The version is that of the crate, unless `version` says another. One crate
/// holds one plugin.
///
/// ```
/// # use rolog_plugin::prelude::*;
/// # struct Nowhere;
/// # impl Target for Nowhere {
/// #     type Config = serde_json::Value;
/// #     async fn create(_: Self::Config, _: Context) -> Result<Self, Failure> { Ok(Nowhere) }
/// #     async fn deliver(&self, _: &Batch, _: &Attempt) -> Outcome { Outcome::delivered() }
/// # }
/// rolog_plugin::export_target!(Nowhere, name = "nowhere");
/// # fn main() {
/// assert_eq!(rolog_plugin::linked::<Nowhere>().probe().info().name, "nowhere");
/// # }
/// ```
#[macro_export]
macro_rules! export_target {
    ($target:ty, name = $name:expr $(,)?) => {
        $crate::export_target!($target, name = $name, version = env!("CARGO_PKG_VERSION"));
    };
    ($target:ty, name = $name:expr, version = $version:expr $(,)?) => {
        const _: () = {
            // Crate and version are part of the symbols, so that several plugins, and several
            // versions of one, can be linked into one program.
            #[unsafe(export_name = concat!(
                        "rolog_header_", env!("CARGO_PKG_NAME"), "_", env!("CARGO_PKG_VERSION")
                    ))]
            static HEADER: $crate::__private::LibHeader = $crate::__private::header::<$target>();

            #[unsafe(export_name = concat!(
                        "rolog_probe_", env!("CARGO_PKG_NAME"), "_", env!("CARGO_PKG_VERSION")
                    ))]
            static PROBE: $crate::abi::Probe = $crate::abi::Probe::new(
                $name,
                $version,
                concat!(
                    "rolog_header_",
                    env!("CARGO_PKG_NAME"),
                    "_",
                    env!("CARGO_PKG_VERSION")
                ),
                $crate::__private::FRAME_VERSION,
                cfg!(panic = "abort"),
            );

            static LIBRARY: $crate::__private::Library<$target> =
                $crate::__private::Library::new($name, $version);

            impl $crate::Exported for $target {
                fn library() -> &'static $crate::__private::Library<Self> {
                    &LIBRARY
                }

                fn probe() -> &'static $crate::abi::Probe {
                    &PROBE
                }
            }
        };
    };
}

/// What the macro needs, and nobody else.
#[doc(hidden)]
pub mod private {
    pub use abi_stable::library::LibHeader;
    pub use rolog_core::frame::FRAME_VERSION;

    use abi_stable::library::CheckTypeLayout;

    use super::Exported;
    use crate::abi::ModuleRef;
    use crate::calls;
    pub use crate::library::Library;

    #[allow(unsafe_code, reason = "abi_stable passes modules without their type")]
    pub const fn header<T: Exported>() -> LibHeader {
        // SAFETY: `construct` returns a `ModuleRef`.
        unsafe {
            LibHeader::from_constructor::<ModuleRef>(calls::construct::<T>, CheckTypeLayout::Yes)
        }
    }
}
