use std::{
    ffi::{CString, c_char},
    sync::Arc,
};

use omadm_mo::{Job, JobEnd, JobId};

use crate::{
    handle::Handle,
    status::{Failure, virmo_status},
    text::c_text,
    vendor::{self, Vendor},
};

/// Work that blocks, to be run on a thread where that is no harm.
pub struct virmo_job {
    pub(crate) handle: Handle<Task>,
    /// Whose job it is.
    pub(crate) vendor: Arc<Vendor>,
    id: JobId,
    lane: CString,
    label: CString,
    background: bool,
}

pub(crate) struct Task {
    job: Option<Job>,
    end: Option<JobEnd>,
}

impl virmo_job {
    pub(crate) fn new(job: Job, vendor: Arc<Vendor>) -> Box<Self> {
        Box::new(Self {
            lane: c_text(&job.lane),
            label: c_text(&job.label),
            background: job.background,
            id: job.id,
            vendor,
            handle: Handle::new(Task {
                job: Some(job),
                end: None,
            }),
        })
    }

    /// Which job, and how it ended; `None` if it was not run, or panicked.
    pub(crate) fn take_end(&self) -> (JobId, Option<JobEnd>) {
        (self.id, self.handle.look(|task| task.end.take()).flatten())
    }

    /// Null if there is no job.
    fn part(job: *const Self) -> *const Handle<Task> {
        match job.is_null() {
            true => std::ptr::null(),
            // SAFETY: not null, hence alive, as every caller promises.
            false => unsafe { &raw const (*job).handle },
        }
    }
}

/// The number of a job, of which its device gives out each once; UINT64_MAX if there is no job. From
/// any thread.
///
/// # Safety
/// `job` is null or a live job.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_job_number(job: *const virmo_job) -> u64 {
    // SAFETY: null or alive, as the caller promises.
    unsafe { job.as_ref() }.map_or(u64::MAX, |job| job.id.get())
}

/// The lane of a job: jobs of one lane run one after the other, in the order they came; lanes may run
/// side by side. Lives as long as the job. From any thread.
///
/// # Safety
/// `job` is null or a live job.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_job_lane(job: *const virmo_job) -> *const c_char {
    // SAFETY: null or alive, as the caller promises.
    unsafe { job.as_ref() }.map_or(c"".as_ptr(), |job| job.lane.as_ptr())
}

/// What a job is about, for people. Lives as long as the job. From any thread.
///
/// # Safety
/// `job` is null or a live job.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_job_label(job: *const virmo_job) -> *const c_char {
    // SAFETY: null or alive, as the caller promises.
    unsafe { job.as_ref() }.map_or(c"".as_ptr(), |job| job.label.as_ptr())
}

/// Whether a job waits for news rather than working. It takes a thread of its own for as long as
/// VIRMO_NUMBER_WATCH_MS says, or until the device is freed, is completed as every other, and comes
/// again. There is none if that number is 0, so that a program may run every job on its only thread.
///
/// # Safety
/// `job` is null or a live job.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_job_is_background(job: *const virmo_job) -> bool {
    // SAFETY: null or alive, as the caller promises.
    unsafe { job.as_ref() }.is_some_and(|job| job.background)
}

/// Does the work, on this thread; returns when it is done. From any thread; once; not from a callback,
/// as the work may wait for what waits for the callback. Calls callbacks marked (job). The device may
/// be used, or freed, meanwhile.
///
/// VIRMO_STATUS_BUSY: this thread is in a callback, or the job is being run; nothing happened.
///
/// VIRMO_STATUS_PANIC: the work is lost; tell the device, by `virmo_device_complete`.
///
/// # Safety
/// `job` is null or a live job; what `user_data` of its device points to is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_job_run(job: *mut virmo_job) -> virmo_status {
    if vendor::is_inside() {
        return virmo_status::Busy;
    }
    // SAFETY: null or alive, as the caller promises.
    unsafe {
        Handle::with(virmo_job::part(job), |task| {
            let work = task
                .job
                .take()
                .ok_or_else(|| Failure::new(virmo_status::Misuse, "the job was run before"))?;
            let vendor = Arc::as_ptr(&(&*job).vendor);
            task.end = Some(JobEnd::Finished(vendor::calling(vendor, || work.run())));
            Ok(())
        })
    }
}

/// Frees a job that is not handed to `virmo_device_complete`, as when its device is freed. Null is
/// allowed. VIRMO_STATUS_BUSY: it is being run, and is not freed.
///
/// # Safety
/// `job` is null or a live job, and not used again if this succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_job_free(job: *mut virmo_job) -> virmo_status {
    // SAFETY: null or alive, as the caller promises.
    match unsafe { job.as_ref() } {
        None => return virmo_status::Ok,
        Some(job) if !job.handle.is_free() => return virmo_status::Busy,
        Some(_) => {}
    }
    // SAFETY: made by `virmo_job::new`, and the caller does not use it again.
    let job = unsafe { Box::from_raw(job) };
    crate::status::guard(virmo_status::Panic, || {
        drop(job);
        virmo_status::Ok
    })
}
