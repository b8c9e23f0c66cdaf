//! OAUTHBEARER: the token that brokers ask for, out of a file that somebody else keeps fresh.
//!
//! librdkafka asks for a token when it begins and again when four fifths of the last one's life are
//! over; brokers that refuse one have the file looked at again at once. A token is used as it stands:
//! nothing here checks its signature. Of a JSON web token the claims `exp` and `sub` are read, so that
//! librdkafka knows when to ask; any other token is read again every few minutes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// How long a token is used that does not say how long it is good for.
const UNKNOWN_LIFE: Duration = Duration::from_mins(5);
/// Larger than any token; what is larger is another file.
const LARGEST: u64 = 64 << 10;

/// A token, which is a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) value: String,
    /// Whom it is about, which brokers take from the token itself.
    pub(crate) subject: String,
    /// Until when it is good.
    pub(crate) until: SystemTime,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").finish_non_exhaustive()
    }
}

/// What is read of a JSON web token.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
}

/// The tokens of a file.
#[derive(Debug)]
pub(crate) struct Tokens {
    file: PathBuf,
    last: Option<Token>,
}

impl Tokens {
    pub(crate) fn of(file: PathBuf) -> Self {
        Tokens { file, last: None }
    }

    /// The token that the file has now. Blocks.
    ///
    /// # Errors
    /// There is none, or it is good no longer; without the token.
    pub(crate) fn read(&mut self) -> Result<Token, String> {
        let token = read(&self.file, SystemTime::now())?;
        self.last = Some(token.clone());
        Ok(token)
    }

    /// The token that the file has now, if it is another than the last. Blocks.
    pub(crate) fn read_if_new(&mut self) -> Option<Token> {
        let last = self.last.take();
        match self.read() {
            Ok(token) if Some(&token.value) != last.as_ref().map(|last| &last.value) => Some(token),
            _ => {
                self.last = last;
                None
            }
        }
    }
}

fn read(file: &Path, now: SystemTime) -> Result<Token, String> {
    let shown = file.display();
    let size = std::fs::metadata(file).map_err(|error| format!("{shown}: {error}"))?;
    if size.len() > LARGEST {
        return Err(format!("{shown} is too large for a token"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    let value = text.trim();
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{shown} has no token: one word of ASCII is expected"
        ));
    }
    let claims = claims(value);
    let expires = claims.as_ref().and_then(|claims| claims.exp);
    let until = expires
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .and_then(|since| UNIX_EPOCH.checked_add(since));
    let until = until.unwrap_or(now + UNKNOWN_LIFE);
    if until <= now {
        return Err(format!("the token in {shown} has expired"));
    }
    Ok(Token {
        value: value.to_owned(),
        subject: claims
            .and_then(|claims| claims.sub)
            .unwrap_or_else(|| "rolog".to_owned()),
        until,
    })
}

fn claims(token: &str) -> Option<Claims> {
    let (_, rest) = token.split_once('.')?;
    let (claims, _) = rest.split_once('.')?;
    let json = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", part(r#"{"alg":"none"}"#), part(claims))
    }

    fn read_at(content: &str, now: u64) -> Result<Token, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, content).unwrap();
        read(&file, UNIX_EPOCH + Duration::from_secs(now))
    }

    #[test]
    fn a_web_token_says_whom_it_is_about_and_how_long_it_is_good() {
        let content = jwt(r#"{"sub":"shop","exp":100.5}"#);
        let token = read_at(&format!("{content}\n"), 100).unwrap();
        assert_eq!(
            (token.value.as_str(), token.subject.as_str()),
            (content.as_str(), "shop")
        );
        assert_eq!(token.until, UNIX_EPOCH + Duration::from_millis(100_500));
        assert!(!format!("{token:?}").contains(&content));
        let expired = read_at(&content, 101).unwrap_err();
        assert!(
            expired.contains("expired") && !expired.contains(&content),
            "{expired}"
        );
    }

    #[test]
    fn any_other_token_is_taken_for_minutes() {
        for content in [
            "opaque",
            "a.b.c",
            &jwt("{}"),
            &jwt("no JSON"),
            &jwt(r#"{"exp":-1}"#),
        ] {
            let token = read_at(content, 100).unwrap();
            assert_eq!(token.value, content);
            assert_eq!(
                token.until,
                UNIX_EPOCH + Duration::from_secs(400),
                "{content}"
            );
        }
        for none in ["", " \n", "two words", "t\u{f6}ken", &"x".repeat(70_000)] {
            read_at(none, 100).unwrap_err();
        }
    }

    #[test]
    fn a_file_that_has_not_changed_has_nothing_new() {
        let folder = tempfile::tempdir().unwrap();
        let mut tokens = Tokens::of(folder.path().join("token"));
        assert!(tokens.read().is_err() && tokens.read_if_new().is_none());
        std::fs::write(&tokens.file, "first").unwrap();
        assert_eq!(tokens.read_if_new().unwrap().value, "first");
        assert!(tokens.read_if_new().is_none());
        std::fs::write(&tokens.file, "second").unwrap();
        assert_eq!(tokens.read_if_new().unwrap().value, "second");
    }
}
