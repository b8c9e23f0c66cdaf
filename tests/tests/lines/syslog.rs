//! Lines through a real rsyslog, in every form that it writes.

use std::io::Write;
use std::net::TcpStream;

use rolog_tests::servers::Rsyslog;
use serde_json::Value;

use crate::support::{field, lines, records, until};

const WHAT: &str = "lines through rsyslog";

/// A file for each of the forms.
const FILES: [(&str, &str); 4] = [
    ("file", "RSYSLOG_FileFormat"),
    ("traditional", "RSYSLOG_TraditionalFileFormat"),
    ("forward", "Forward"),
    ("protocol", "RSYSLOG_SyslogProtocol23Format"),
];

const LEVELS: [&str; 8] = [
    "critical", "critical", "critical", "error", "warning", "info", "info", "debug",
];

#[test]
fn lines_through_rsyslog_come_out_of_every_form_with_what_it_keeps() {
    let action = |(file, template): &(&str, &str)| {
        format!("action(type=\"omfile\" file=\"FOLDER/{file}\" template=\"{template}\")\n")
    };
    // rsyslog's own template for forwarding has no line end.
    let templates = "template(name=\"Forward\" type=\"string\" \
         string=\"<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag:1:32%%msg:::sp-if-no-1st-sp%%msg%\\n\")\n";
    let actions: String = FILES.iter().map(action).collect();
    let Some(mut server) = Rsyslog::start_with(WHAT, templates, &actions) else {
        return;
    };
    let mut sent = Vec::new();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    for number in 0..400 {
        let (facility, severity) = (number / 8 % 24, number % 8);
        let priority = facility * 8 + severity;
        let text = format!("message {number}: it's \"here\" <{number}> [x]");
        let line = if number % 2 == 0 {
            format!(
                "<{priority}>Nov 22 12:00:{:02} host.a app[{number}]: {text}\n",
                number % 60
            )
        } else {
            format!(
                "<{priority}>1 2026-11-22T12:00:{:02}.123456+00:00 host.a app {number} ID [ex@1 a=\"b\\\"c\"] {text}\n",
                number % 60
            )
        };
        stream.write_all(line.as_bytes()).unwrap();
        sent.push((number, severity, text));
    }
    drop(stream);
    let folder = server.folder().to_path_buf();
    for (file, _) in FILES {
        until(file, || lines(&folder.join(file)).len() >= sent.len());
    }
    server.stop();

    for (file, _) in FILES {
        let path = folder.join(file);
        let (records, told) = records(&["--zone", "UTC", path.to_str().unwrap()]);
        assert_eq!(records.len(), sent.len(), "{file}: {told}");
        assert!(
            told.contains(": 0 JSON, 400 syslog, 0 text\n"),
            "{file}: {told}"
        );
        for (record, (number, severity, text)) in records.iter().zip(&sent) {
            let message = record["message"].as_str().unwrap();
            // What came as RFC 3164 keeps the blank after its tag when rsyslog writes RFC 5424.
            let blank = if file == "protocol" && number % 2 == 0 {
                " "
            } else {
                ""
            };
            assert_eq!(message, format!("{blank}{text}"), "{file}");
            assert_eq!(record["logger"], "app", "{file}");
            assert_eq!(*field(record, "host"), "host.a", "{file}");
            assert_eq!(*field(record, "pid"), *number, "{file}");
            assert_time(file, record, *number);
            // Only the forms that are sent on have a priority.
            let has_priority = matches!(file, "forward" | "protocol");
            let level = if has_priority {
                LEVELS[*severity as usize]
            } else {
                "info"
            };
            assert_eq!(record["level"], level, "{file} {number}");
        }
    }
}

/// The second is there in every form; RFC 3164 has no year.
fn assert_time(file: &str, record: &Value, number: u64) {
    let time = record["time"].as_str().unwrap();
    let second = format!("-11-22T12:00:{:02}.", number % 60);
    assert!(time.contains(&second), "{file} {number}: {time}");
    if number % 2 == 1 && matches!(file, "file" | "protocol") {
        assert_eq!(&time[..4], "2026", "{file} {number}: {time}");
        assert_eq!(&time[20..], "123456000Z", "{file} {number}: {time}");
    }
}
