use std::time::{Duration, SystemTime};

use omadm_download::{Content, FetchError, FetchErrorKind, ResponseHead, Validator};
use ureq::http::Response;

/// How much older than the answer a modification date must be to tell versions apart.
/// [RFC 9110 §8.8.2.2]
const DATE_IS_STRONG_AFTER: Duration = Duration::from_secs(60);

/// The value of a header, if it is there and is text.
pub(super) fn text<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Whether the end of the body shows in the body, not only in the end of the connection.
pub(super) fn is_framed<B>(response: &Response<B>) -> bool {
    response.headers().contains_key("content-length")
        || text(response, "transfer-encoding")
            .is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
}

/// What the head of an answer says about the file.
pub(super) fn read<B>(response: &Response<B>, now: SystemTime) -> Result<ResponseHead, FetchError> {
    let content = match response.status().as_u16() {
        200 => whole(response)?,
        206 => part(response)?,
        416 => Content::Unsatisfiable {
            total: text(response, "content-range").and_then(unsatisfied_total),
        },
        status => return Err(refused(status, response, now).into()),
    };
    let mut head = ResponseHead::new(content);
    head.media_type = text(response, "content-type").map(str::to_owned);
    head.validator = validator(response);
    Ok(head)
}

/// What a status means that is no success.
pub(super) fn refused<B>(status: u16, response: &Response<B>, now: SystemTime) -> FetchErrorKind {
    match status {
        408 | 429 | 500.. => FetchErrorKind::Busy {
            status,
            retry_after: retry_after(response, now),
        },
        status => FetchErrorKind::Status(status),
    }
}

fn whole<B>(response: &Response<B>) -> Result<Content, FetchError> {
    check_coding(response)?;
    let length = text(response, "content-length").and_then(|length| length.parse().ok());
    Ok(Content::Whole { length })
}

fn part<B>(response: &Response<B>) -> Result<Content, FetchError> {
    check_coding(response)?;
    let range = text(response, "content-range").and_then(content_range);
    let (first, total) = range.ok_or(FetchErrorKind::Protocol)?;
    Ok(Content::Part { first, total })
}

fn check_coding<B>(response: &Response<B>) -> Result<(), FetchError> {
    match text(response, "content-encoding") {
        Some(coding) if !coding.trim().eq_ignore_ascii_case("identity") => {
            Err(FetchErrorKind::Protocol.into())
        }
        _ => Ok(()),
    }
}

/// First byte and length of the file from `bytes 0-4/10` or `bytes 0-4/*`. [RFC 9110 §14.4]
fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = bytes_unit(value)?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (number(first)?, number(last)?);
    let total = match total.trim() {
        "*" => None,
        total => Some(number(total)?),
    };
    (first <= last && total.is_none_or(|total| last < total)).then_some((first, total))
}

/// The length of the file from `bytes */10`.
fn unsatisfied_total(value: &str) -> Option<u64> {
    number(bytes_unit(value)?.strip_prefix("*/")?)
}

fn bytes_unit(value: &str) -> Option<&str> {
    let (unit, rest) = value.trim().split_once(' ')?;
    unit.eq_ignore_ascii_case("bytes").then(|| rest.trim())
}

fn number(digits: &str) -> Option<u64> {
    let digits = digits.trim();
    digits
        .bytes()
        .all(|digit| digit.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// A strong entity tag, or a modification date that was safely past when the answer was made;
/// neither if the source serves no parts.
fn validator<B>(response: &Response<B>) -> Option<Validator> {
    if text(response, "accept-ranges").is_some_and(|value| value.eq_ignore_ascii_case("none")) {
        return None;
    }
    if let Some(tag) = text(response, "etag") {
        let tag = tag.trim();
        let strong = tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
        return strong.then(|| Validator::new(tag));
    }
    let modified = text(response, "last-modified")?;
    let made = httpdate::parse_http_date(text(response, "date")?).ok()?;
    let age = made
        .duration_since(httpdate::parse_http_date(modified).ok()?)
        .ok()?;
    (age >= DATE_IS_STRONG_AFTER).then(|| Validator::new(modified))
}

/// Seconds, or a date that is taken relative to the date of the answer. [RFC 9110 §10.2.3]
fn retry_after<B>(response: &Response<B>, now: SystemTime) -> Option<Duration> {
    let value = text(response, "retry-after")?.trim();
    if let Some(seconds) = number(value) {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let made = text(response, "date").and_then(|date| httpdate::parse_http_date(date).ok());
    Some(then.duration_since(made.unwrap_or(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use omadm_download::FetchErrorKind::{Busy, Protocol, Status};
    use proptest::prelude::*;

    use super::*;

    fn response(status: u16, headers: &[(&str, &str)]) -> Response<()> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap()
    }

    fn head(status: u16, headers: &[(&str, &str)]) -> Result<ResponseHead, FetchErrorKind> {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        read(&response(status, headers), now).map_err(|error| error.kind())
    }

    #[test]
    fn content_ranges_are_read_strictly() {
        for (value, expected) in [
            ("bytes 0-4/10", Some((0, Some(10)))),
            ("Bytes 5-9/*", Some((5, None))),
            ("bytes 9-9/10", Some((9, Some(10)))),
            ("bytes 5-4/10", None),
            ("bytes 5-10/10", None),
            ("bytes */10", None),
            ("bytes 0-4", None),
            ("bytes -4/10", None),
            ("bytes +0-4/10", None),
            ("items 0-4/10", None),
            ("bytes 0-99999999999999999999/*", None),
        ] {
            assert_eq!(content_range(value), expected, "{value}");
        }
        assert_eq!(unsatisfied_total("bytes */10"), Some(10));
        assert_eq!(unsatisfied_total("bytes */*"), None);
    }

    #[test]
    fn statuses_say_whether_to_come_back() {
        let busy = |status, seconds: Option<u64>| Busy {
            status,
            retry_after: seconds.map(Duration::from_secs),
        };
        let after = |value| [("retry-after", value)];
        assert_eq!(head(503, &after("120")).unwrap_err(), busy(503, Some(120)));
        assert_eq!(head(429, &[]).unwrap_err(), busy(429, None));
        assert_eq!(head(408, &after("soon")).unwrap_err(), busy(408, None));
        let date = after("Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(head(500, &date).unwrap_err(), busy(500, Some(60)));
        let date = after("Sun, 06 Nov 1994 08:00:00 GMT");
        assert_eq!(head(500, &date).unwrap_err(), busy(500, Some(0)));
        for status in [204, 304, 401, 404, 410] {
            assert_eq!(head(status, &[]).unwrap_err(), Status(status));
        }
    }

    #[test]
    fn a_part_needs_one_range_and_no_coding() {
        let range = ("content-range", "bytes 2-4/5");
        let found = head(206, &[range]).unwrap();
        let expected = Content::Part {
            first: 2,
            total: Some(5),
        };
        assert_eq!(found.content, expected);
        let multipart = ("content-type", "multipart/byteranges; boundary=x");
        assert_eq!(head(206, &[multipart]).unwrap_err(), Protocol);
        let coding = ("content-encoding", "gzip");
        assert_eq!(head(206, &[range, coding]).unwrap_err(), Protocol);
        assert_eq!(head(200, &[coding]).unwrap_err(), Protocol);
    }

    #[test]
    fn only_strong_validators_are_kept() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let minute_ago = ("last-modified", "Sun, 06 Nov 1994 08:48:37 GMT");
        let just_now = ("last-modified", "Sun, 06 Nov 1994 08:48:38 GMT");
        for (headers, expected) in [
            (&[("etag", "\"a\"")][..], Some("\"a\"")),
            (&[("etag", "W/\"a\""), date, minute_ago], None),
            (&[("etag", "a")], None),
            (&[("etag", "\"a\""), ("accept-ranges", "none")], None),
            (
                &[("etag", "\"a\""), ("accept-ranges", "bytes")],
                Some("\"a\""),
            ),
            (&[date, minute_ago], Some(minute_ago.1)),
            (&[date, just_now], None),
            (&[minute_ago], None),
        ] {
            let found = head(200, headers).unwrap().validator;
            let expected = expected.map(Validator::new);
            assert_eq!(found, expected, "{headers:?}");
        }
    }

    proptest! {
        #[test]
        fn ranges_come_back(first: u64, count: u32, rest in proptest::option::of(any::<u32>())) {
            let (first, last) = (first / 2, first / 2 + u64::from(count));
            let total = rest.map(|rest| last + 1 + u64::from(rest));
            let after = total.map_or("*".to_owned(), |total| total.to_string());
            let found = content_range(&format!("bytes {first}-{last}/{after}"));
            prop_assert_eq!(found, Some((first, total)));
        }

        #[test]
        fn any_head_is_read_or_refused(
            status in 200..600u16,
            name in "(content-range|content-length|etag|date|last-modified|retry-after)",
            value in "(bytes |\"|W/)?[ -~]{0,20}",
        ) {
            if let Ok(found) = head(status, &[(&name, &value)])
                && let Content::Part { first, total } = found.content
            {
                prop_assert!(total.is_none_or(|total| first < total));
            }
        }
    }
}
