//! Where a target's files lie: one path, or a template of paths below a base directory.

mod place;
mod safe;
mod template;
#[cfg(test)]
mod testing;

pub(crate) use place::{folder_resources, refuse_outside, resources};
pub(crate) use template::{Expander, Template};
