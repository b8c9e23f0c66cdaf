//! Where the records of a batch go: the URL and the headers, filled by each record.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use rolog_core::frame::Record;
use rolog_plugin::ConfigError;
use rolog_plugin::settings::{Template, TemplateError};

use crate::config::Config;
use crate::format;

/// What a value may contain unencoded: RFC 3986's unreserved characters.
pub(crate) const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The URL and the headers of requests, with holes.
pub(crate) struct Routes {
    url: Template,
    headers: Vec<(HeaderName, Template)>,
    /// The one route, where there are no holes.
    fixed: Option<Route>,
    /// The URL without its query, for people.
    shown: String,
}

/// The URL and the headers of one request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub url: Url,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Routes {
    /// Of settings.
    ///
    /// # Errors
    /// What is wrong with the URL, a header or a parameter.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let url = url(config)?;
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            let wrong = |what: String| ConfigError::at(format!("headers.{name}"), what);
            let known = HeaderName::try_from(name.as_str())
                .map_err(|_| wrong(format!("`{name}` is no name of a header")))?;
            let value: Result<Template, _> = value.reveal().parse();
            let value = value.map_err(|what| wrong(what.to_string()))?;
            headers.push((known, value));
        }
        let shown = url.to_string();
        let mut routes = Routes {
            shown: shown.split('?').next().unwrap_or_default().to_owned(),
            url,
            headers,
            fixed: None,
        };
        if routes.is_fixed() {
            let texts = routes.texts(None).expect("without holes nothing is filled");
            routes.fixed = Some(Route::read(&routes, &texts).map_err(|what| {
                let path = if what.contains("header") {
                    "headers"
                } else {
                    "url"
                };
                ConfigError::at(path, what)
            })?);
        }
        Ok(routes)
    }

    /// The one route, where there is but one.
    pub(crate) fn fixed(&self) -> Option<&Route> {
        self.fixed.as_ref()
    }

    /// The URL for people: without its query, and with its holes as they are written.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    fn is_fixed(&self) -> bool {
        let mut all = self.headers.iter().map(|(_, value)| value);
        self.url.fixed().is_some() && all.all(|value| value.fixed().is_some())
    }

    /// The URL and the values of the headers for a record: those of two records are equal exactly
    /// when they may share a request.
    ///
    /// # Errors
    /// What the record lacks.
    pub(crate) fn key(&self, record: &Record<'_>) -> Result<Vec<String>, String> {
        self.texts(Some(record))
    }

    fn texts(&self, record: Option<&Record<'_>>) -> Result<Vec<String>, String> {
        let fill = |template: &Template, put: fn(&str, &mut String) -> bool| {
            let mut out = String::new();
            match record {
                Some(record) => template.fill_by(record, &mut out, put).map_err(|name| {
                    format!("the record has no `{name}` that the URL or a header can hold")
                })?,
                None => out.push_str(template.fixed().unwrap_or_default()),
            }
            Ok::<_, String>(out)
        };
        let mut texts = Vec::with_capacity(1 + self.headers.len());
        texts.push(fill(&self.url, |value, out| {
            // A segment of dots would lead elsewhere, however it is encoded.
            if value == "." || value == ".." {
                return false;
            }
            out.extend(utf8_percent_encode(value, VALUE));
            true
        })?);
        for (_, value) in &self.headers {
            texts.push(fill(value, |value, out| {
                out.push_str(value);
                !value.chars().any(char::is_control)
            })?);
        }
        Ok(texts)
    }

    /// The route that a key stands for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn route(&self, key: &[String]) -> Result<Route, String> {
        Route::read(self, key)
    }
}

impl Route {
    fn read(routes: &Routes, texts: &[String]) -> Result<Self, String> {
        let url = Url::parse(&texts[0]).map_err(|error| format!("the URL is none: {error}"))?;
        let mut headers = Vec::new();
        for ((name, _), text) in routes.headers.iter().zip(&texts[1..]) {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| format!("the header `{name}` has a character that none can have"))?;
            value.set_sensitive(true);
            headers.push((name.clone(), value));
        }
        Ok(Route { url, headers })
    }
}

/// The URL with the preset's path and the parameters added.
fn url(config: &Config) -> Result<Template, ConfigError> {
    let wrong = |what: String| {
        ConfigError::at("url", what)
            .expected("a URL such as https://logs.example.com/ingest/{logger}")
    };
    let text = config.url.reveal();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(wrong("the URL has no scheme".into()));
    };
    if !matches!(scheme, "http" | "https") {
        return Err(wrong(format!("`{scheme}` is neither http nor https")));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if authority.contains(['{', '}']) {
        return Err(wrong("the host cannot depend on the record".into()));
    }
    if authority.contains('@') {
        return Err(ConfigError::at("url", "the URL has credentials in it")
            .expected("them under `auth: { basic: { user, password } }`"));
    }
    if rest.contains('#') {
        return Err(wrong("a fragment is never sent".into()));
    }
    let rest = match (rest, format::path(config.format)) {
        ("" | "/", Some(path)) => path,
        ("", None) => "/",
        (rest, _) => rest,
    };
    let template = format!("{scheme}://{authority}{rest}").parse();
    let mut template: Template = template.map_err(|what: TemplateError| wrong(what.to_string()))?;
    // Whatever fills the holes, the rest has to be a URL.
    Url::parse(&template.to_string().replace(['{', '|', '}'], ""))
        .map_err(|error| wrong(format!("the URL cannot be read: {error}")))?;
    let mut mark = if rest.contains('?') { '&' } else { '?' };
    for (name, value) in &config.query {
        let value: Template = value.reveal().parse().map_err(|what: TemplateError| {
            ConfigError::at(format!("query.{name}"), what.to_string())
        })?;
        let encoded = |text: &str| utf8_percent_encode(text, VALUE).to_string();
        let key = format!("{mark}{}=", encoded(name)).parse();
        template.append(key.expect("an encoded name has no braces"));
        template.append(value.map_text(encoded));
        mark = '&';
    }
    if let Some((name, value)) = format::parameter(config.format)
        && !rest.contains(&format!("{name}="))
        && !config.query.contains_key(name)
    {
        let pair = format!("{mark}{name}={value}").parse();
        template.append(pair.expect("a preset's parameter has no braces"));
    }
    Ok(template)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::batch;

    fn routes(config: serde_json::Value) -> Result<Routes, ConfigError> {
        Routes::new(&serde_json::from_value(config).unwrap())
    }

    fn url_of(config: serde_json::Value, index: usize) -> Result<String, String> {
        let routes = routes(config).unwrap();
        let batch = batch(2, |_| "..".into());
        let view = batch.view();
        let record = view.get(index).unwrap();
        let route = routes.route(&routes.key(&record)?)?;
        Ok(route.url.to_string())
    }

    #[test]
    fn values_are_encoded_and_never_lead_elsewhere() {
        let url = |text: &str, index| url_of(json!({ "url": text }), index);
        assert_eq!(
            url("http://h/a/{tenant}/b?x={tenant}", 1).unwrap(),
            "http://h/a/so%2Futh/b?x=so%2Futh"
        );
        assert!(
            url("http://h/a/{message}/b", 0)
                .unwrap_err()
                .contains("message")
        );
        assert!(url("http://h/{none}", 0).unwrap_err().contains("none"));
        assert_eq!(url("http://h/{none|all}", 0).unwrap(), "http://h/all");
        let with_query = json!({ "url": "http://h?a=1", "query": { "k ey": "a&b {tenant}" } });
        assert_eq!(
            url_of(with_query, 1).unwrap(),
            "http://h/?a=1&k%20ey=a%26b%20so%2Futh"
        );
    }

    #[test]
    fn a_route_without_holes_is_made_once_and_its_query_is_not_shown() {
        let routes = routes(json!({
            "url": "https://h:8443/in?key=hunter22", "headers": { "X-Token": "hunter23" }
        }))
        .unwrap();
        let fixed = routes.fixed().unwrap();
        assert_eq!(fixed.url.as_str(), "https://h:8443/in?key=hunter22");
        assert_eq!(fixed.headers[0].1, "hunter23");
        assert!(fixed.headers[0].1.is_sensitive());
        assert_eq!(routes.shown(), "https://h:8443/in");
    }

    #[test]
    fn what_is_no_url_or_header_is_refused_by_its_path() {
        for (config, path) in [
            (json!({ "url": "example.com" }), "url"),
            (json!({ "url": "ftp://example.com" }), "url"),
            (json!({ "url": "http://{tenant}.example.com/" }), "url"),
            (json!({ "url": "http://user:pass@example.com/" }), "url"),
            (json!({ "url": "http://h/#top" }), "url"),
            (json!({ "url": "http://h/{open" }), "url"),
            (json!({ "url": "http://h:x/" }), "url"),
            (
                json!({ "url": "http://h", "headers": { "a b": "" } }),
                "headers.a b",
            ),
            (
                json!({ "url": "http://h", "headers": { "a": "}" } }),
                "headers.a",
            ),
            (
                json!({ "url": "http://h", "headers": { "a": "\n" } }),
                "headers",
            ),
            (
                json!({ "url": "http://h", "query": { "a": "{" } }),
                "query.a",
            ),
        ] {
            let error = routes(config).err().unwrap();
            assert_eq!(error.problems()[0].path, path, "{error}");
        }
    }
}
