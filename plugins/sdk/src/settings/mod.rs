//! Kinds of settings that every plugin reads as the pipeline's own file does.
//!
//! ```
//! use rolog_plugin::settings::{Secret, Size, Span};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     token: Secret,
//!     max_body: Size,
//!     timeout: Span,
//! }
//!
//! let json = r#"{ "token": "hush", "max_body": "4MiB", "timeout": "1m30s" }"#;
//! let settings: Settings = serde_json::from_str(json)?;
//! assert_eq!(settings.max_body.0, 4 << 20);
//! assert_eq!(settings.timeout.0.as_secs(), 90);
//! assert_eq!(format!("{:?}", settings.token), "***");
//! # Ok::<(), serde_json::Error>(())
//! ```

mod secret;
mod template;
mod units;

pub use secret::Secret;
pub use template::{Template, TemplateError};
pub use units::{Size, Span, UnitError};
