//! Keeps panics inside the plugin.
//!
//! A panic that reaches a function of the boundary ends the whole process, so every way from the
//! host into an author's code goes through here. What the panic said is kept, bounded, and becomes a
//! [`Failure`] of class *panic*.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use rolog_core::delivery::{Class, Failure};

use crate::hosted;
use crate::scope::{self, Instance};

/// Bytes of a panic's text that are kept.
const TEXT_LIMIT: usize = 1024;

thread_local! {
    static GUARDS: Cell<u32> = const { Cell::new(0) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What a caught panic said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panicked(String);

impl Panicked {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The failure that the host gets for a panic in this call.
    pub(crate) fn failure(&self, call: &str) -> Failure {
        Failure::new(Class::Panic, format!("panicked in {call}: {}", self.0))
    }
}

/// Runs foreign code and catches its panic.
pub(crate) fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, Panicked> {
    let depth = GUARDS.try_with(|guards| guards.replace(guards.get() + 1));
    let result = catch_unwind(AssertUnwindSafe(work));
    if let Ok(depth) = depth {
        let _ = GUARDS.try_with(|guards| guards.set(depth));
    }
    result.map_err(|payload| {
        let noted = LAST
            .try_with(|last| last.borrow_mut().take())
            .ok()
            .flatten();
        let text = noted.unwrap_or_else(|| payload_text(&*payload));
        discard(payload);
        Panicked(text)
    })
}

/// Runs foreign code that nobody waits for; its panic is reported to the host.
pub(crate) fn guarded_for(instance: Instance, place: &str, work: impl FnOnce()) {
    let result = scope::within(instance, || guarded(work));
    if let Err(panic) = result {
        hosted::panicked(instance, place, panic.text());
    }
}

/// Makes the library's panic hook keep text and place of a panic for whoever catches it; a panic
/// that nobody of us will catch goes to the host. Only for a loaded library, whose hook is its own.
pub(crate) fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let text = hook_text(info);
        let guards = GUARDS.try_with(Cell::get).unwrap_or(0);
        if guards == 0 {
            hosted::panicked(scope::current(), "a thread or task of its own", &text);
        } else {
            let _ = LAST.try_with(|last| last.replace(Some(text)));
        }
    }));
}

/// A future of an instance whose polls and whose end are guarded.
pub(crate) struct Contained<T> {
    instance: Instance,
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T> Contained<T> {
    pub(crate) fn new(
        instance: Instance,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Self {
        Contained {
            instance,
            future: Some(Box::pin(future)),
        }
    }

    fn end(&mut self) {
        let future = self.future.take();
        guarded_for(self.instance, "dropping a future", move || drop(future));
    }
}

impl<T> Future for Contained<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(future) = this.future.as_mut() else {
            return Poll::Pending;
        };
        let polled = scope::within(this.instance, || guarded(|| future.as_mut().poll(cx)));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(panic) => Err(panic),
        };
        this.end();
        Poll::Ready(result)
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if self.future.is_some() {
            self.end();
        }
    }
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    bounded(text)
}

fn hook_text(info: &PanicHookInfo<'_>) -> String {
    let mut text = payload_text(info.payload());
    if let Some(place) = info.location() {
        use std::fmt::Write;
        let _ = write!(text, " (at {}:{})", place.file(), place.line());
    }
    text
}

fn bounded(text: &str) -> String {
    if text.len() <= TEXT_LIMIT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_LIMIT);
    format!("{}…", &text[..end])
}

/// A payload may panic again when it is dropped; then it is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn text<R>(work: impl FnOnce() -> R) -> String {
        guarded(work).err().unwrap().0
    }

    #[test]
    fn texts_of_every_kind_are_kept_and_bounded() {
        assert_eq!(text(|| panic!("plain")), "plain");
        assert_eq!(text(|| panic!("with {}", 1)), "with 1");
        assert_eq!(text(|| std::panic::panic_any(7)), "no message");
        let long = text(|| panic!("{}", "ä".repeat(5000)));
        assert!(long.len() <= TEXT_LIMIT + '…'.len_utf8() && long.ends_with('…'));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        assert_eq!(text(|| std::panic::panic_any(Bomb)), "no message");
    }

    #[test]
    fn a_future_that_panics_or_whose_end_panics_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("the future's own state panics");
            }
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut failing = Contained::new(Instance(1), async { panic!("polled") });
        let Poll::Ready(Err::<(), _>(panic)) = Pin::new(&mut failing).poll(&mut cx) else {
            panic!("not contained")
        };
        assert_eq!(panic.text(), "polled");

        let mut pending = Contained::new(Instance(1), async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        });
        assert!(Pin::new(&mut pending).poll(&mut cx).is_pending());
        drop(pending);
    }
}
