//! The functions that cross the boundary, for any target.

use std::marker::PhantomData;
use std::time::Duration;

use abi_stable::library::RootModuleResult;
use abi_stable::prefix_type::{PrefixRefTrait, WithMetadata};
use abi_stable::std_types::{RErr, ROk, RResult, RStr, RString, RVec};
use async_ffi::FfiFuture;
use rolog_core::delivery::{Class, Failure, Outcome};
use serde::Deserialize;

use crate::abi::{
    Buffer, Busy, HostCallsRef, Module, ModuleRef, WireAttempt, WireFailure, WireOutcome,
};
use crate::export::Exported;
use crate::guard::{Panicked, guarded, install_hook};
use crate::plan::{Problem, Validation};
use crate::scope::Instance;
use crate::under_way::{Answer, Unreturned};
use crate::{config, facade, hosted};

type Done<R> = RResult<R, WireFailure>;

/// The module of a target.
struct Of<T>(PhantomData<T>);

impl<T: Exported> Of<T> {
    const MODULE: &'static WithMetadata<Module> = &WithMetadata::new(Module {
        attach,
        describe: describe::<T>,
        validate: validate::<T>,
        create: create::<T>,
        activate: activate::<T>,
        deliver: deliver::<T>,
        cancel: cancel::<T>,
        flush: flush::<T>,
        shutdown: shutdown::<T>,
        call: call::<T>,
        release: release::<T>,
        quiesce: quiesce::<T>,
        ping: ping::<T>,
        busy: busy::<T>,
        renew: renew::<T>,
        set_level,
    });
}

pub(crate) fn module<T: Exported>() -> ModuleRef {
    ModuleRef(Of::<T>::MODULE.static_as_prefix())
}

/// What the header of a library calls to reach its module.
#[allow(unsafe_code, reason = "abi_stable passes modules without their type")]
pub(crate) extern "C" fn construct<T: Exported>() -> RootModuleResult {
    // SAFETY: the header is built for `ModuleRef`, so that is what the host casts it back to.
    ROk(unsafe { module::<T>().to_prefix_ref().cast() })
}

/// What the host says of itself to a library. Unknown keys are for newer libraries.
#[derive(Deserialize)]
#[serde(default)]
struct Options {
    linked: bool,
    level: u8,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            linked: false,
            level: rolog_core::Level::Information.code(),
        }
    }
}

extern "C" fn attach(calls: HostCallsRef, library: u64, options: RStr<'_>) {
    quietly(|| {
        let options: Options = serde_json::from_str(options.as_str()).unwrap_or_default();
        // A plugin that is linked in shares the service's own `log`, `tracing` and `metrics`, and
        // its panic hook; they are not for it to set.
        if hosted::attach(calls, library) {
            if !options.linked {
                install_hook();
                facade::install();
            }
            facade::set_level(options.level);
        }
    });
}

extern "C" fn describe<T: Exported>() -> RString {
    let described = guarded(|| {
        let description = T::describe();
        let library = T::library();
        serde_json::json!({
            "name": library.name(),
            "version": library.version(),
            "sdk": env!("CARGO_PKG_VERSION"),
            "summary": description.summary,
            "schema": description.schema,
            "capabilities": description.capabilities,
        })
        .to_string()
    });
    described.unwrap_or_else(|_| "{}".to_owned()).into()
}

extern "C" fn validate<T: Exported>(config: RStr<'_>, setup: RStr<'_>) -> RString {
    let validation = guarded(|| config::validate::<T>(config.as_str(), setup.as_str()));
    let validation = validation.unwrap_or_else(|panic| Validation {
        errors: vec![Problem {
            path: String::new(),
            message: panic.failure("validate").message,
            expected: None,
        }],
        ..Validation::default()
    });
    serde_json::to_string(&validation)
        .expect("texts and numbers are always JSON")
        .into()
}

extern "C" fn create<T: Exported>(id: u64, config: RString, setup: RString) -> FfiFuture<Done<()>> {
    result("create", || {
        T::library().create(Instance(id), config.into(), setup.as_str())
    })
}

extern "C" fn activate<T: Exported>(id: u64) -> FfiFuture<Done<()>> {
    result("activate", || {
        T::library().run(Instance(id), |target| async move {
            target.value().activate().await
        })
    })
}

extern "C" fn deliver<T: Exported>(
    id: u64,
    batch: Buffer,
    attempt: WireAttempt,
) -> FfiFuture<WireOutcome> {
    answer(
        || T::library().deliver(Instance(id), batch, &attempt),
        |ended| {
            WireOutcome::from(match ended {
                Ended::Returned(outcome) => outcome,
                Ended::Refused(failure) => Outcome::retry(failure),
                Ended::Panicked(panic) => Outcome::retry(panic.failure("deliver").maybe_written()),
                Ended::Stranded { begun: false } => Outcome::fatal(stranded()),
                Ended::Stranded { begun: true } => Outcome::fatal(stranded().maybe_written()),
                Ended::Cut => Outcome::retry(cut().maybe_written()),
            })
        },
    )
}

extern "C" fn cancel<T: Exported>(id: u64, attempt: u64) {
    quietly(|| T::library().cancel(Instance(id), attempt));
}

extern "C" fn flush<T: Exported>(id: u64, limit_ms: u64) -> FfiFuture<Done<()>> {
    result("flush", || {
        T::library().run(Instance(id), move |target| async move {
            target.value().flush(Duration::from_millis(limit_ms)).await
        })
    })
}

extern "C" fn shutdown<T: Exported>(id: u64, limit_ms: u64) -> FfiFuture<Done<()>> {
    result("shutdown", || {
        T::library().run(Instance(id), move |target| async move {
            target
                .value()
                .shutdown(Duration::from_millis(limit_ms))
                .await
        })
    })
}

extern "C" fn call<T: Exported>(
    id: u64,
    operation: RString,
    input: RVec<u8>,
) -> FfiFuture<Done<RVec<u8>>> {
    result("call", || {
        T::library().run(Instance(id), |target| async move {
            let output = target.value().call(&operation, &input).await;
            output.map(RVec::from)
        })
    })
}

extern "C" fn release<T: Exported>(id: u64) {
    quietly(|| T::library().release(Instance(id)));
}

extern "C" fn quiesce<T: Exported>(limit_ms: u64) -> FfiFuture<bool> {
    let end = guarded(|| T::library().quiesce(Duration::from_millis(limit_ms)));
    FfiFuture::new(async move {
        match end {
            Ok(end) => end.await.unwrap_or(false),
            Err(_) => false,
        }
    })
}

extern "C" fn ping<T: Exported>(id: u64) -> FfiFuture<bool> {
    let poll = guarded(|| T::library().ping(Instance(id))).ok().flatten();
    FfiFuture::new(async move {
        match poll {
            Some(poll) => poll.await.unwrap_or(false),
            None => false,
        }
    })
}

extern "C" fn busy<T: Exported>() -> RVec<Busy> {
    guarded(|| T::library().busy()).unwrap_or_default().into()
}

extern "C" fn renew<T: Exported>() -> u32 {
    guarded(|| T::library().renew()).unwrap_or(0)
}

extern "C" fn set_level(level: u8) {
    quietly(|| facade::set_level(level));
}

/// How a call ended.
enum Ended<R> {
    Returned(R),
    Refused(Failure),
    Panicked(Panicked),
    /// Its runtime was blocked and is given up, and the instance with it.
    Stranded {
        begun: bool,
    },
    /// Its runtime was ended.
    Cut,
}

/// Starts a call and makes its answer, whatever way it ends, a future that never panics.
fn answer<R, W>(
    start: impl FnOnce() -> Result<Answer<R>, Failure>,
    wire: impl FnOnce(Ended<R>) -> W + Send + 'static,
) -> FfiFuture<W>
where
    R: Send + 'static,
{
    let started = guarded(start);
    FfiFuture::new(async move {
        let ended = match started {
            Ok(Ok(answered)) => match answered.await {
                Ok(Ok(returned)) => Ended::Returned(returned),
                Ok(Err(Unreturned::Panicked(panic))) => Ended::Panicked(panic),
                Ok(Err(Unreturned::Stranded { begun })) => Ended::Stranded { begun },
                Err(_) => Ended::Cut,
            },
            Ok(Err(failure)) => Ended::Refused(failure),
            Err(panic) => Ended::Panicked(panic),
        };
        wire(ended)
    })
}

fn result<R>(
    name: &'static str,
    start: impl FnOnce() -> Result<Answer<Result<R, Failure>>, Failure>,
) -> FfiFuture<Done<R>>
where
    R: Send + 'static,
{
    answer(start, move |ended| match ended {
        Ended::Returned(Ok(value)) => ROk(value),
        Ended::Returned(Err(failure)) | Ended::Refused(failure) => RErr(failure.into()),
        Ended::Panicked(panic) => RErr(panic.failure(name).into()),
        Ended::Stranded { .. } => RErr(stranded().into()),
        Ended::Cut => RErr(cut().into()),
    })
}

fn stranded() -> Failure {
    Failure::new(
        Class::Unavailable,
        "the runtime that the plugin's instances share was blocked and is given up",
    )
}

fn cut() -> Failure {
    Failure::new(Class::Cancelled, "the plugin's runtime has ended")
}

/// Runs the SDK's own part of a call that has no answer.
fn quietly(work: impl FnOnce()) {
    if let Err(panic) = guarded(work) {
        hosted::panicked(Instance::NONE, "the SDK", panic.text());
    }
}
