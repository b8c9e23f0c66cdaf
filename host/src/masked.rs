//! Keeps secrets, and what `redact` hides, out of what targets say of their failures.
//!
//! A client library's error may well quote the URL with the password in it. Every text that an
//! instance answers goes through here, once, so that receipts, events, records, dead letters and
//! reports have it masked already.

use std::sync::Arc;
use std::time::Duration;

use rolog_core::delivery::{Failure, Outcome};

use crate::config::Secrets;
use crate::instance::{Attempt, BoxFuture, Buffer, Instance, Maker};
use crate::redact;

/// The maker whose instances say nothing that is to be hidden, by the rules that are in force when
/// they say it.
pub(crate) fn masked(
    maker: Arc<dyn Maker>,
    secrets: &Arc<Secrets>,
    rules: &redact::InForce,
) -> Arc<dyn Maker> {
    Arc::new(Masked {
        inner: maker,
        secrets: Arc::clone(secrets),
        rules: rules.clone(),
    })
}

struct Masked<T: ?Sized> {
    inner: Arc<T>,
    secrets: Arc<Secrets>,
    rules: redact::InForce,
}

impl<T: ?Sized> Masked<T> {
    fn text(&self, text: &str) -> String {
        self.rules.text(&self.secrets.mask(text)).into_owned()
    }

    fn failure(&self, mut failure: Failure) -> Failure {
        failure.message = self.text(&failure.message);
        failure
    }
}

impl Maker for Masked<dyn Maker> {
    fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
        Box::pin(async {
            let inner = self.inner.create().await.map_err(|e| self.failure(e))?;
            Ok(Arc::new(Masked {
                inner,
                secrets: Arc::clone(&self.secrets),
                rules: self.rules.clone(),
            }) as Arc<dyn Instance>)
        })
    }

    fn preferred_batch(&self) -> Option<usize> {
        self.inner.preferred_batch()
    }

    fn resources(&self) -> Vec<String> {
        self.inner.resources()
    }
}

impl Instance for Masked<dyn Instance> {
    fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async { self.inner.activate().await.map_err(|e| self.failure(e)) })
    }

    fn deliver(&self, batch: Buffer, attempt: Attempt) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let outcome = self.inner.deliver(batch, attempt).await;
            outcome.map_text(|text| self.text(text))
        })
    }

    fn cancel(&self, attempt: u64) {
        self.inner.cancel(attempt);
    }

    fn flush(&self, deadline: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.inner
                .flush(deadline)
                .await
                .map_err(|e| self.failure(e))
        })
    }

    fn shutdown(&self, deadline: Duration) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            self.inner
                .shutdown(deadline)
                .await
                .map_err(|e| self.failure(e))
        })
    }

    fn call<'a>(&'a self, op: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        Box::pin(async move {
            self.inner
                .call(op, bytes)
                .await
                .map_err(|e| self.failure(e))
        })
    }
}

#[cfg(test)]
mod tests {
    use rolog_core::delivery::{Class, Rejection};

    use super::*;

    struct Talks;

    impl Maker for Talks {
        fn create(&self) -> BoxFuture<'_, Result<Arc<dyn Instance>, Failure>> {
            Box::pin(async { Ok(Arc::new(Talks) as Arc<dyn Instance>) })
        }
        fn preferred_batch(&self) -> Option<usize> {
            Some(9)
        }
        fn resources(&self) -> Vec<String> {
            vec!["db".to_owned()]
        }
    }

    fn says() -> Failure {
        Failure::new(Class::Auth, "401 from https://me:hunter22@logs/").maybe_written()
    }

    impl Instance for Talks {
        fn activate(&self) -> BoxFuture<'_, Result<(), Failure>> {
            Box::pin(async { Err(says()) })
        }
        fn deliver(&self, _: Buffer, _: Attempt) -> BoxFuture<'_, Outcome> {
            let rejected = vec![Rejection {
                index: 3,
                class: Class::Invalid,
                message: "hunter22 is no number".to_owned(),
            }];
            Box::pin(async { Outcome::hold(says()).and_rejected(rejected) })
        }
        fn cancel(&self, _: u64) {}
        fn flush(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
            Box::pin(async { Err(says()) })
        }
        fn shutdown(&self, _: Duration) -> BoxFuture<'_, Result<(), Failure>> {
            Box::pin(async { Err(says()) })
        }
        fn call<'a>(&'a self, _: &'a str, _: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
            Box::pin(async { Err(says()) })
        }
    }

    #[tokio::test]
    async fn no_answer_of_an_instance_has_a_secret_in_it() {
        let secrets = Arc::new(Secrets::of(["hunter22"]));
        let maker = masked(Arc::new(Talks), &secrets, &redact::InForce::default());
        assert_eq!(
            (maker.preferred_batch(), maker.resources().len()),
            (Some(9), 1)
        );
        let instance = maker.create().await.unwrap();
        let wait = Duration::from_secs(1);
        let attempt = Attempt {
            id: 1,
            number: 1,
            deadline: wait,
        };
        let outcome = instance
            .deliver(Buffer::new(Vec::new().into()), attempt)
            .await;
        assert_eq!(outcome.rejections()[0].message, "*** is no number");
        let failures = [
            outcome.failure().unwrap().clone(),
            instance.activate().await.unwrap_err(),
            instance.flush(wait).await.unwrap_err(),
            instance.shutdown(wait).await.unwrap_err(),
            instance.call("op", &[]).await.unwrap_err(),
        ];
        for failure in failures {
            assert_eq!(failure.message, "401 from https://me:***@logs/");
            assert!(failure.maybe_written && failure.class == Class::Auth);
        }
    }
}
