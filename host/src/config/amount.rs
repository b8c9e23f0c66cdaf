//! Counts, sizes and times that carry their bounds in their types.
//!
//! A value of one of these types is within its bounds, always; a default that is not does not compile.

use std::fmt;
use std::time::Duration;

use rolog_plugin::settings;

/// A value outside its bounds. Displayed with the value and the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfBounds(String);

impl OutOfBounds {
    pub(super) fn new(message: String) -> Self {
        OutOfBounds(message)
    }
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OutOfBounds {}

/// A number of things, from `MIN` to `MAX`.
///
/// ```
/// use rolog_host::config::BatchRecords;
///
/// assert_eq!(BatchRecords::new(500)?.get(), 500);
/// assert_eq!(BatchRecords::new(0).unwrap_err().to_string(), "0 is not in 1 to 1000000");
/// # Ok::<(), rolog_host::config::OutOfBounds>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count<const MIN: usize, const MAX: usize>(usize);

impl<const MIN: usize, const MAX: usize> Count<MIN, MAX> {
    /// # Errors
    /// A number out of bounds.
    pub fn new(value: usize) -> Result<Self, OutOfBounds> {
        if (MIN..=MAX).contains(&value) {
            Ok(Count(value))
        } else {
            Err(OutOfBounds(format!("{value} is not in {MIN} to {MAX}")))
        }
    }

    /// A number that is known when the program is compiled.
    pub const fn of<const VALUE: usize>() -> Self {
        const { assert!(VALUE >= MIN && VALUE <= MAX, "out of bounds") }
        Count(VALUE)
    }

    /// The number.
    pub const fn get(self) -> usize {
        self.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for Count<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for Count<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number of bytes, from `MIN` to `MAX`. Written `64MiB`, `1kB` or `4096`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size<const MIN: usize, const MAX: usize>(usize);

impl<const MIN: usize, const MAX: usize> Size<MIN, MAX> {
    /// # Errors
    /// A number of bytes out of bounds.
    pub fn new(bytes: usize) -> Result<Self, OutOfBounds> {
        if (MIN..=MAX).contains(&bytes) {
            return Ok(Size(bytes));
        }
        let written = settings::Size(bytes);
        Err(OutOfBounds(format!(
            "{written} is not in {} to {}",
            settings::Size(MIN),
            settings::Size(MAX)
        )))
    }

    /// A number of bytes that is known when the program is compiled.
    pub const fn of<const BYTES: usize>() -> Self {
        const { assert!(BYTES >= MIN && BYTES <= MAX, "out of bounds") }
        Size(BYTES)
    }

    /// The number of bytes.
    pub const fn get(self) -> usize {
        self.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for Size<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&settings::Size(self.0), f)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for Size<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A time, from `MIN` to `MAX` milliseconds. Written `600ms`, `1s`, `1h30m`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time<const MIN: u64, const MAX: u64>(Duration);

impl<const MIN: u64, const MAX: u64> Time<MIN, MAX> {
    /// # Errors
    /// A time out of bounds.
    pub fn new(time: Duration) -> Result<Self, OutOfBounds> {
        let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        if (min..=max).contains(&time) {
            return Ok(Time(time));
        }
        Err(OutOfBounds(format!(
            "{} is not in {} to {}",
            settings::Span(time),
            settings::Span(min),
            settings::Span(max)
        )))
    }

    /// A number of milliseconds that is known when the program is compiled.
    pub const fn of<const MILLIS: u64>() -> Self {
        const { assert!(MILLIS >= MIN && MILLIS <= MAX, "out of bounds") }
        Time(Duration::from_millis(MILLIS))
    }

    /// The time.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Time<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&settings::Span(self.0), f)
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Debug for Time<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Few = Count<1, 10>;
    type Small = Size<1, 1024>;
    type Short = Time<1, 1000>;

    #[test]
    fn a_value_out_of_bounds_cannot_be_made() {
        assert_eq!(
            Few::new(11).unwrap_err().to_string(),
            "11 is not in 1 to 10"
        );
        assert_eq!(
            Small::new(2048).unwrap_err().to_string(),
            "2KiB is not in 1B to 1KiB"
        );
        let error = Short::new(Duration::from_mins(1)).unwrap_err();
        assert_eq!(error.to_string(), "1m is not in 1ms to 1s");
        assert_eq!(Short::of::<600>().to_string(), "600ms");
    }
}
