//! PostgreSQL in trouble: each class of errors, provoked for real.

use std::process::Command;
use std::sync::Arc;

use rolog_plugin::prelude::*;
use rolog_tests::servers::{Postgres, Signal};
use serde_json::{Value, json};

use crate::common::{
    SmallDisk, batch, deliver, delivering, failed, failed_without_server, rejected, start, target,
    until, with,
};
use crate::postgres::Database;

fn url(database: &Database, user: &str) -> String {
    let port = database.server.port();
    format!("postgres://{user}@127.0.0.1:{port}/{}", database.name)
}

/// How many sessions of a database wait for a lock.
const WAITING: &str = "select count(*) from pg_locks join pg_stat_activity using (pid) \
                       where not granted and datname = current_database()";

/// A client that has nothing to do with the target.
async fn client(url: &str) -> tokio_postgres::Client {
    let connecting = tokio_postgres::connect(url, tokio_postgres::NoTls);
    let (client, connection) = connecting.await.unwrap();
    tokio::spawn(connection);
    client
}

fn as_user(database: &Database, user: &str) -> Value {
    json!({ "url": url(database, user) })
}

#[tokio::test]
async fn a_deadlock_is_retried() {
    let Some(database) = Database::new() else {
        return;
    };
    let target = target(database.config(json!({ "idempotent": true }))).await;
    let other = client(&database.server.url(&database.name)).await;
    let records = batch(["first", "second"]);
    let ids: Vec<_> = records
        .view()
        .records()
        .map(|r| r.id().to_string())
        .collect();
    let own = |at: usize| {
        format!(
            "insert into logs (record_id, time, level, logger, message, fields) \
             values ('{}', now(), '', '', '', '{{}}')",
            ids[at]
        )
    };
    other
        .batch_execute(&format!("begin; {}", own(1)))
        .await
        .unwrap();
    // It has inserted the first, and waits for the second.
    let outcome = delivering(&Arc::new(target), records);
    until("the batch waits", || database.sql(WAITING) == "1").await;
    let crossed = other.batch_execute(&own(0)).await;
    let outcome = outcome.await.unwrap();
    assert!(crossed.is_ok(), "{crossed:?}");
    let text = failed(&outcome, Verdict::Retry, Class::Unavailable);
    assert!(text.contains("deadlock detected"), "{text}");
}

#[tokio::test]
async fn too_many_connections_are_retried_and_a_wrong_password_or_grant_is_held() {
    let Some(database) = Database::new() else {
        return;
    };
    let name = &database.name;
    database.sql(&format!(
        "create table logs (message text); create role few{name} login connection limit 0;
         create role none{name} login; grant insert on logs to few{name}, none{name}"
    ));
    let more = json!({ "columns": { "message": "message" } });
    let few = with(as_user(&database, &format!("few{name}")), more.clone());
    let failure = start(few).await.err().unwrap();
    assert_eq!(failure.class, Class::Unavailable);
    assert!(
        failure.message.contains("too many connections"),
        "{failure}"
    );

    let target = target(with(as_user(&database, &format!("none{name}")), more)).await;
    assert!(deliver(&target, &batch(["one"])).await.is_delivered());
    database.sql(&format!("revoke insert on logs from none{name}"));
    let text = failed(
        &deliver(&target, &batch(["two"])).await,
        Verdict::Hold,
        Class::Auth,
    );
    assert!(text.contains("permission denied for table logs"), "{text}");
    database.sql(&format!("grant insert on logs to none{name}"));
    assert!(deliver(&target, &batch(["two"])).await.is_delivered());

    let nowhere = json!({ "url": database.server.url("nowhere") });
    assert_eq!(start(nowhere).await.err().unwrap().class, Class::NotFound);
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it_and_the_right_one_works_over_a_socket_too() {
    let what = "passwords with PostgreSQL";
    let Some(server) = Postgres::start(what) else {
        return;
    };
    server.sql(
        "postgres",
        "create role pw login password 'right'; grant all on schema public to pw",
    );
    let hba = "host all pw 127.0.0.1/32 scram-sha-256\nlocal all pw scram-sha-256\n\
               host all all 127.0.0.1/32 trust\nlocal all all trust\n";
    std::fs::write(server.folder().join("data/pg_hba.conf"), hba).unwrap();
    server.sql("postgres", "select pg_reload_conf()");
    until("the new rules are read", || {
        let rules = "select count(*) from pg_hba_file_rules where auth_method like 'scram%'";
        server.sql("postgres", rules) == "2"
    })
    .await;
    let port = server.port();
    let at = |password: &str| {
        json!({
            "url": format!("postgres://pw@127.0.0.1:{port}/postgres"), "password": password,
            "create_table": true
        })
    };
    let failure = start(at("S3cr3t")).await.err().unwrap();
    assert_eq!(failure.class, Class::Auth);
    assert!(!failure.message.contains("S3cr3t"), "{failure}");
    let target = target(at("right")).await;
    assert!(deliver(&target, &batch(["tcp"])).await.is_delivered());
    let folder = server.folder().display();
    let url = format!("postgres://pw:right@/postgres?host={folder}&port={port}");
    let target = crate::common::target(json!({ "url": url })).await;
    assert!(deliver(&target, &batch(["socket"])).await.is_delivered());
    assert_eq!(server.sql("postgres", "select count(*) from logs"), "2");
}

#[tokio::test]
async fn a_killed_server_is_retried_and_what_comes_after_its_restart_is_delivered() {
    let Some(mut server) = Postgres::start("PostgreSQL killed in a batch") else {
        return;
    };
    let target = target(json!({ "url": server.url("postgres"), "create_table": true })).await;
    assert!(deliver(&target, &batch(["one"])).await.is_delivered());
    let other = client(&server.url("postgres")).await;
    other
        .batch_execute("begin; lock table logs in share mode")
        .await
        .unwrap();
    let records = batch(["two"]);
    let target = Arc::new(target);
    let outcome = delivering(&target, records.clone());
    until("the batch waits", || server.sql("postgres", WAITING) == "1").await;
    server.kill();
    failed_without_server(&target, &records, outcome).await;
    server.start_again();
    assert!(deliver(&target, &records).await.is_delivered());
    assert_eq!(
        server.sql("postgres", "select string_agg(message, ',') from logs"),
        "one,two"
    );

    // A connection that died while it was idle is no failure.
    server.sql(
        "postgres",
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rolog'",
    );
    assert!(deliver(&target, &batch(["three"])).await.is_delivered());
    server.stop();
    server.start_again();
    assert!(deliver(&target, &batch(["four"])).await.is_delivered());

    drop(target);
    // A server that answers no more, not even to the request to cancel.
    server.process().signal_all(Signal::STOP);
    let silent = json!({ "url": server.url("postgres"), "connect_timeout": "300ms" });
    assert_eq!(start(silent).await.err().unwrap().class, Class::Timeout);
    server.process().signal_all(Signal::CONT);
    let bounded = json!({ "url": server.url("postgres"), "statement_timeout": "300ms" });
    let target = crate::common::target(bounded).await;
    let pid = "select pid from pg_stat_activity where application_name = 'rolog'";
    until("only its own connection is left", || {
        server.sql("postgres", pid).lines().count() == 1
    })
    .await;
    let pid = server.sql("postgres", pid);
    let signal = |name: &str| Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(signal("-STOP").success());
    failed(
        &deliver(&target, &batch(["five"])).await,
        Verdict::Retry,
        Class::Cancelled,
    );
    assert!(signal("-CONT").success());
}

#[tokio::test]
async fn a_standby_is_retried_because_it_may_become_the_primary() {
    let Some(primary) = Postgres::start("PostgreSQL's read-only standby") else {
        return;
    };
    primary.sql("postgres", "create table logs (message text)");
    let standby = primary.standby();
    let columns = json!({ "url": standby.url("postgres"), "columns": { "message": "message" } });
    let target = target(columns).await;
    let records = batch(["kept"]);
    let text = failed(
        &deliver(&target, &records).await,
        Verdict::Retry,
        Class::Unavailable,
    );
    assert!(text.contains("25006"), "{text}");
    standby.sql("postgres", "select pg_promote()");
    assert!(deliver(&target, &records).await.is_delivered());
}

#[tokio::test]
async fn a_full_disk_is_retried_and_nothing_of_the_batch_stays() {
    let Some(database) = Database::new() else {
        return;
    };
    let Some(disk) = SmallDisk::new(&["postgres", "nobody"], "PostgreSQL on a full disk") else {
        return;
    };
    let name = &database.name;
    let place = disk.path.display();
    database.sql(&format!("create tablespace small{name} location '{place}'"));
    database.sql(&format!(
        "create table logs (message text) tablespace small{name}"
    ));
    let columns = json!({ "columns": { "message": "message" } });
    let target = target(database.config(columns)).await;
    let text = "x".repeat(1500);
    let outcome = deliver(&target, &batch(vec![text.as_str(); 5000])).await;
    failed(&outcome, Verdict::Retry, Class::Full);
    assert_eq!(database.sql("select count(*) from logs"), "0");
    drop(target);
    database.sql("drop table logs");
    database.sql(&format!("drop tablespace small{name}"));
}

#[tokio::test]
async fn a_serialization_failure_is_retried() {
    let Some(database) = Database::new() else {
        return;
    };
    database.sql(&format!(
        "alter database {} set default_transaction_isolation = 'repeatable read'",
        database.name
    ));
    let target = target(database.config(json!({ "idempotent": true }))).await;
    let other = client(&database.server.url(&database.name)).await;
    let records = batch(["first"]);
    let id = records.view().records().next().unwrap().id().to_string();
    other
        .batch_execute(&format!(
            "begin; insert into logs (record_id, time, level, logger, message, fields) \
             values ('{id}', now(), '', '', '', '{{}}')"
        ))
        .await
        .unwrap();
    let target = Arc::new(target);
    let outcome = delivering(&target, records.clone());
    until("the batch waits", || database.sql(WAITING) == "1").await;
    other.batch_execute("commit").await.unwrap();
    let outcome = outcome.await.unwrap();
    let text = failed(&outcome, Verdict::Retry, Class::Unavailable);
    assert!(text.contains("40001"), "{text}");
    assert!(deliver(&target, &records).await.is_delivered());
    assert_eq!(database.sql("select count(*) from logs"), "1");
}

#[tokio::test]
async fn a_server_without_free_connections_is_retried() {
    let settings = ["max_connections=6"];
    let Some(server) = Postgres::start_with("PostgreSQL with few connections", &settings) else {
        return;
    };
    server.sql("postgres", "create table logs (message text)");
    let config = || json!({ "url": server.url("postgres"), "columns": { "message": "message" } });
    let mut many = Vec::new();
    let full = loop {
        match start(config()).await {
            Ok(one) => many.push(one),
            Err(failure) => break failure,
        }
        assert!(many.len() <= 6, "the server takes six connections");
    };
    assert_eq!(full.class, Class::Unavailable, "{full}");
    assert!(full.message.contains("53300"), "{full}");
    let first = many.swap_remove(0);
    drop(many);
    assert!(deliver(&first, &batch(["one"])).await.is_delivered());
}

#[tokio::test]
async fn several_batches_are_under_way_at_once_and_what_is_too_long_is_rejected_on_request() {
    let Some(database) = Database::new() else {
        return;
    };
    database.sql("create table logs (message varchar(5))");
    let columns = json!({ "columns": { "message": "message" }, "too_long": "reject" });
    let target = Arc::new(target(database.config(columns)).await);
    let other = client(&database.server.url(&database.name)).await;
    other
        .batch_execute("begin; lock table logs in share mode")
        .await
        .unwrap();
    let flying: Vec<_> = ["a", "b", "c", "d"]
        .map(|word| delivering(&target, batch([word, "longer"])))
        .into();
    until("four batches wait at once", || database.sql(WAITING) == "4").await;
    other.batch_execute("commit").await.unwrap();
    for one in flying {
        let outcome = one.await.unwrap();
        assert_eq!(rejected(&outcome), [1]);
        let why = &outcome.rejections()[0].message;
        assert_eq!(
            why,
            "column `message` cannot hold a text longer than it takes"
        );
    }
    let there = "select string_agg(message, ',' order by message) from logs";
    assert_eq!(database.sql(there), "a,b,c,d");
}
