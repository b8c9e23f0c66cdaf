//! What a target does after a failure: its retries, its breaker, its holding and its quarantine.

use std::hash::{Hash, Hasher};

use super::amount::{Count, OutOfBounds, Time};
use super::problem::quoted;
use super::read::{Cursor, Keys, Section, Setting};
use super::spec::{HOUR, SECOND};
use super::tree::ItemKind;

/// How much of a wait varies.
pub type Jitter = Share;
/// No pause between attempts grows beyond this.
pub type MaxDelay = Time<1, { 24 * HOUR }>;
/// How long after its first failure a batch is tried again.
pub type GiveUpAfter = Time<1, { 7 * 24 * HOUR }>;
/// How many failures, or successes, in a row change a breaker.
pub type InARow = Count<1, 1000>;
/// The first wait before a target is probed.
pub type Probe = Time<1, HOUR>;
/// The longest wait before a target is probed.
pub type MaxProbe = Time<1, { 24 * HOUR }>;
/// How long a cancelled attempt has to settle.
pub type Grace = Time<0, HOUR>;

/// A value, or nothing of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrOff<T> {
    /// Switched off.
    Off,
    /// In force.
    On(T),
}

impl<T> OrOff<T> {
    /// The value, where there is one.
    pub fn on(self) -> Option<T> {
        match self {
            OrOff::Off => None,
            OrOff::On(value) => Some(value),
        }
    }

    /// The value, where there is one, left where it is.
    pub fn as_on(&self) -> Option<&T> {
        match self {
            OrOff::Off => None,
            OrOff::On(value) => Some(value),
        }
    }

    /// Whether it is switched off.
    pub fn is_off(&self) -> bool {
        matches!(self, OrOff::Off)
    }
}

/// A share of something, from 0 to 1.
///
/// ```
/// use rolog_host::config::Share;
///
/// assert_eq!(Share::new(0.1)?.get(), 0.1);
/// assert_eq!(Share::new(10.0).unwrap_err().to_string(), "10 is not in 0 to 1");
/// # Ok::<(), rolog_host::config::OutOfBounds>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

/// A share is never NaN.
impl Eq for Share {}

impl Hash for Share {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl Share {
    /// # Errors
    /// A number out of bounds.
    pub fn new(share: f64) -> Result<Self, OutOfBounds> {
        if (0.0..=1.0).contains(&share) {
            // There is one zero, so that equal shares are hashed alike.
            Ok(Share(share + 0.0))
        } else {
            Err(OutOfBounds::new(format!("{share} is not in 0 to 1")))
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// How the pause between attempts grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetryKind {
    /// `retry_delay` times the number of the attempt that failed: rolog's rule.
    #[default]
    Progressive,
    /// Not at all.
    Constant,
    /// It doubles.
    Exponential,
}

impl RetryKind {
    const ALL: [RetryKind; 3] = [
        RetryKind::Progressive,
        RetryKind::Constant,
        RetryKind::Exponential,
    ];

    /// What `progressive_delay` means.
    pub const fn of_progressive_delay(progressive: bool) -> Self {
        if progressive {
            RetryKind::Progressive
        } else {
            RetryKind::Constant
        }
    }

    /// The word in a pipeline file.
    pub const fn name(self) -> &'static str {
        match self {
            RetryKind::Progressive => "progressive",
            RetryKind::Constant => "constant",
            RetryKind::Exponential => "exponential",
        }
    }
}

/// What `max_retries` and `retry_delay` leave open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetrySpec {
    /// How the pause grows. rolog's own `progressive_delay` in a file sets it as well.
    pub kind: RetryKind,
    /// Shortens or lengthens each pause by up to this share of it; `None` is 0.1 for the exponential
    /// kind and 0 for the others.
    pub jitter: Option<Jitter>,
    /// No pause grows beyond this, before its jitter. A destination's own retry-after may.
    pub max_delay: OrOff<MaxDelay>,
    /// Gives a batch up when its next attempt would start later than this after its first failure.
    pub give_up_after: OrOff<GiveUpAfter>,
}

impl Default for RetrySpec {
    fn default() -> Self {
        RetrySpec {
            kind: RetryKind::default(),
            jitter: None,
            max_delay: OrOff::Off,
            give_up_after: OrOff::Off,
        }
    }
}

/// When batches go to the fallback without an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BreakerSpec {
    /// It opens at this many failures in a row.
    pub failures: InARow,
    /// It closes at this many successful probes in a row.
    pub successes: InARow,
    /// The first wait before a probe.
    pub probe: Probe,
    /// The wait doubles up to this.
    pub max_probe: MaxProbe,
}

impl Default for BreakerSpec {
    fn default() -> Self {
        let pace = HoldSpec::default();
        BreakerSpec {
            failures: Count::of::<5>(),
            successes: Count::of::<2>(),
            probe: pace.probe,
            max_probe: pace.max_probe,
        }
    }
}

/// How often a target is tried that holds, or that could not be started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HoldSpec {
    /// The first wait.
    pub probe: Probe,
    /// The wait doubles up to this.
    pub max_probe: MaxProbe,
}

impl Default for HoldSpec {
    fn default() -> Self {
        HoldSpec {
            probe: Time::of::<{ 5 * SECOND }>(),
            max_probe: Time::of::<{ 60 * SECOND }>(),
        }
    }
}

/// The settings of rolog itself and those beside them, which have to agree.
pub(super) fn retry_keys(retry: &mut RetrySpec, s: &mut Section<'_>) {
    let stated = s.own(
        "progressive_delay",
        "rolog's word for `retry.kind`: true is progressive, false constant",
        &bool::expected(),
        "true",
    );
    let progressive = stated.as_ref().and_then(bool::read);
    let implied = progressive.map(RetryKind::of_progressive_delay);
    if let Some(kind) = implied {
        retry.kind = kind;
    }
    s.nested("retry", retry);
    if let (Some(cursor), Some(kind)) = (stated, implied)
        && retry.kind != kind
    {
        let (meant, kind) = (kind.name(), retry.kind.name());
        cursor.refuse(
            format!("means `{meant}`, and `retry.kind` says `{kind}`"),
            "one of the two, or both alike",
        );
    }
}

impl Keys for RetrySpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "kind",
            "how the pause grows: by the number of the attempt that failed, not at all, or to the double",
            &mut self.kind,
        );
        s.key(
            "jitter",
            "share of each pause by which it is shortened or lengthened at random",
            &mut self.jitter,
        );
        s.key(
            "max_delay",
            "no pause grows beyond this, before its jitter; a destination's own retry-after may",
            &mut self.max_delay,
        );
        s.key(
            "give_up_after",
            "a batch whose next attempt would start later than this after its first failure is given up",
            &mut self.give_up_after,
        );
    }
}

impl Keys for BreakerSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "failures",
            "failed attempts in a row that open it",
            &mut self.failures,
        );
        s.key(
            "successes",
            "delivered probes in a row that close it",
            &mut self.successes,
        );
        s.key("probe", "first wait before a probe", &mut self.probe);
        s.key(
            "max_probe",
            "what the wait before a probe doubles up to",
            &mut self.max_probe,
        );
    }
}

impl Keys for HoldSpec {
    fn keys(&mut self, s: &mut Section<'_>) {
        s.key(
            "probe",
            "first wait before a target is tried that holds, or that could not be started",
            &mut self.probe,
        );
        s.key(
            "max_probe",
            "what that wait doubles up to",
            &mut self.max_probe,
        );
    }
}

impl Setting for RetryKind {
    fn expected() -> String {
        "progressive, constant or exponential".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let text = cursor.text(Self::expected())?;
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        if found.is_none() {
            let problem = cursor
                .problem(format!("{} is not a kind of retry", quoted(text)))
                .expected(Self::expected())
                .nearest_of(text, Self::ALL.map(RetryKind::name));
            cursor.sink.push(problem);
        }
        found
    }

    fn show(&self) -> String {
        self.name().to_owned()
    }
}

impl Setting for Option<Jitter> {
    fn expected() -> String {
        "a number from 0 to 1".to_owned()
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        let number = match &cursor.item.kind {
            ItemKind::Number(number) => number.as_f64(),
            // Within { } a substitution has to stand in quotes, so it arrives as text.
            ItemKind::Text(text) if cursor.item.substituted => {
                let Ok(number) = text.trim().parse() else {
                    let what = format!("{} is not a number", quoted(text));
                    cursor.refuse(what, Self::expected());
                    return None;
                };
                Some(number)
            }
            _ => {
                cursor.wrong_kind(Self::expected());
                return None;
            }
        };
        let share = Share::new(number.unwrap_or(f64::NAN)).ok();
        if share.is_none() {
            let written = number.map_or_else(String::new, |number| format!("{number} "));
            cursor.refuse(format!("{written}is out of bounds"), Self::expected());
        }
        share.map(Some)
    }

    fn show(&self) -> String {
        self.map_or_else(
            || "0; 0.1 for `exponential`".to_owned(),
            |share| share.get().to_string(),
        )
    }
}

impl<T: Setting> Setting for OrOff<T> {
    fn expected() -> String {
        format!("{}; or `off`", T::expected())
    }

    fn read(cursor: &Cursor<'_>) -> Option<Self> {
        if cursor.is_off() {
            return Some(OrOff::Off);
        }
        let before = cursor.sink.len();
        let value = T::read(cursor).map(OrOff::On);
        if value.is_none() {
            cursor.sink.expect_instead(before, &Self::expected());
        }
        value
    }

    fn show(&self) -> String {
        match self {
            OrOff::Off => "off".to_owned(),
            OrOff::On(value) => value.show(),
        }
    }
}
