use std::{any::Any, ffi::c_char, ptr};

use omadm_client::{Request, SessionEnd};
use omadm_syncml::media_type;

use crate::{
    job::virmo_job,
    question::{Shown, virmo_question},
    text::c_text,
    time::milliseconds,
};

/// What a device wants done.
#[repr(u32)]
#[derive(Clone, Copy)]
pub enum virmo_output_kind {
    /// Send `send`, then tell the answer by `virmo_device_receive`, or that there is none by
    /// `virmo_device_transport_failed`.
    Send = 0,
    /// Run `job` by `virmo_job_run`, then hand it to `virmo_device_complete`. The job is the
    /// program's from now on, to be completed or freed.
    Job = 1,
    /// Ask the person at the device `question`, then tell the answer by `virmo_device_answer`.
    Ask = 2,
    /// Take the question with the id `question_id` off the screen: it is over.
    Withdraw = 3,
    /// The session is over: `end`. After one that failed another is asked for only if an alert waits: call
    /// `virmo_device_start` after a while.
    Ended = 4,
    /// A session is wanted, by the server or because an alert is due: call `virmo_device_start` when
    /// it suits.
    SessionWanted = 5,
}

/// One thing to be done. What does not belong to its kind is null or 0. It is the device's, and valid
/// until the next call with the device.
#[repr(C)]
pub struct virmo_output {
    /// A virmo_output_kind. A later library may want more: let go what is not known.
    pub kind: u32,
    /// For VIRMO_OUTPUT_KIND_SEND.
    pub send: *const virmo_request,
    /// For VIRMO_OUTPUT_KIND_JOB.
    pub job: *mut virmo_job,
    /// For VIRMO_OUTPUT_KIND_ASK.
    pub question: *const virmo_question,
    /// For VIRMO_OUTPUT_KIND_WITHDRAW.
    pub question_id: u64,
    /// For VIRMO_OUTPUT_KIND_ENDED.
    pub end: *const virmo_session_end,
}

/// A message to the server, over HTTP: a POST.
#[repr(C)]
pub struct virmo_request {
    /// Where it goes.
    pub url: *const c_char,
    /// Content-Type, and the Accept to send.
    pub content_type: *const c_char,
    /// The body.
    pub body: *const u8,
    /// How many bytes of it.
    pub body_len: usize,
    /// The value of the header x-syncml-hmac; null for none.
    pub hmac: *const c_char,
    /// How long to wait for the answer.
    pub timeout_ms: u64,
}

/// How a session ended.
#[repr(C)]
pub struct virmo_session_end {
    /// Whether it went to its end as it should.
    pub normal: bool,
    /// How, in English.
    pub text: *const c_char,
}

/// An output, and all it points to.
pub(crate) struct Shelf {
    _all: Option<Box<dyn Any>>,
    pub(crate) output: Box<virmo_output>,
}

// SAFETY: what the shelf owns is `Send` but for its pointers, which are to what it owns itself, and to a
// job, which is `Send`.
unsafe impl Send for Shelf {}

impl Shelf {
    fn new(kind: virmo_output_kind) -> Self {
        Self {
            _all: None,
            output: Box::new(virmo_output {
                kind: kind as u32,
                send: ptr::null(),
                job: ptr::null_mut(),
                question: ptr::null(),
                question_id: 0,
                end: ptr::null(),
            }),
        }
    }

    pub(crate) fn send(request: Request) -> Self {
        let mut shelf = Self::new(virmo_output_kind::Send);
        let url = c_text(&request.url);
        let content_type = c_text(media_type(request.encoding));
        let hmac = request.hmac.as_deref().map(c_text);
        let shown = Box::new(virmo_request {
            url: url.as_ptr(),
            content_type: content_type.as_ptr(),
            body: request.body.as_ptr(),
            body_len: request.body.len(),
            hmac: hmac.as_ref().map_or(ptr::null(), |hmac| hmac.as_ptr()),
            timeout_ms: milliseconds(request.timeout),
        });
        shelf.output.send = &raw const *shown;
        shelf._all = Some(Box::new((request, shown, url, content_type, hmac)));
        shelf
    }

    pub(crate) fn job(job: *mut virmo_job) -> Self {
        let mut shelf = Self::new(virmo_output_kind::Job);
        shelf.output.job = job;
        shelf
    }

    pub(crate) fn ask(shown: Shown) -> Self {
        let mut shelf = Self::new(virmo_output_kind::Ask);
        let shown = Box::new(shown);
        shelf.output.question = &raw const shown.question;
        shelf._all = Some(shown);
        shelf
    }

    pub(crate) fn withdraw(question: u64) -> Self {
        let mut shelf = Self::new(virmo_output_kind::Withdraw);
        shelf.output.question_id = question;
        shelf
    }

    pub(crate) fn ended(end: &SessionEnd) -> Self {
        let mut shelf = Self::new(virmo_output_kind::Ended);
        let text = c_text(&end.to_string());
        let shown = Box::new(virmo_session_end {
            normal: end.is_normal(),
            text: text.as_ptr(),
        });
        shelf.output.end = &raw const *shown;
        shelf._all = Some(Box::new((shown, text)));
        shelf
    }

    pub(crate) fn session_wanted() -> Self {
        Self::new(virmo_output_kind::SessionWanted)
    }
}
