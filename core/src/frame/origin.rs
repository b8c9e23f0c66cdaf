//! Where a record comes from, and what it went through on its way.

use crate::delivery::Class;

/// Who made a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum OriginKind {
    /// The service that the pipeline is embedded in.
    #[default]
    Service = 0,
    /// A target's instance: what its plugin logs.
    Instance = 1,
    /// The pipeline itself.
    Pipeline = 2,
}

impl OriginKind {
    pub(crate) fn from_code(code: u8) -> OriginKind {
        match code {
            1 => OriginKind::Instance,
            2 => OriginKind::Pipeline,
            _ => OriginKind::Service,
        }
    }
}

/// Where a record comes from; and for one that a target gave up, which target, why, and after how
/// many attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Origin<'a> {
    /// Who made the record.
    pub kind: OriginKind,
    /// The instance that made it ([`OriginKind::Instance`]), or else the target that gave it up.
    pub target: Option<&'a str>,
    /// Why that target gave it up.
    pub class: Option<Class>,
    /// How many attempts that target made.
    pub attempts: u32,
}

impl<'a> Origin<'a> {
    /// The origin of a record that the service itself made.
    pub const SERVICE: Origin<'static> = Origin {
        kind: OriginKind::Service,
        target: None,
        class: None,
        attempts: 0,
    };

    /// Whether the origin says more than its kind.
    pub(crate) fn has_details(&self) -> bool {
        self.target.is_some() || self.class.is_some() || self.attempts != 0
    }

    /// The origin of a record of this kind that `target` gave up.
    pub fn given_up(kind: OriginKind, target: &'a str, class: Class, attempts: u32) -> Self {
        Origin {
            kind,
            target: Some(target),
            class: Some(class),
            attempts,
        }
    }
}
