use std::{
    collections::BTreeSet,
    io::Read,
    time::{Duration, SystemTime},
};

use omadm_download::{
    Cancel, Content, DownloadUri, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest, Receiver,
};
use ureq::{Agent, Body, http::Response};

use crate::agent::{self, Settings, Trouble};

mod head;

/// Bytes handed on at a time.
const CHUNK: usize = 64 << 10;

/// Downloads over HTTP and, with the feature `tls`, HTTPS. [RFC 9110 §14]
///
/// One connection for each request. Redirects (301, 302, 303, 307, 308) are followed, never from
/// `https` to `http`; the request to resume goes along. No proxy is taken from the environment,
/// no cookie is kept, no content coding is taken.
#[derive(Clone, Debug, Default)]
pub struct HttpFetch {
    config: FetchConfig,
}

/// Settings of an [`HttpFetch`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FetchConfig {
    /// The product that calls itself so in `User-Agent`; default `omadm-http/` and its version.
    pub user_agent: String,
    /// For the host name and for the connection, each; default 10 s.
    pub connect_timeout: Duration,
    /// How long the source may stay silent, before its answer and between two pieces of it;
    /// default 30 s.
    pub silence_timeout: Duration,
    /// Redirects followed at most; default 5.
    pub max_redirects: u32,
    /// The hosts that files may come from and reports go to, redirects included; default: all.
    /// Names as they stand in URIs, in small letters and without ports.
    pub hosts: Option<BTreeSet<String>>,
    /// For a whole report; default 30 s.
    pub report_timeout: Duration,
    /// Whom to trust over `https`.
    #[cfg(feature = "tls")]
    pub tls: crate::Tls,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("omadm-http/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(30),
            max_redirects: 5,
            hosts: None,
            report_timeout: Duration::from_secs(30),
            #[cfg(feature = "tls")]
            tls: crate::Tls::default(),
        }
    }
}

impl HttpFetch {
    /// A source with these settings.
    #[must_use]
    pub const fn new(config: FetchConfig) -> Self {
        Self { config }
    }

    fn agent(&self, total_timeout: Option<Duration>) -> Agent {
        agent::agent(Settings {
            connect_timeout: self.config.connect_timeout,
            total_timeout,
            silence_timeout: self.config.silence_timeout,
            // Whoever redirects may close at any time: a connection used again could end a fetch.
            idle_connections: 0,
            #[cfg(feature = "tls")]
            tls: self.config.tls.clone(),
        })
    }

    /// The first answer that is no redirect.
    fn follow(
        &self,
        agent: &Agent,
        request: &FetchRequest<'_>,
    ) -> Result<Response<Body>, FetchError> {
        let mut uri = request.uri.clone();
        let mut redirects = 0;
        loop {
            let response = self.get(agent, &uri, request)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            if redirects == self.config.max_redirects {
                return Err(FetchErrorKind::Redirects.into());
            }
            redirects += 1;
            uri = redirected(&uri, head::text(&response, "location"))?;
        }
    }

    fn check_host(&self, uri: &DownloadUri) -> Result<(), FetchError> {
        match &self.config.hosts {
            Some(hosts) if !hosts.contains(uri.host()) => Err(FetchErrorKind::Host.into()),
            _ => Ok(()),
        }
    }

    fn get(
        &self,
        agent: &Agent,
        uri: &DownloadUri,
        request: &FetchRequest<'_>,
    ) -> Result<Response<Body>, FetchError> {
        self.check_host(uri)?;
        let mut get = agent
            .get(uri.as_str())
            .header("accept", request.accept)
            .header("accept-encoding", "identity")
            .header("user-agent", &self.config.user_agent);
        if let Some(resume) = request.resume {
            get = get
                .header("range", format!("bytes={}-", resume.from))
                .header("if-range", resume.validator.as_str());
        }
        get.call().map_err(failed)
    }
}

impl Fetch for HttpFetch {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        if request.cancel.is_cancelled() {
            return Ok(Ending::Stopped);
        }
        let agent = self.agent(None);
        let connections = agent.clone();
        let _watch = request.cancel.watch(move || connections.shutdown());
        match self.transfer(&agent, request, receiver) {
            // Closing the connection looks like an error, or like the end of the body.
            _ if request.cancel.is_cancelled() => Ok(Ending::Stopped),
            outcome => outcome,
        }
    }

    fn report(&self, uri: &DownloadUri, line: &str, cancel: &Cancel) -> Result<(), FetchError> {
        self.check_host(uri)?;
        let agent = self.agent(Some(self.config.report_timeout));
        let connections = agent.clone();
        let _watch = cancel.watch(move || connections.shutdown());
        let post = agent
            .post(uri.as_str())
            .header("content-type", "text/plain; charset=utf-8")
            .header("user-agent", &self.config.user_agent);
        let response = post.send(line).map_err(failed)?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            status => Err(head::refused(status, &response, SystemTime::now()).into()),
        }
    }
}

impl HttpFetch {
    fn transfer(
        &self,
        agent: &Agent,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        let response = self.follow(agent, request)?;
        let head = head::read(&response, SystemTime::now())?;
        if receiver.head(&head).is_break() {
            return Ok(Ending::Stopped);
        }
        if matches!(head.content, Content::Unsatisfiable { .. }) {
            return Ok(Ending::Complete);
        }
        let framed = head::is_framed(&response);
        let mut body = response.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = body
                .read(&mut chunk)
                .map_err(|error| failed(error.into()))?;
            match chunk.get(..length) {
                Some(bytes) if length > 0 => {
                    if receiver.chunk(bytes).is_break() {
                        return Ok(Ending::Stopped);
                    }
                }
                _ if framed => return Ok(Ending::Complete),
                _ => return Ok(Ending::Closed),
            }
        }
    }
}

fn redirected(from: &DownloadUri, location: Option<&str>) -> Result<DownloadUri, FetchError> {
    let to = location.ok_or(FetchErrorKind::Redirect)?;
    match from.join(to) {
        Ok(to) if to.is_secure() || !from.is_secure() => Ok(to),
        Ok(_) => Err(FetchErrorKind::Redirect.into()),
        Err(error) => {
            let source: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
            Err(FetchError::new(FetchErrorKind::Redirect, source))
        }
    }
}

fn failed(error: ureq::Error) -> FetchError {
    let kind = match agent::trouble(&error) {
        Trouble::UnknownHost | Trouble::Refused | Trouble::Unreachable | Trouble::NoConnection => {
            FetchErrorKind::Unreachable
        }
        Trouble::TimedOut => FetchErrorKind::TimedOut,
        Trouble::Interrupted => FetchErrorKind::Interrupted,
        Trouble::Tls => FetchErrorKind::Tls,
        Trouble::Local => FetchErrorKind::Local,
        Trouble::Request | Trouble::Protocol => FetchErrorKind::Protocol,
    };
    let source: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    FetchError::new(kind, source)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ureq::http::Uri;

    use super::*;

    #[test]
    fn a_redirect_may_go_up_to_https_and_not_down() {
        let to = |from: &str, location| {
            let from = from.parse().unwrap();
            redirected(&from, location)
                .map(|uri| uri.as_str().to_owned())
                .map_err(|error| error.kind())
        };
        let refused = Err(FetchErrorKind::Redirect);
        assert_eq!(to("http://h/a/b", Some("c")), Ok("http://h/a/c".to_owned()));
        assert_eq!(
            to("http://h/a", Some("https://i/")),
            Ok("https://i/".to_owned())
        );
        assert_eq!(to("https://h/a", Some("//i/")), Ok("https://i/".to_owned()));
        assert_eq!(to("https://h/a", Some("http://h/a")), refused);
        assert_eq!(to("http://h/a", Some("file:///etc/passwd")), refused);
        assert_eq!(to("http://h/a", Some("http://u:p@h/")), refused);
        assert_eq!(to("http://h/a", None), refused);
    }

    proptest! {
        #[test]
        fn who_is_asked_is_who_was_judged(
            text in "https?://([a-zA-Z0-9._-]{1,12}|\\[[0-9a-f:.]{2,9}\\]|127\\.0\\.0\\.1)(:[0-9]{0,5})?([/?#][!-~]{0,9})?",
        ) {
            if let Ok(uri) = text.parse::<DownloadUri>() {
                let asked: Uri = uri.as_str().parse().unwrap();
                prop_assert_eq!(asked.host(), Some(uri.host()));
                prop_assert_eq!(asked.scheme_str() == Some("https"), uri.is_secure());
                prop_assert_eq!(asked.to_string(), uri.as_str());
            }
        }
    }
}
