use std::{
    any::Any,
    cell::Cell,
    ffi::c_char,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::Arc,
    time::Duration,
};

use omadm_download::{
    Cancel, Content, DownloadUri, Ending, Fetch, FetchError, FetchErrorKind, FetchRequest,
    Receiver, ResponseHead, Validator,
};

use crate::{
    status::guard,
    text::{c_text, optional_text, values},
    time::virmo_cancel,
    vendor::{Vendor, call},
};

/// What a request for a file comes to.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum virmo_fetch_result {
    /// All that the peer meant to send has come; its framing proves it.
    Complete = 0,
    /// The peer closed the connection, having said nothing about the length.
    Closed = 1,
    /// The receiver wants no more, or the request was cancelled.
    Stopped = 2,
    /// The host has no address, or nobody listens there.
    Unreachable = 3,
    /// The peer stayed silent for too long.
    TimedOut = 4,
    /// The connection broke.
    Interrupted = 5,
    /// The peer answered with the status of `virmo_receiver_status`.
    Status = 6,
    /// A redirect that is refused, or one too many.
    Redirect = 7,
    /// There is no trusted TLS connection.
    Tls = 8,
    /// No file may come from this host.
    Host = 9,
    /// The answer breaks the protocol.
    Protocol = 10,
}

/// Which bytes of a file an answer carries.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum virmo_fetch_content {
    /// All of them: HTTP 200.
    Whole = 0,
    /// Those from `first` to the end: HTTP 206.
    Part = 1,
    /// None, for there are no such bytes: HTTP 416.
    Unsatisfiable = 2,
}

/// What to ask for. Ask for the bytes as they are (no content coding), follow redirects up to a limit
/// and never from https to http, give up on a peer that stays silent.
#[repr(C)]
pub struct virmo_fetch_request {
    /// Where the file is: http or https.
    pub uri: *const c_char,
    /// The media types to ask for, separated by commas: Accept.
    pub accept: *const c_char,
    /// The first byte to ask for, if `validator` is not null: Range.
    pub from: u64,
    /// If-Range; null to ask for the whole file.
    pub validator: *const c_char,
    /// Thrown when the request is to be given up.
    pub cancel: *const virmo_cancel,
}

/// What is known before the first byte. Zero it, then set what is known.
#[repr(C)]
pub struct virmo_fetch_head {
    /// A virmo_fetch_content.
    pub content: u32,
    /// The offset of the first byte, for VIRMO_FETCH_CONTENT_PART.
    pub first: u64,
    /// The length of the whole file; UINT64_MAX if the peer did not say.
    pub total: u64,
    /// Content-Type as it came; null if there is none.
    pub media_type: *const c_char,
    /// A strong ETag with its quotes, or Last-Modified; null if there is neither, or if the peer does
    /// not serve parts.
    pub validator: *const c_char,
}

/// Takes the answer to a request for a file.
pub struct virmo_receiver {
    /// That of the request; its lifetime ends with the callback, as this does.
    receiver: *mut (dyn Receiver + 'static),
    /// A call of the receiver is under way: what that calls back may not call it again.
    busy: Cell<bool>,
    /// The status of a refusal, and how long to wait.
    status: Cell<(u16, Option<Duration>)>,
    /// What goes on when the callback has returned.
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

/// Tells the head of an answer, once and before any byte. False: end the request.
///
/// # Safety
/// `receiver` is that of the callback under way; `head` can be read, as can the NUL-terminated
/// strings in it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_receiver_head(
    receiver: *mut virmo_receiver,
    head: *const virmo_fetch_head,
) -> bool {
    guard(false, || {
        // SAFETY: the caller's promise.
        let Some(head) = (unsafe { head.as_ref() }) else {
            return false;
        };
        let known = Some(head.total).filter(|total| *total != u64::MAX);
        let mut shown = ResponseHead::new(match head.content {
            0 => Content::Whole { length: known },
            1 => Content::Part {
                first: head.first,
                total: known,
            },
            2 => Content::Unsatisfiable { total: known },
            _ => return false,
        });
        // SAFETY: the caller's promise.
        let media_type = unsafe { optional_text(head.media_type, "media_type") };
        // SAFETY: the caller's promise.
        let validator = unsafe { optional_text(head.validator, "validator") };
        let (Ok(media_type), Ok(validator)) = (media_type, validator) else {
            return false;
        };
        shown.media_type = media_type.map(str::to_owned);
        shown.validator = validator.map(Validator::new);
        // SAFETY: the caller's promise.
        unsafe { feed(receiver, |receiver| receiver.head(&shown)) }
    })
}

/// Hands over the next bytes. False: end the request.
///
/// # Safety
/// `receiver` is that of the callback under way; `bytes` points to `len` bytes, or `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_receiver_bytes(
    receiver: *mut virmo_receiver,
    bytes: *const u8,
    len: usize,
) -> bool {
    guard(false, || {
        // SAFETY: the caller's promise.
        let Ok(bytes) = (unsafe { values(bytes, len, "bytes") }) else {
            return false;
        };
        // SAFETY: the caller's promise.
        unsafe { feed(receiver, |receiver| receiver.chunk(bytes)) }
    })
}

/// Tells the HTTP status of an answer that brings no file, and after how many milliseconds the peer
/// wants to be asked again (UINT64_MAX if it did not say); return VIRMO_FETCH_RESULT_STATUS then.
///
/// # Safety
/// `receiver` is null or that of the callback under way.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_receiver_status(
    receiver: *mut virmo_receiver,
    status: u16,
    retry_after_ms: u64,
) {
    // SAFETY: null, or that of the callback under way.
    if let Some(receiver) = unsafe { receiver.as_ref() } {
        let wait = Some(retry_after_ms).filter(|wait| *wait != u64::MAX);
        receiver
            .status
            .set((status, wait.map(Duration::from_millis)));
    }
}

/// # Safety
/// `receiver` is null or that of the callback under way.
unsafe fn feed(
    receiver: *mut virmo_receiver,
    feed: impl FnOnce(&mut dyn Receiver) -> ControlFlow<()>,
) -> bool {
    // SAFETY: null, or that of the callback under way.
    let Some(receiver) = (unsafe { receiver.as_ref() }) else {
        return false;
    };
    if receiver.busy.replace(true) {
        return false;
    }
    // SAFETY: `VendorFetch` holds on to it while the callback is under way, and nothing else uses it:
    // this is the only call.
    let to = unsafe { &mut *receiver.receiver };
    match catch_unwind(AssertUnwindSafe(|| feed(to))) {
        Ok(flow) => {
            receiver.busy.set(false);
            flow.is_continue()
        }
        // It stays busy: whatever it is now, nobody is to use it.
        Err(panic) => {
            receiver.panic.set(Some(panic));
            false
        }
    }
}

/// The vendor's way to files.
pub(crate) struct VendorFetch(pub(crate) Arc<Vendor>);

impl Fetch for VendorFetch {
    fn fetch(
        &self,
        request: &FetchRequest<'_>,
        receiver: &mut dyn Receiver,
    ) -> Result<Ending, FetchError> {
        let uri = c_text(request.uri.as_str());
        let accept = c_text(request.accept);
        let validator = request.resume.map(|it| c_text(it.validator.as_str()));
        let cancel = virmo_cancel::new(request.cancel);
        let asked = virmo_fetch_request {
            uri: uri.as_ptr(),
            accept: accept.as_ptr(),
            from: request.resume.map_or(0, |resume| resume.from),
            validator: validator.as_ref().map_or(ptr::null(), |it| it.as_ptr()),
            cancel: &raw const cancel,
        };
        let receiver: *mut (dyn Receiver + '_) = receiver;
        // SAFETY: the two types differ in the lifetime of what is behind the pointer alone, which is
        // used only during the callback below.
        let receiver = unsafe {
            std::mem::transmute::<*mut (dyn Receiver + '_), *mut (dyn Receiver + 'static)>(receiver)
        };
        let mut taken = virmo_receiver {
            receiver,
            busy: Cell::new(false),
            status: Cell::new((0, None)),
            panic: Cell::new(None),
        };
        let code = call!(&self.0, fetch, &raw const asked, &raw mut taken);
        if let Some(panic) = taken.panic.take() {
            resume_unwind(panic);
        }
        ending(code, taken.status.get())
    }

    fn report(&self, uri: &DownloadUri, line: &str, cancel: &Cancel) -> Result<(), FetchError> {
        let (uri, line) = (c_text(uri.as_str()), c_text(line));
        let cancel = virmo_cancel::new(cancel);
        let (uri, line) = (uri.as_ptr(), line.as_ptr());
        match call!(&self.0, fetch_report, uri, line, &raw const cancel) {
            None => Err(FetchErrorKind::NoReports.into()),
            code => ending(code, (0, None)).map(drop),
        }
    }
}

fn ending(code: Option<u32>, status: (u16, Option<Duration>)) -> Result<Ending, FetchError> {
    let kind = match code {
        Some(0) => return Ok(Ending::Complete),
        Some(1) => return Ok(Ending::Closed),
        Some(2) => return Ok(Ending::Stopped),
        Some(3) => FetchErrorKind::Unreachable,
        Some(4) => FetchErrorKind::TimedOut,
        Some(5) => FetchErrorKind::Interrupted,
        Some(6) => match status {
            (status @ (408 | 429 | 500..), retry_after) => FetchErrorKind::Busy {
                status,
                retry_after,
            },
            (status, _) => FetchErrorKind::Status(status),
        },
        Some(7) => FetchErrorKind::Redirect,
        Some(8) => FetchErrorKind::Tls,
        Some(9) => FetchErrorKind::Host,
        _ => FetchErrorKind::Protocol,
    };
    Err(kind.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_the_peer_says_whether_to_try_again() {
        use virmo_fetch_result as Result;
        let kind = |code: Result, status| {
            let ending = ending(Some(code as u32), (status, None));
            ending.map_err(|error| error.kind())
        };
        assert_eq!(kind(Result::Complete, 0).unwrap(), Ending::Complete);
        assert_eq!(kind(Result::Closed, 0).unwrap(), Ending::Closed);
        assert_eq!(kind(Result::Stopped, 0).unwrap(), Ending::Stopped);
        for (code, status, transient) in [
            (Result::Unreachable, 0, true),
            (Result::TimedOut, 0, true),
            (Result::Interrupted, 0, true),
            (Result::Status, 503, true),
            (Result::Status, 429, true),
            (Result::Status, 404, false),
            (Result::Redirect, 0, false),
            (Result::Tls, 0, false),
            (Result::Host, 0, false),
            (Result::Protocol, 0, false),
        ] {
            assert_eq!(kind(code, status).unwrap_err().is_transient(), transient);
        }
        assert!(ending(Some(99), (0, None)).is_err());
    }
}
