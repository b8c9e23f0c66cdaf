//! The checks, one function each.

use std::pin::Pin;
use std::time::Duration;

use rolog_core::delivery::{Class, Failure, Outcome, Verdict};
use serde_json::Value;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::client::{Client, validate};
use super::run::{Check, Run, delivered, judge, maybe_written, words};
use super::trouble::{Call, Trouble};
use super::{Report, batch};

/// An attempt that is under way.
type Answer = Pin<Box<dyn Future<Output = Outcome>>>;

/// How many instances `many instances` makes.
const MANY: usize = 20;
/// How many attempts `cancelled attempts` cuts, each a little later than the one before it.
const CUTS: usize = 20;
/// What `shutdown` is given while the destination hangs.
const SHORT: Duration = Duration::from_millis(500);
/// A destination that hangs is seen to for this long.
const HANG: Duration = Duration::from_millis(100);

/// Every check, in an order in which the first that fails explains most.
pub(super) async fn all(run: &Run) -> Report {
    let mut report = Report::default();
    report.add("description", description(run));
    report.add("settings", settings(run).await);
    report.add("lifecycle", lifecycle(run).await);
    report.add("succession", succession(run).await);
    report.add("activated again", activated_again(run).await);
    report.add("unknown operation", unknown_operation(run).await);
    report.add("many instances", many(run).await);
    report.add("cancelled attempts", cancelled(run).await);
    let troubles = &run.suite.troubles;
    let (hangs, answered): (Vec<_>, Vec<_>) = troubles
        .iter()
        .partition(|trouble| trouble.verdict.is_none());
    if answered.is_empty() {
        report.skip("outcomes", "no trouble that is answered was given");
    } else {
        report.add("outcomes", outcomes(run, &answered).await);
    }
    if hangs.is_empty() {
        report.skip("cancel and settle", "no trouble that hangs was given");
        report.skip(
            "shutdown with a deadline",
            "no trouble that hangs was given",
        );
    } else {
        report.add("cancel and settle", settles(run, &hangs).await);
        report.add("shutdown with a deadline", ends(run, &hangs).await);
    }
    if run.suite.panics.is_empty() {
        report.skip("panics", "no settings that make it panic were given");
    } else {
        report.add("panics", panics(run).await);
    }
    report
}

fn description(run: &Run) -> Check {
    let text = run.suite.module.describe()();
    let told: Value = serde_json::from_str(text.as_str())
        .map_err(|error| format!("`describe` does not answer with JSON: {error}"))?;
    match told["name"].as_str() {
        Some(name) if !name.is_empty() => Ok(()),
        _ => Err(format!("`describe` gives no name: {told}")),
    }
}

async fn settings(run: &Run) -> Check {
    let module = run.suite.module;
    let (one, two) = (run.place(), run.place());
    let ask = |place| {
        let config = (run.suite.config)(place);
        validate(module, &config).map_err(|problems| format!("{config} is refused: {problems:?}"))
    };
    let (first, again, other) = (ask(one)?, ask(one)?, ask(two)?);
    if first != again {
        return Err(format!(
            "the same settings have different answers: {first:?}, {again:?}"
        ));
    }
    if let Some(shared) = first
        .resources()
        .iter()
        .find(|r| other.resources().contains(r))
    {
        return Err(format!(
            "two destinations are the same resource, `{shared}`"
        ));
    }
    run.stays(one, &[], "after `validate`").await?;

    let refuse = |config: &Value, path: &str| match validate(module, config) {
        Ok(_) => Err(format!("{config} is accepted, but `{path}` is wrong in it")),
        Err(problems)
            if problems
                .iter()
                .any(|p| p.path == path && !p.message.is_empty()) =>
        {
            Ok(())
        }
        Err(problems) => Err(format!(
            "{config} is refused, but not with the path `{path}`: {problems:?}"
        )),
    };
    for (config, path) in &run.suite.refused {
        refuse(config, path)?;
    }
    let mut config = (run.suite.config)(one);
    if let (Some(settings), false) = (config.as_object_mut(), run.suite.unknown_settings) {
        const UNKNOWN: &str = "a_setting_that_there_is_not";
        settings.insert(UNKNOWN.into(), Value::Bool(true));
        refuse(&config, UNKNOWN)?;
    }
    Ok(())
}

async fn lifecycle(run: &Run) -> Check {
    let place = run.place();
    let client = run.create(&(run.suite.config)(place)).await?;
    run.stays(place, &[], "after `create`").await?;
    run.fine("`activate`", client.activate()).await?;
    run.stays(place, &[], "after `activate`").await?;
    let mut expected = Vec::new();
    for (name, count) in [("first", 1), ("second", 100), ("third", 3)] {
        let messages = words(place, name, count);
        run.deliver(&client, &messages).await?;
        expected.extend(messages);
        run.fine("`flush`", client.flush(run.suite.patience))
            .await?;
    }
    run.arrives(place, &expected, "after `flush`").await?;
    run.shut_down(&client).await?;
    drop(client);
    run.stays(place, &expected, "after `shutdown`").await
}

/// As a host puts a successor in the place of an instance: nothing between the two is lost.
async fn succession(run: &Run) -> Check {
    let place = run.place();
    let (before, after) = (words(place, "before", 10), words(place, "after", 10));
    let old = run.active(place).await?;
    run.deliver(&old, &before).await?;
    let successor = run.create(&(run.suite.config)(place)).await?;
    run.fine("`flush`", old.flush(run.suite.patience)).await?;
    run.fine("`activate` of a successor", successor.activate())
        .await?;
    run.shut_down(&old).await?;
    drop(old);
    run.deliver(&successor, &after).await?;
    run.shut_down(&successor).await?;
    run.arrives(place, &[before, after].concat(), "after a succession")
        .await
}

/// As a host goes back to an instance whose successor could not be activated.
async fn activated_again(run: &Run) -> Check {
    let place = run.place();
    let (before, after) = (words(place, "before", 10), words(place, "after", 10));
    let old = run.active(place).await?;
    run.deliver(&old, &before).await?;
    let successor = run.create(&(run.suite.config)(place)).await?;
    run.fine("`flush`", old.flush(run.suite.patience)).await?;
    run.shut_down(&successor).await?;
    drop(successor);
    run.fine("a second `activate`", old.activate()).await?;
    run.deliver(&old, &after).await?;
    run.shut_down(&old).await?;
    run.arrives(
        place,
        &[before, after].concat(),
        "after a second `activate`",
    )
    .await
}

async fn unknown_operation(run: &Run) -> Check {
    let place = run.place();
    let client = run.active(place).await?;
    let called = client.call("an-operation-that-there-is-not");
    let answer = run.within("`call`", run.suite.patience, called).await?;
    if answer.is_ok() {
        return Err("`call` answers an operation that there is not".to_owned());
    }
    run.deliver(&client, &words(place, "after", 1)).await?;
    run.shut_down(&client).await
}

async fn many(run: &Run) -> Check {
    let mut all = Vec::new();
    for _ in 0..MANY {
        let place = run.place();
        all.push((place, run.active(place).await?, Vec::new()));
    }
    let patience = run.suite.patience;
    for round in ["first", "second"] {
        // All of them are under way before the first is waited for.
        let mut answers = Vec::new();
        for (place, client, expected) in &mut all {
            let messages = words(*place, round, 50);
            answers.push(client.deliver(batch(&messages), patience).1);
            expected.extend(messages);
        }
        for answer in answers {
            let outcome = run.within("`deliver`", patience, answer).await?;
            if !outcome.is_delivered() {
                return Err(format!(
                    "beside {MANY} others, a delivery came to {outcome:?}"
                ));
            }
        }
    }
    for (place, client, expected) in &all {
        run.shut_down(client).await?;
        run.arrives(*place, expected, "of many instances").await?;
    }
    Ok(())
}

/// Cuts attempts from before they begin to after their end.
async fn cancelled(run: &Run) -> Check {
    let place = run.place();
    let client = run.active(place).await?;
    // An attempt that there never was is nothing to cancel.
    client.cancel(u64::MAX);
    let (mut certain, mut possible) = (Vec::new(), Vec::new());
    for cut in 0..CUTS {
        let messages = words(place, &cut.to_string(), 200);
        let (id, answer) = client.deliver(batch(&messages), run.suite.patience);
        for _ in 0..cut * cut {
            yield_now().await;
        }
        client.cancel(id);
        let outcome = run
            .within("a cancelled `deliver`", run.suite.settle_within, answer)
            .await?;
        judge(&outcome, messages.len())?;
        certain.extend(delivered(&outcome, &messages));
        if maybe_written(&outcome) {
            possible.extend(messages);
        }
    }
    let last = words(place, "last", 1);
    run.deliver(&client, &last).await?;
    certain.extend(last);
    run.shut_down(&client).await?;
    if possible.is_empty() {
        run.arrives(place, &certain, "after cancelled attempts")
            .await?;
        return run.stays(place, &certain, "after cancelled attempts").await;
    }
    let Some(there) = run.there(place) else {
        return Ok(());
    };
    match certain.iter().find(|one| !there.contains(one)) {
        Some(lost) => Err(format!(
            "`{lost}` was said to be delivered, and is not there"
        )),
        None => match there
            .iter()
            .find(|o| !certain.contains(o) && !possible.contains(o))
        {
            Some(extra) => Err(format!(
                "`{extra}` is there, though its attempt said that nothing was written"
            )),
            None => Ok(()),
        },
    }
}

/// An instance in trouble.
async fn troubled(run: &Run, trouble: &Trouble) -> Check<(usize, Client)> {
    let place = run.place();
    let config = trouble.config.as_ref().unwrap_or(&run.suite.config);
    let client = run.create(&config(place)).await?;
    run.fine("`activate`", client.activate()).await?;
    (trouble.cause)(place);
    Ok((place, client))
}

async fn outcomes(run: &Run, troubles: &[&Trouble]) -> Check {
    for trouble in troubles {
        outcome(run, trouble)
            .await
            .map_err(|wrong| format!("{}: {wrong}", trouble.name))?;
    }
    Ok(())
}

async fn outcome(run: &Run, trouble: &Trouble) -> Check {
    let (place, client) = troubled(run, trouble).await?;
    let messages = trouble.messages.clone();
    let messages = messages.unwrap_or_else(|| words(place, "troubled", 10));
    let outcome = run.attempt(&client, &messages).await?;
    let rejects = !outcome.rejections().is_empty();
    let verdict = match outcome.verdict() {
        Verdict::Delivered if rejects => Verdict::Reject,
        verdict => verdict,
    };
    if Some(verdict) != trouble.verdict {
        return Err(format!("the answer is {outcome:?}"));
    }
    let classes = outcome.failure().map(|failure| failure.class);
    let mut classes = classes
        .into_iter()
        .chain(outcome.rejections().iter().map(|one| one.class));
    if let Some(class) = trouble.class
        && !classes.any(|found| found == class)
    {
        return Err(format!("the class is not `{class}`: {outcome:?}"));
    }
    let mut expected = delivered(&outcome, &messages);
    let Some(mend) = &trouble.mend else {
        return Ok(());
    };
    mend(place);
    if verdict == Verdict::Fatal {
        // It is for the host to build it anew.
        return run.shut_down(&client).await;
    }
    let after = words(place, "mended", 10);
    run.deliver(&client, &after).await?;
    expected.extend(after);
    run.shut_down(&client).await?;
    if maybe_written(&outcome) {
        return Ok(());
    }
    run.arrives(place, &expected, "once the trouble is over")
        .await
}

async fn settles(run: &Run, troubles: &[&Trouble]) -> Check {
    for trouble in troubles {
        settle(run, trouble)
            .await
            .map_err(|wrong| format!("{}: {wrong}", trouble.name))?;
    }
    Ok(())
}

async fn settle(run: &Run, trouble: &Trouble) -> Check {
    let (place, client) = troubled(run, trouble).await?;
    let messages = words(place, "hung", 10);
    let (id, mut answer) = hung(run, &client, &messages).await?;
    client.cancel(id);
    let outcome = run
        .within(
            "a cancelled `deliver`",
            run.suite.settle_within,
            &mut answer,
        )
        .await?;
    judge(&outcome, messages.len())?;
    let settled = run.there(place).unwrap_or_default();
    if !maybe_written(&outcome) && run.suite.arrived.is_some() {
        let expected = delivered(&outcome, &messages);
        run.stays(place, &expected, "after an attempt that settled")
            .await?;
    }
    if let Some(mend) = &trouble.mend {
        mend(place);
        run.stays(place, &settled, "after an attempt that settled")
            .await?;
        run.deliver(&client, &words(place, "mended", 1)).await?;
    }
    run.shut_down(&client).await
}

/// Starts an attempt that hangs.
async fn hung(run: &Run, client: &Client, messages: &[String]) -> Check<(u64, Answer)> {
    let (id, answer) = client.deliver(batch(messages), run.suite.patience);
    let mut answer: Answer = Box::pin(answer);
    match timeout(HANG, &mut answer).await {
        Ok(outcome) => Err(format!("it does not hang, but comes to {outcome:?}")),
        Err(_) => Ok((id, answer)),
    }
}

/// A shutdown beside an attempt that hangs comes back by its deadline, with a little over.
async fn ends(run: &Run, troubles: &[&Trouble]) -> Check {
    for trouble in troubles {
        let (place, client) = troubled(run, trouble).await?;
        let (id, answer) = hung(run, &client, &words(place, "hung", 10)).await?;
        client.cancel(id);
        let limit = SHORT + run.suite.settle_within;
        // A failure is an answer too.
        let both = async {
            let ended = client.shutdown(SHORT);
            drop(run.within("`shutdown`", limit, ended).await?);
            run.within("a cancelled `deliver`", limit, answer).await
        };
        if let Err(wrong) = both.await {
            return Err(format!("{}: {wrong}", trouble.name));
        }
        if let Some(mend) = &trouble.mend {
            mend(place);
        }
    }
    Ok(())
}

async fn panics(run: &Run) -> Check {
    for (call, config) in &run.suite.panics {
        let failure = panic_in(run, *call, config(run.place())).await?;
        match failure {
            Some(failure) if failure.class == Class::Panic => {}
            other => {
                return Err(format!("a panic in {call:?} came to {other:?}"));
            }
        }
        let place = run.place();
        let sibling = run.active(place).await?;
        let messages = words(place, "beside", 3);
        run.deliver(&sibling, &messages).await?;
        run.shut_down(&sibling).await?;
        run.arrives(place, &messages, "beside an instance that panics")
            .await?;
    }
    Ok(())
}

/// The failure of a call.
async fn panic_in(run: &Run, call: Call, config: Value) -> Check<Option<Failure>> {
    let (module, patience) = (run.suite.module, run.suite.patience);
    if call == Call::Validate {
        let problems = validate(module, &config).err().unwrap_or_default();
        let told = problems.iter().find(|p| p.message.contains("panicked"));
        return Ok(told.map(|problem| Failure::new(Class::Panic, problem.message.as_str())));
    }
    let created = Client::create(module, &config);
    let created = run.within("`create`", patience, created).await?;
    let client = match created {
        Err(failure) if call == Call::Create => return Ok(Some(failure)),
        created => created.map_err(|failure| format!("`create` failed: {failure}"))?,
    };
    let activated = run
        .within("`activate`", patience, client.activate())
        .await?;
    match call {
        Call::Activate => return Ok(activated.err()),
        _ => activated.map_err(|failure| format!("`activate` failed: {failure}"))?,
    }
    match call {
        Call::Deliver => {
            let outcome = run.attempt(&client, &words(0, "panics", 1)).await?;
            Ok(outcome.failure().cloned())
        }
        Call::Flush => Ok(run
            .within("`flush`", patience, client.flush(patience))
            .await?
            .err()),
        Call::Call => Ok(run
            .within("`call`", patience, client.call("any"))
            .await?
            .err()),
        _ => {
            let ended = client.shutdown(patience);
            Ok(run.within("`shutdown`", patience, ended).await?.err())
        }
    }
}
