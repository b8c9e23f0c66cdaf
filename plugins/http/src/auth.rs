//! Who sends, as each request says it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use rolog_plugin::prelude::*;

use crate::config;

/// How often a file is looked at for a change.
const LOOK: Duration = Duration::from_secs(1);

/// The `Authorization` of the requests.
pub(crate) enum Auth {
    None,
    /// The header, and the secret in it.
    Fixed(HeaderValue, Vec<String>),
    File(TokenFile),
}

/// A token in a file, read again when the file changes.
pub(crate) struct TokenFile {
    path: PathBuf,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone)]
struct Kept {
    looked: Instant,
    stamp: (Option<SystemTime>, u64),
    header: HeaderValue,
    token: String,
}

impl Auth {
    /// As the settings have it.
    ///
    /// # Errors
    /// A token or password that no header can have.
    pub(crate) fn new(
        auth: Option<&config::Auth>,
        resolve: impl Fn(&Path) -> PathBuf,
    ) -> Result<Self, ConfigError> {
        Ok(match auth {
            None => Auth::None,
            Some(config::Auth::Basic { user, password }) => {
                if user.contains(':') {
                    return Err(ConfigError::at(
                        "auth.basic.user",
                        "a user's name has no colon in it",
                    ));
                }
                let pair = STANDARD.encode(format!("{user}:{}", password.reveal()));
                let header = header(&format!("Basic {pair}")).expect("Base64 is plain ASCII");
                Auth::Fixed(header, vec![pair, password.reveal().to_owned()])
            }
            Some(config::Auth::Bearer(token)) => {
                let token = token.reveal().trim();
                let header = bearer(token).map_err(|what| ConfigError::at("auth.bearer", what))?;
                Auth::Fixed(header, vec![token.to_owned()])
            }
            Some(config::Auth::BearerFile(path)) => Auth::File(TokenFile {
                path: resolve(path),
                kept: Mutex::new(None),
            }),
        })
    }

    /// The header as it is at hand, and whether it is time to look for another with
    /// [`Auth::read`], which blocks.
    pub(crate) fn at_hand(&self) -> (Option<HeaderValue>, bool) {
        match self {
            Auth::None => (None, false),
            Auth::Fixed(header, _) => (Some(header.clone()), false),
            Auth::File(file) => match &*file.kept() {
                None => (None, true),
                Some(kept) => (Some(kept.header.clone()), kept.looked.elapsed() >= LOOK),
            },
        }
    }

    /// Looks at the file, and reads it when it has changed.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds no token.
    pub(crate) fn read(&self) -> Result<Option<HeaderValue>, Failure> {
        match self {
            Auth::File(file) => file.read().map(Some).map_err(|what| {
                let path = file.path.display();
                Failure::new(
                    Class::Auth,
                    format!("cannot use the token in {path}: {what}"),
                )
            }),
            other => Ok(other.at_hand().0),
        }
    }

    /// The next request looks at the file, whenever it was looked at last.
    pub(crate) fn doubt(&self) {
        if let Auth::File(file) = self {
            let long_ago = Instant::now().checked_sub(LOOK);
            if let (Some(kept), Some(then)) = (&mut *file.kept(), long_ago) {
                kept.looked = then;
            }
        }
    }

    /// The secrets that requests carry, so that they can be kept out of errors.
    pub(crate) fn secrets(&self) -> Vec<String> {
        match self {
            Auth::None => Vec::new(),
            Auth::Fixed(_, secrets) => secrets.clone(),
            Auth::File(file) => file.kept().iter().map(|kept| kept.token.clone()).collect(),
        }
    }
}

impl TokenFile {
    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<HeaderValue, String> {
        let data = fs::metadata(&self.path).map_err(|error| error.to_string())?;
        let stamp = (data.modified().ok(), data.len());
        if let Some(kept) = &mut *self.kept()
            && kept.stamp == stamp
        {
            kept.looked = Instant::now();
            return Ok(kept.header.clone());
        }
        let text = fs::read_to_string(&self.path).map_err(|error| error.to_string())?;
        let token = text.trim();
        let header = bearer(token)?;
        *self.kept() = Some(Kept {
            looked: Instant::now(),
            stamp,
            header: header.clone(),
            token: token.to_owned(),
        });
        Ok(header)
    }
}

fn bearer(token: &str) -> Result<HeaderValue, String> {
    if token.is_empty() {
        return Err("the token is empty".into());
    }
    header(&format!("Bearer {token}"))
        .ok_or_else(|| "the token has a character that no header can have".into())
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_when_its_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let settings = config::Auth::BearerFile(path.clone());
        let auth = Auth::new(Some(&settings), Path::to_owned).unwrap();
        assert_eq!(auth.at_hand(), (None, true));
        assert_eq!(auth.read().unwrap_err().class, Class::Auth);
        fs::write(&path, "first\n").unwrap();
        assert_eq!(auth.read().unwrap().unwrap(), "Bearer first");
        assert!(!auth.at_hand().1, "it has just been looked at");
        fs::write(&path, "the second\n").unwrap();
        auth.doubt();
        assert!(auth.at_hand().1);
        assert_eq!(auth.read().unwrap().unwrap(), "Bearer the second");
        assert_eq!(auth.secrets(), ["the second"]);
        fs::write(&path, " \n").unwrap();
        assert!(auth.read().unwrap_err().message.contains("empty"));
    }

    #[test]
    fn passwords_and_tokens_become_headers_that_do_not_show_them() {
        let basic = config::Auth::Basic {
            user: "ada".into(),
            password: "love lace".into(),
        };
        let auth = Auth::new(Some(&basic), Path::to_owned).unwrap();
        let header = auth.at_hand().0.unwrap();
        assert_eq!(header, "Basic YWRhOmxvdmUgbGFjZQ==");
        assert!(header.is_sensitive());
        let wrong = config::Auth::Bearer("a\nb".into());
        let error = Auth::new(Some(&wrong), Path::to_owned).err().unwrap();
        assert_eq!(error.problems()[0].path, "auth.bearer");
    }
}
