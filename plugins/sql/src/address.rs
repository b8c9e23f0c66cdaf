//! Which database a URL means.

use std::path::{Path, PathBuf};

use rolog_plugin::prelude::*;

/// The kind of database, by its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address<'u> {
    /// A file.
    Sqlite(&'u Path),
    /// A URL of PostgreSQL.
    Postgres(&'u str),
    /// A URL of `MySQL` or `MariaDB`.
    MySql(&'u str),
}

impl<'u> Address<'u> {
    /// From a URL, of which a refusal shows nothing but the scheme: it may contain a password.
    pub(crate) fn parse(url: &'u str) -> Result<Self, ConfigError> {
        let expected = "sqlite:PATH, postgres://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE";
        let refused = |what: String| ConfigError::at("url", what).expected(expected);
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(refused("the URL names no kind of database".into()));
        };
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || path.ends_with('/') || path == ":memory:" {
                    return Err(refused(format!("`{url}` names no file")));
                }
                Ok(Address::Sqlite(Path::new(path)))
            }
            "postgres" | "postgresql" => Ok(Address::Postgres(url)),
            "mysql" | "mariadb" => Ok(Address::MySql(url)),
            other => Err(refused(format!("`{other}` is no kind of database"))),
        }
    }
}

/// Where a file of SQLite really is, as far as its folders are there.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => folder
            .canonicalize()
            .unwrap_or_else(|_| folder.to_path_buf())
            .join(name),
        _ => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_by_its_scheme_and_no_password_in_a_refusal() {
        let path = |url| match Address::parse(url) {
            Ok(Address::Sqlite(path)) => path.display().to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(path("sqlite:logs.db"), "logs.db");
        assert_eq!(path("sqlite:///var/logs.db"), "/var/logs.db");
        assert_eq!(path("sqlite:/var/logs.db"), "/var/logs.db");
        for url in [
            "sqlite:",
            "sqlite:logs/",
            "oracle://me:secret@db/x",
            "logs.db",
        ] {
            let text = Address::parse(url).unwrap_err().to_string();
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
