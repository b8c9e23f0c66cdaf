//! MariaDB in trouble: each class of errors, provoked for real.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use mysql_async::prelude::Queryable;
use rolog_plugin::prelude::*;
use rolog_tests::servers::{Folder, MariaDb, User};
use serde_json::{Value, json};

use crate::certificates::Authority;
use crate::common::{
    SmallDisk, batch, deliver, delivering, failed, failed_without_server, rejected, start, target,
    until, with,
};
use crate::mariadb::Database;

/// A client that holds something in a database until it is released.
pub(crate) struct Client<'s> {
    server: &'s MariaDb,
    id: String,
    process: Child,
}

impl<'s> Client<'s> {
    pub(crate) fn holding(server: &'s MariaDb, database: &str, statements: &str) -> Client<'s> {
        let process = Command::new("mariadb")
            .args(["--no-defaults", "-uroot", database, "-e"])
            .arg(format!("{statements}; select sleep(600)"))
            .arg(format!("--socket={}", server.socket().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let sleeps = format!(
            "select id from information_schema.processlist \
             where state = 'User sleep' and db = '{database}'"
        );
        let mut id = String::new();
        while id.is_empty() {
            id = server.sql("mysql", &sleeps);
        }
        Client {
            server,
            id,
            process,
        }
    }

    pub(crate) fn release(self) {
        self.server.sql("mysql", &format!("kill {}", self.id));
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How many inserts wait for a lock in a database.
fn waiting(server: &MariaDb, database: &str) -> String {
    let list = "select count(*) from information_schema.processlist where state like 'Waiting%' \
                and info like 'insert%'";
    server.sql("mysql", &format!("{list} and db = '{database}'"))
}

const MESSAGE: &str = r#"{ "message": "message" }"#;

fn message() -> Value {
    let columns: Value = serde_json::from_str(MESSAGE).unwrap();
    json!({ "columns": columns })
}

#[tokio::test]
async fn a_deadlock_is_retried() {
    let Some(database) = Database::new() else {
        return;
    };
    let target = target(database.config(json!({ "idempotent": true }))).await;
    let url = database.server.url(&database.name);
    let mut other = mysql_async::Conn::from_url(url).await.unwrap();
    let records = batch(["first", "second"]);
    let ids: Vec<_> = records
        .view()
        .records()
        .map(|r| r.id().to_string())
        .collect();
    let own = |id: &str| {
        format!(
            "insert into logs (record_id, time, level, logger, message, fields) \
             values ('{id}', now(), '', '', '', '{{}}')"
        )
    };
    // Who has changed more is not the one that InnoDB gives up.
    other.query_drop("begin").await.unwrap();
    for n in 0..9 {
        other.query_drop(own(&n.to_string())).await.unwrap();
    }
    other.query_drop(own(&ids[1])).await.unwrap();
    let outcome = delivering(&Arc::new(target), records);
    let waits = "select variable_value from information_schema.global_status \
                 where variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'";
    until("the batch waits for the second", || {
        database.sql(waits) == "1"
    })
    .await;
    let crossed = other.query_drop(own(&ids[0])).await;
    let outcome = outcome.await.unwrap();
    assert!(crossed.is_ok(), "{crossed:?}");
    let text = failed(&outcome, Verdict::Retry, Class::Unavailable);
    assert!(text.contains("Deadlock found"), "{text}");
    drop(other);
}

#[tokio::test]
async fn a_batch_that_takes_too_long_is_ended_at_the_server_and_several_are_under_way() {
    let Some(database) = Database::new() else {
        return;
    };
    database.sql("create table logs (message text)");
    let limit = with(message(), json!({ "statement_timeout": "300ms" }));
    let bounded = target(database.config(limit)).await;
    let locked = Client::holding(database.server, &database.name, "lock tables logs read");
    failed(
        &deliver(&bounded, &batch(["late"])).await,
        Verdict::Retry,
        Class::Cancelled,
    );
    // The lock is still held, and nothing waits for it any more.
    assert_eq!(waiting(database.server, &database.name), "0");

    let target = Arc::new(target(database.config(message())).await);
    let flying: Vec<_> = ["a", "b", "c", "d"]
        .map(|word| delivering(&target, batch([word])))
        .into();
    until("four batches wait at once", || {
        waiting(database.server, &database.name) == "4"
    })
    .await;
    locked.release();
    for one in flying {
        assert!(one.await.unwrap().is_delivered());
    }
    assert!(deliver(&bounded, &batch(["late"])).await.is_delivered());
    let there = "select group_concat(message order by message) from logs";
    assert_eq!(database.sql(there), "a,b,c,d,late");
}

#[tokio::test]
async fn what_is_too_long_is_rejected_where_that_is_asked_for_and_engines_without_transactions_too()
{
    let Some(database) = Database::new() else {
        return;
    };
    database.sql("create table logs (message varchar(5), t tinytext)");
    let columns = json!({ "columns": { "message": "message", "t": "fields.t" } });
    let settings = with(columns.clone(), json!({ "too_long": "reject" }));
    let strict = target(database.config(settings)).await;
    let records = || {
        let mut records = crate::common::Records::default();
        records.add("short", |fields| fields.key("t").str(&"ü".repeat(127)));
        records.add("longer", |_| {});
        records.add("short", |fields| fields.key("t").str(&"ü".repeat(128)));
        records.batch()
    };
    let outcome = deliver(&strict, &records()).await;
    assert_eq!(rejected(&outcome), [1, 2]);
    let why = &outcome.rejections()[0].message;
    assert_eq!(
        why,
        "column `message` cannot hold a text longer than it takes"
    );
    let lenient = target(database.config(columns.clone())).await;
    assert!(rejected(&deliver(&lenient, &records()).await).is_empty());
    let there = "select message, char_length(t), right(t, 1) from logs";
    assert_eq!(
        database.sql(there),
        "short\t127\tü\nshort\t127\tü\nlong…\tNULL\tNULL\nshort\t127\t…"
    );

    database.sql("alter table logs engine = MyISAM");
    let failure = start(database.config(columns)).await.err().unwrap();
    assert!(
        failure.message.contains("MyISAM, which has no"),
        "{failure}"
    );
}

#[tokio::test]
async fn passwords_grants_connections_packets_and_read_only_servers() {
    let options = ["--max-allowed-packet=64K", "--max-connections=10"];
    let Some(server) = MariaDb::start_with("MariaDB that is tight", &options) else {
        return;
    };
    server.sql(
        "test",
        "create table logs (message text); create user pw@127.0.0.1 identified by 'right'; \
         create user pw@localhost identified by 'right'; \
         grant select, insert on test.logs to pw@127.0.0.1, pw@localhost; \
         create user few@127.0.0.1 identified by 'f' with max_user_connections 1; \
         grant select, insert on test.logs to few@127.0.0.1",
    );
    let port = server.port();
    let at = |user: &str, password: &str| {
        let url = format!("mysql://{user}@127.0.0.1:{port}/test");
        with(message(), json!({ "url": url, "password": password }))
    };
    let failure = start(at("pw", "S3cr3t")).await.err().unwrap();
    assert_eq!(failure.class, Class::Auth);
    assert!(!failure.message.contains("S3cr3t"), "{failure}");
    let nowhere = json!({ "url": server.url("nowhere") });
    assert_eq!(start(nowhere).await.err().unwrap().class, Class::NotFound);

    let target = target(at("pw", "right")).await;
    assert!(deliver(&target, &batch(["one"])).await.is_delivered());
    let socket = server.socket();
    let url = format!(
        "mariadb://pw:right@localhost/test?socket={}",
        socket.display()
    );
    let by_socket = crate::common::target(with(message(), json!({ "url": url }))).await;
    assert!(deliver(&by_socket, &batch(["socket"])).await.is_delivered());

    let first = start(at("few", "f")).await.unwrap();
    assert_eq!(
        start(at("few", "f")).await.err().unwrap().class,
        Class::Unavailable
    );
    drop(first);
    let mut many = Vec::new();
    let full = loop {
        match start(at("pw", "right")).await {
            Ok(one) => many.push(one),
            Err(failure) => break failure,
        }
        assert!(many.len() < 10, "the server takes ten connections");
    };
    assert_eq!(full.class, Class::Unavailable);
    assert!(full.message.contains("Too many connections"), "{full}");
    drop(many);

    until("the connections are gone", || {
        let count = server.sql(
            "test",
            "select count(*) from information_schema.processlist",
        );
        count.parse::<u32>().unwrap() < 6
    })
    .await;

    // 300 KB go in several statements of one transaction, and what is too large alone does not.
    let (text, giant) = ("x".repeat(1000), "y".repeat(65_000));
    let mut words = vec![text.as_str(); 300];
    words[100] = &giant;
    let inserts = || {
        let status = "show global status like 'Com_insert'";
        let answer = server.sql("test", status);
        answer.split('\t').nth(1).unwrap().parse::<u32>().unwrap()
    };
    let before = inserts();
    let outcome = deliver(&target, &batch(words)).await;
    assert!(rejected(&outcome).is_empty());
    assert!((5..9).contains(&(inserts() - before)));
    let giant = "y'".repeat(32_000);
    let outcome = deliver(&target, &batch(["small", &giant])).await;
    assert_eq!(rejected(&outcome), [1]);
    assert_eq!(outcome.rejections()[0].class, Class::TooLarge);
    let count = "select count(*), max(char_length(message)) from logs";
    assert_eq!(server.sql("test", count), "303\t65000");

    server.sql(
        "test",
        "revoke insert on test.logs from pw@127.0.0.1, pw@localhost",
    );
    let text = failed(
        &deliver(&target, &batch(["two"])).await,
        Verdict::Hold,
        Class::Auth,
    );
    assert!(text.contains("INSERT command denied"), "{text}");
    server.sql(
        "test",
        "grant insert on test.logs to pw@127.0.0.1, pw@localhost; set global read_only = 1",
    );
    failed(
        &deliver(&target, &batch(["two"])).await,
        Verdict::Retry,
        Class::Unavailable,
    );
    server.sql("test", "set global read_only = 0");
    assert!(deliver(&target, &batch(["two"])).await.is_delivered());
}

#[tokio::test]
async fn a_killed_server_is_retried_and_what_comes_after_its_restart_is_delivered() {
    let Some(mut server) = MariaDb::start("MariaDB killed in a batch") else {
        return;
    };
    server.sql("test", "create table logs (message text)");
    let target = target(with(message(), json!({ "url": server.url("test") }))).await;
    assert!(deliver(&target, &batch(["one"])).await.is_delivered());
    let locked = Client::holding(&server, "test", "lock tables logs read");
    let records = batch(["two"]);
    let target = Arc::new(target);
    let outcome = delivering(&target, records.clone());
    until("the batch waits", || waiting(&server, "test") == "1").await;
    drop(locked);
    server.kill();
    failed_without_server(&target, &records, outcome).await;
    server.start_again();
    assert!(deliver(&target, &records).await.is_delivered());
    let there = "select group_concat(message order by message) from logs";
    assert_eq!(server.sql("test", there), "one,two");

    // A connection that died while it was idle is no failure.
    let idle =
        "select id from information_schema.processlist where db = 'test' and command = 'Sleep'";
    let id = server.sql("mysql", idle);
    server.sql("mysql", &format!("kill {id}"));
    assert!(deliver(&target, &batch(["three"])).await.is_delivered());
    server.stop();
    server.start_again();
    assert!(deliver(&target, &batch(["four"])).await.is_delivered());
}

#[tokio::test]
async fn a_full_disk_is_retried_and_nothing_of_the_batch_stays() {
    let Some(database) = Database::new() else {
        return;
    };
    let Some(disk) = SmallDisk::new(&["mysql", "nobody"], "MariaDB on a full disk") else {
        return;
    };
    let place = disk.path.display();
    database.sql(&format!(
        "create table logs (message text) data directory = '{place}'"
    ));
    let target = target(database.config(message())).await;
    let text = "x".repeat(1500);
    let outcome = deliver(&target, &batch(vec![text.as_str(); 5000])).await;
    failed(&outcome, Verdict::Retry, Class::Full);
    assert_eq!(database.sql("select count(*) from logs"), "0");
    drop(target);
    database.sql("drop table logs");
}

#[tokio::test]
async fn the_modes_of_tls_do_what_they_say() {
    let authority = Authority::new();
    let folder = Folder::new(User::unprivileged(&["mysql", "nobody"]));
    let (cert, key) = authority.signs("localhost");
    let (own, own_key) = authority.signs("a service");
    let ca = folder.write("ca.pem", authority.pem());
    let (own, own_key) = (
        folder.write("own.pem", own),
        folder.write("own.key", own_key),
    );
    let options = [
        format!("--ssl-ca={}", ca.display()),
        format!("--ssl-cert={}", folder.write("cert.pem", cert).display()),
        format!("--ssl-key={}", folder.write("key.pem", key).display()),
    ];
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    let Some(server) = MariaDb::start_with("TLS with MariaDB", &options) else {
        return;
    };
    server.sql(
        "test",
        "create table logs (message text); create user known@'%' require x509; \
         create user tls@'%' require ssl; \
         grant select, insert on test.logs to known@'%', tls@'%'",
    );
    let at = |user: &str, host: &str, tls: Value| {
        let url = format!("mysql://{user}@{host}:{}/test", server.port());
        with(message(), json!({ "url": url, "tls": tls }))
    };
    // The server takes this user over encrypted connections only.
    for tls in [
        json!({}),
        json!({ "mode": "prefer" }),
        json!({ "mode": "require" }),
        json!({ "mode": "verify", "ca": ca }),
    ] {
        let target = target(at("tls", "localhost", tls)).await;
        assert!(deliver(&target, &batch(["one"])).await.is_delivered());
    }
    let off = || json!({ "mode": "off" });
    let failure = start(at("tls", "localhost", off())).await.err().unwrap();
    assert_eq!(failure.class, Class::Auth, "{failure}");
    let plain = target(at("root", "localhost", off())).await;
    assert!(deliver(&plain, &batch(["one"])).await.is_delivered());
    // Another name than the certificate's, and an authority that nobody knows.
    for (host, tls) in [
        ("127.0.0.1", json!({ "mode": "verify", "ca": ca })),
        ("localhost", json!({ "mode": "verify" })),
    ] {
        let failure = start(at("root", host, tls)).await.err().unwrap();
        assert_eq!(failure.class, Class::Auth, "{failure}");
    }
    // The client proves who it is, too.
    let failure = start(at("known", "localhost", json!({ "mode": "require" }))).await;
    assert_eq!(failure.err().unwrap().class, Class::Auth);
    let proven = json!({ "mode": "verify", "ca": ca, "cert": own, "key": own_key });
    let target = target(at("known", "localhost", proven)).await;
    assert!(deliver(&target, &batch(["two"])).await.is_delivered());
    let missing = json!({ "mode": "verify", "ca": "absent.pem" });
    let failure = start(at("root", "localhost", missing)).await.err().unwrap();
    assert!(failure.message.contains("absent.pem"), "{failure}");

    let Some(database) = Database::new() else {
        return;
    };
    // Without TLS at the server: refused where it is asked for, done without where it is preferred.
    let has = "select @@have_ssl";
    if database.sql(has) != "YES" {
        let asked = json!({ "tls": { "mode": "require" } });
        let failure = start(database.config(asked)).await.err().unwrap();
        assert_eq!(failure.class, Class::Auth, "{failure}");
        let preferred = crate::common::target(database.config(json!({}))).await;
        assert!(deliver(&preferred, &batch(["one"])).await.is_delivered());
    }
}
