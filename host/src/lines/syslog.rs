//! Lines of syslog: RFC 5424 and RFC 3164 as they are sent, and both forms in which daemons write
//! them into files.

use jiff::Timestamp;
use rolog_core::Level;
use rolog_core::value::Encoder;

use super::MAX_LOGGER;
use super::level;
use super::options::Options;
use super::stamp::{self, Stamp};

/// The parts of a line of syslog; its other parts are fields by now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) time: Option<i64>,
    /// There is a time, and it is none for certain.
    pub(super) time_refused: bool,
    pub(super) level: Option<Level>,
    pub(super) logger: Option<&'a str>,
    pub(super) text: &'a str,
}

/// How sure a line has to look, where it has no priority at its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// It is said to be syslog.
    Told,
    /// It may be any text.
    Guessed,
}

/// Reads a line and appends `host`, `pid`, `facility`, `severity`, `msgid` and the structured data
/// (under `sd`, by its id) to `fields`, each where the line has it. `None` for any other line;
/// nothing was appended then.
pub(super) fn read<'a>(
    line: &'a str,
    care: Care,
    options: &Options,
    fields: &mut Vec<u8>,
) -> Option<Message<'a>> {
    let start = fields.len();
    let read = match line.strip_prefix('<') {
        Some(rest) => sent(rest, options, fields),
        None => filed(line, care, options, fields),
    };
    if read.is_none() {
        fields.truncate(start);
    }
    read
}

/// `<34>1 2026-…` or `<34>Nov 22 …`, behind the `<`.
fn sent<'a>(rest: &'a str, options: &Options, fields: &mut Vec<u8>) -> Option<Message<'a>> {
    let (digits, rest) = rest.split_once('>')?;
    let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let priority: u16 = digits.parse().ok().filter(|_| is_number)?;
    let (facility, severity) = (priority / 8, priority % 8);
    let facility = FACILITIES.get(usize::from(facility))?;
    let severity_name = SEVERITIES[usize::from(severity)];
    let mut out = Encoder::new(fields);
    out.key("facility").str(facility);
    out.key("severity").str(severity_name);
    let mut message = if let Some(rest) = rest.strip_prefix("1 ") {
        rfc5424(rest, options, &mut out)?
    } else {
        let (stamp, length) = stamp::at_start(rest.as_bytes())?;
        let rest = rest.get(length..)?.strip_prefix(' ')?;
        after_time(stamp, rest, Care::Told, options, &mut out)?
    };
    message.level = options
        .levels
        .word(severity_name)
        .or_else(|| level::number(u64::from(severity)));
    Some(message)
}

/// `Nov 22 12:00:00 host tag[7]: text`, or the same with an RFC 3339 time.
fn filed<'a>(
    line: &'a str,
    care: Care,
    options: &Options,
    fields: &mut Vec<u8>,
) -> Option<Message<'a>> {
    let (stamp, length) = stamp::at_start(line.as_bytes())?;
    let rest = line.get(length..)?.strip_prefix(' ')?;
    let care = match line.as_bytes()[0] {
        // No other log begins with the name of a month.
        b'A'..=b'Z' => Care::Told,
        // Syslog's always say their offset.
        _ if care == Care::Guessed && !stamp.is_certain() => return None,
        _ => care,
    };
    after_time(stamp, rest, care, options, &mut Encoder::new(fields))
}

/// `host tag[7]: text`; without the colon where the message came as RFC 5424.
fn after_time<'a>(
    stamp: Stamp,
    rest: &'a str,
    care: Care,
    options: &Options,
    out: &mut Encoder<'_>,
) -> Option<Message<'a>> {
    let (host, rest) = rest.split_once(' ')?;
    let (tag, rest) = rest.split_at(rest.find([':', ' ', '['])?);
    let (pid, text) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (pid, rest) = rest.split_once(']')?;
            let text = rest
                .strip_prefix(':')
                .or_else(|| rest.starts_with(' ').then_some(rest))?;
            (Some(pid), text)
        }
        None => (None, rest.strip_prefix(':')?),
    };
    let word = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_ascii_whitespace());
    let known = pid.is_some() || matches!(tag, "kernel" | "systemd" | "rsyslogd");
    let plain = word(host)
        && word(tag)
        && pid.is_none_or(word)
        && tag.len() <= MAX_LOGGER
        && !host.contains(['[', ']']);
    if !plain || (care == Care::Guessed && (!known || options.levels.word(host).is_some())) {
        return None;
    }
    out.key("host").str(host);
    if let Some(pid) = pid {
        number_or_text(out.key("pid"), pid);
    }
    let time = stamp.nanos(options.zone.as_ref(), Timestamp::now());
    Some(Message {
        time,
        time_refused: time.is_none(),
        level: None,
        logger: Some(tag),
        text: text.strip_prefix(' ').unwrap_or(text),
    })
}

/// What follows the version of RFC 5424; `-` stands for a part that is not there.
fn rfc5424<'a>(rest: &'a str, options: &Options, out: &mut Encoder<'_>) -> Option<Message<'a>> {
    let (time, rest) = rest.split_once(' ')?;
    let (host, rest) = rest.split_once(' ')?;
    let (app, rest) = rest.split_once(' ')?;
    let (pid, rest) = rest.split_once(' ')?;
    let (msgid, rest) = rest.split_once(' ')?;
    let given = |part: &'a str| (part != "-").then_some(part);
    if [time, host, app, pid, msgid].contains(&"") || app.len() > MAX_LOGGER {
        return None;
    }
    let stamp = match given(time) {
        Some(time) => {
            let (stamp, length) = stamp::at_start(time.as_bytes())?;
            (length == time.len()).then_some(Some(stamp))?
        }
        None => None,
    };
    if let Some(host) = given(host) {
        out.key("host").str(host);
    }
    if let Some(pid) = given(pid) {
        number_or_text(out.key("pid"), pid);
    }
    if let Some(msgid) = given(msgid) {
        out.key("msgid").str(msgid);
    }
    let rest = match rest.strip_prefix('-') {
        Some(rest) => rest,
        None => structured_data(rest, out.key("sd"))?,
    };
    let text = match rest.strip_prefix(' ') {
        Some(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        None if rest.is_empty() => "",
        None => return None,
    };
    let nanos = stamp.and_then(|stamp| stamp.nanos(options.zone.as_ref(), Timestamp::now()));
    Some(Message {
        time: nanos,
        time_refused: stamp.is_some() && nanos.is_none(),
        level: None,
        logger: given(app),
        text,
    })
}

/// `[id name="value" …][id …]` as a map of maps; returns what follows.
fn structured_data<'a>(text: &'a str, out: &mut Encoder<'_>) -> Option<&'a str> {
    let mut rest = text;
    out.map(|elements| {
        while let Some(element) = rest.strip_prefix('[') {
            let end = element.find([' ', ']'])?;
            let (id, mut after) = element.split_at(end);
            if id.is_empty() {
                return None;
            }
            elements.key(id).map(|parameters| {
                while let Some(parameter) = after.strip_prefix(' ') {
                    let (name, value) = parameter.split_once("=\"")?;
                    if name.is_empty() || name.contains([' ', ']', '"']) {
                        return None;
                    }
                    let end = value_end(value)?;
                    parameters.key(name).str(&unescaped(&value[..end]));
                    after = &value[end + 1..];
                }
                Some(())
            })?;
            rest = after.strip_prefix(']')?;
        }
        Some(())
    })?;
    (rest.len() < text.len()).then_some(rest)
}

fn value_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Undoes the three escapes that there are; any other backslash stands for itself.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let escapes = char == '\\' && matches!(chars.peek(), Some('"' | '\\' | ']'));
        out.push(if escapes {
            chars.next().unwrap_or(char)
        } else {
            char
        });
    }
    out
}

fn number_or_text(out: &mut Encoder<'_>, text: &str) {
    match text.parse::<i64>() {
        Ok(number) if number.to_string() == text => out.i64(number),
        _ => out.str(text),
    }
}

const SEVERITIES: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

#[cfg(test)]
mod tests {
    use rolog_core::Level::{Critical, Error, Information};
    use serde_json::json;

    use super::super::check::parse_with;
    use super::super::{Format, Kind, Options};

    const NOON: i64 = 1_795_348_800_000_000_000; // 2026-11-22T12:00:00Z

    fn options() -> Options {
        Options {
            zone: Some("UTC".parse().unwrap()),
            ..Options::default()
        }
    }

    #[test]
    fn lines_as_they_are_sent_and_as_they_are_filed_are_taken_apart() {
        for (line, level, logger, message, fields) in [
            (
                "<34>1 2026-11-22T12:00:00.000Z host.example su 77 ID47 - \u{feff}'su root' failed",
                Some(Critical),
                Some("su"),
                "'su root' failed",
                json!({"facility": "auth", "severity": "crit", "host": "host.example", "pid": 77, "msgid": "ID47"}),
            ),
            (
                r#"<165>1 2026-11-22T13:00:00+01:00 - app - - [ex@1 a="1" b="q\"\\\]\n"][o] text"#,
                Some(Information),
                Some("app"),
                "text",
                json!({"facility": "local4", "severity": "notice",
                       "sd": {"ex@1": {"a": "1", "b": "q\"\\]\\n"}, "o": {}}}),
            ),
            (
                "<0>1 - - - - - -",
                Some(Critical),
                None,
                "",
                json!({"facility": "kern", "severity": "emerg"}),
            ),
            (
                "<11>Nov 22 12:00:00 host su[7]: no",
                Some(Error),
                Some("su"),
                "no",
                json!({"facility": "user", "severity": "err", "host": "host", "pid": 7}),
            ),
            (
                "Nov 22 12:00:00 host kernel: [0.1] up: yes",
                None,
                Some("kernel"),
                "[0.1] up: yes",
                json!({"host": "host"}),
            ),
            (
                "2026-11-22T12:00:00.000000+00:00 host sshd-session[x9]: in",
                None,
                Some("sshd-session"),
                "in",
                json!({"host": "host", "pid": "x9"}),
            ),
            (
                "2026-11-22T12:00:00.000000+00:00 host app[7] no colon: 1",
                None,
                Some("app"),
                "no colon: 1",
                json!({"host": "host", "pid": 7}),
            ),
        ] {
            let parsed = parse_with(line.as_bytes(), 4096, options());
            assert_eq!(parsed.kind, Kind::Syslog, "{line}");
            assert_eq!(parsed.level, level, "{line}");
            assert_eq!(parsed.logger.as_deref(), logger, "{line}");
            assert_eq!(parsed.message, message, "{line}");
            assert_eq!(parsed.json(), fields, "{line}");
            let time = (!line.contains("1 - -")).then_some(NOON);
            assert_eq!(parsed.time, time, "{line}");
        }
    }

    #[test]
    fn what_is_no_syslog_stays_text_and_a_priority_without_a_header_is_counted() {
        for (line, broken) in [
            ("<34>no header", 1),
            ("<999>1 - - - - - -", 1),
            ("<34>1 - - - - - [a b=\"c] x", 1),
            ("<34>1 - - - - - []", 1),
            ("<34>1 yesterday - - - - -", 1),
            ("<div>1 - - - - - -", 0),
            ("<1234>x", 0),
            ("2026-11-22T12:00:00Z INFO app[1]: text", 0),
            ("2026-11-22T12:00:00Z myapp startup: done", 0),
            ("Nov 22 12:00:00 no colon", 0),
            ("2026-11-22 12:00:00 install systemd:amd64 252.38", 0),
            ("2026-11-22T12:00:00Z get items[7]of: x", 0),
        ] {
            let parsed = parse_with(line.as_bytes(), 4096, options());
            assert_eq!((parsed.kind, parsed.message.as_str()), (Kind::Text, line));
            assert!(parsed.fields.is_empty());
            assert_eq!(parsed.counts.broken_syslog, broken, "{line}");
        }
        let asked = Options {
            format: Format::Syslog,
            ..options()
        };
        let line = b"2026-11-22T12:00:00Z myhost startup: done";
        assert_eq!(parse_with(line, 4096, asked.clone()).kind, Kind::Syslog);
        let other = parse_with(b"something else", 4096, asked);
        assert_eq!((other.kind, other.counts.other_format), (Kind::Text, 1));
    }

    #[test]
    fn a_time_without_a_zone_is_counted_and_not_taken() {
        let line = b"<11>Nov 22 12:00:00 host su[7]: no";
        let parsed = parse_with(line, 4096, Options::default());
        assert_eq!((parsed.time, parsed.counts.time_unread), (None, 1));
        assert_eq!(parsed.level, Some(Error));
    }
}
