//! From the bytes of a pipeline file to its text: bounded, UTF-8, without what YAML forbids.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::problem::Place;

/// The longest pipeline file that is read. A Kubernetes `ConfigMap` ends at the same size.
pub const MAX_FILE: usize = 1024 * 1024;

/// Why bytes are not the text of a pipeline.
#[derive(Debug)]
pub(crate) struct NotText {
    pub(crate) place: Option<Place>,
    pub(crate) what: String,
    pub(crate) expected: String,
}

impl NotText {
    fn new(what: impl Into<String>, expected: impl Into<String>) -> Self {
        NotText {
            place: None,
            what: what.into(),
            expected: expected.into(),
        }
    }
}

/// Reads a file, and no more of it than a pipeline may have.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, NotText> {
    let unreadable = |error: std::io::Error| {
        NotText::new(
            format!("cannot be read: {error}"),
            "a readable file with a pipeline",
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(NotText::new(
            "is a directory",
            "a file with a pipeline, such as `pipeline.yaml`",
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

/// Checks bytes, and takes off a byte order mark.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, NotText> {
    if bytes.len() > MAX_FILE {
        return Err(NotText::new(
            "the file is larger than 1 MiB",
            "a pipeline of at most 1 MiB (is it the log instead of the pipeline?)",
        ));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(NotText::new("the file is UTF-16", "UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let byte = bytes[error.valid_up_to()];
            return Err(NotText {
                place: Some(end_of(&valid)),
                what: format!("the byte 0x{byte:02X} is not UTF-8"),
                expected: "UTF-8".to_owned(),
            });
        }
    };
    if let Some((at, found)) = text.char_indices().find(|(_, c)| forbidden(*c)) {
        return Err(NotText {
            place: Some(end_of(&text[..at])),
            what: format!(
                "the character U+{:04X} must not be in YAML",
                u32::from(found)
            ),
            expected: "printable text; in double quotes it can be written as an escape".to_owned(),
        });
    }
    Ok(text)
}

/// What YAML excludes from its character set, and the byte order mark within the text, which the
/// two parsers would take differently.
fn forbidden(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}' => true,
        c => c.is_control(),
    }
}

/// The place right after this text.
fn end_of(before: &str) -> Place {
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_text_is_named_with_its_place() {
        let nul = text(b"version: 1\nx: \0").unwrap_err();
        assert_eq!(nul.place, Some(Place { line: 2, column: 4 }));
        assert!(nul.what.contains("U+0000"));
        let latin = text(b"a: 1\n\n\xC3\xA4\xE4: 1").unwrap_err();
        assert_eq!(latin.place, Some(Place { line: 3, column: 2 }));
        assert!(latin.what.contains("0xE4"));
        assert!(text(b"\xFF\xFEv\0").unwrap_err().what.contains("UTF-16"));
        assert_eq!(text(b"\xEF\xBB\xBFversion: 1").unwrap(), "version: 1");
        assert_eq!(
            text("a\u{FEFF}".as_bytes()).unwrap_err().place,
            Some(Place { line: 1, column: 2 })
        );
    }

    #[test]
    fn a_huge_file_is_refused_without_being_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.yaml");
        let file = File::create(&path).unwrap();
        file.set_len(50 * 1024 * 1024).unwrap();
        let bytes = read(&path).unwrap();
        assert_eq!(bytes.len(), MAX_FILE + 1);
        assert!(text(&bytes).unwrap_err().what.contains("larger than 1 MiB"));
        assert!(read(folder.path()).unwrap_err().what.contains("directory"));
    }
}
