use std::{
    ffi::{CString, c_char},
    ptr,
    sync::Arc,
};

use omadm_core::{EchoType, InputType, Interaction, UserAnswer, UserInteraction};
use omadm_download::Cancel;
use virmo_client::{VmQuestion, VmUserInterface};
use virmo_hypervisor::HypervisorError;

use crate::{
    answer::virmo_reply,
    hypervisor::failure,
    status::Failure,
    text::{c_text, text, values},
    time::{milliseconds, virmo_cancel},
    vendor::{Vendor, call},
};

/// What a server asks a person.
#[repr(u32)]
pub enum virmo_interaction {
    /// Show the text.
    Display = 0,
    /// Yes or no.
    Confirm = 1,
    /// A text.
    TextInput = 2,
    /// One of the choices.
    SingleChoice = 3,
    /// Any of the choices.
    MultipleChoice = 4,
}

/// What may be typed.
#[repr(u32)]
pub enum virmo_input {
    /// Anything.
    Alphanumeric = 0,
    /// Digits, decimal point, sign.
    Numeric = 1,
    /// A date, as DDMMYYYY.
    Date = 2,
    /// A time, as hhmmss.
    Time = 3,
    /// A telephone number.
    Phone = 4,
    /// An IPv4 address.
    Ip = 5,
}

/// What came of a question.
#[repr(u32)]
pub enum virmo_answer {
    /// It was shown, or the answer is yes.
    Accepted = 0,
    /// The answer is no.
    Rejected = 1,
    /// A text was typed.
    Text = 2,
    /// These choices were made, numbered from 1.
    Choices = 3,
    /// The person wants no question.
    Cancelled = 4,
    /// There was no answer in time.
    TimedOut = 5,
    /// It cannot be displayed.
    CannotDisplay = 6,
    /// Questions of this kind are not asked here.
    Unsupported = 7,
}

/// A question to the person at the device, or to the user of a VM.
#[repr(C)]
pub struct virmo_question {
    /// What the answer refers to: `virmo_device_answer`. 0 for the user of a VM.
    pub id: u64,
    /// A virmo_interaction.
    pub interaction: u32,
    /// What to show.
    pub text: *const c_char,
    /// The choices, numbered from 1; null for none.
    pub choices: *const *const c_char,
    /// How many choices.
    pub choice_count: usize,
    /// What the answer is if the person changes nothing; null for nothing.
    pub default_response: *const c_char,
    /// Show it for at least so long; 0 if it does not matter.
    pub min_display_ms: u64,
    /// Wait no longer than this; UINT64_MAX if it does not matter.
    pub max_display_ms: u64,
    /// At most so many characters; UINT32_MAX if it does not matter.
    pub max_length: u32,
    /// A virmo_input: what may be typed.
    pub input: u32,
    /// Whether typing is masked.
    pub hidden: bool,
    /// The name of the VM's node; null for the person at the device.
    pub node: *const c_char,
    /// The VM; null for the person at the device.
    pub vm: *const c_char,
}

/// A question, and all it points to.
pub(crate) struct Shown {
    _texts: Vec<CString>,
    _choices: Vec<*const c_char>,
    pub(crate) question: virmo_question,
}

impl Shown {
    pub(crate) fn new(id: u64, asked: &UserInteraction, vm: Option<(&str, &str)>) -> Self {
        let (interaction, choices) = match &asked.interaction {
            Interaction::Display => (0, &[][..]),
            Interaction::Confirm => (1, &[][..]),
            Interaction::TextInput => (2, &[][..]),
            Interaction::SingleChoice(choices) => (3, &choices[..]),
            Interaction::MultipleChoice(choices) => (4, &choices[..]),
        };
        let options = &asked.options;
        let mut texts = Vec::new();
        // A CString is on the heap: the vector may move it.
        let mut keep = |text: &str| {
            let text = c_text(text);
            let at = text.as_ptr();
            texts.push(text);
            at
        };
        let choices: Vec<*const c_char> = choices.iter().map(|choice| keep(choice)).collect();
        let question = virmo_question {
            id,
            interaction,
            text: keep(&asked.text),
            choices: match choices.is_empty() {
                true => ptr::null(),
                false => choices.as_ptr(),
            },
            choice_count: choices.len(),
            default_response: options
                .default_response
                .as_deref()
                .map_or(ptr::null(), &mut keep),
            min_display_ms: options.min_display.map_or(0, milliseconds),
            max_display_ms: options.max_display.map_or(u64::MAX, milliseconds),
            max_length: options.max_length.unwrap_or(u32::MAX),
            input: match options.input {
                InputType::Alphanumeric => 0,
                InputType::Numeric => 1,
                InputType::Date => 2,
                InputType::Time => 3,
                InputType::Phone => 4,
                InputType::Ip => 5,
            },
            hidden: options.echo == EchoType::Password,
            node: vm.map_or(ptr::null(), |(node, _)| keep(node)),
            vm: vm.map_or(ptr::null(), |(_, vm)| keep(vm)),
        };
        Self {
            _texts: texts,
            _choices: choices,
            question,
        }
    }
}

/// A virmo_answer with what belongs to it.
///
/// # Safety
/// `typed` is null or a NUL-terminated string, `choices` null or as many numbers.
pub(crate) unsafe fn answer_of(
    answer: u32,
    typed: *const c_char,
    choices: *const u32,
    choice_count: usize,
) -> Result<UserAnswer, Failure> {
    Ok(match answer {
        0 => UserAnswer::Accepted,
        1 => UserAnswer::Rejected,
        // SAFETY: the caller's promise.
        2 => UserAnswer::Text(unsafe { text(typed, "text") }?.to_owned()),
        // SAFETY: the caller's promise.
        3 => UserAnswer::Choices(unsafe { values(choices, choice_count, "choices") }?.to_vec()),
        4 => UserAnswer::Cancelled,
        5 => UserAnswer::TimedOut,
        6 => UserAnswer::CannotDisplay,
        7 => UserAnswer::Unsupported,
        _ => return Err(Failure::argument(format!("{answer} is no virmo_answer"))),
    })
}

/// The vendor's way to the users of VMs.
pub(crate) struct VendorInterface(pub(crate) Arc<Vendor>);

impl VmUserInterface for VendorInterface {
    fn ask(&self, question: &VmQuestion<'_>, over: &Cancel) -> Result<UserAnswer, HypervisorError> {
        let vm = Some((question.node, question.vm.as_str()));
        let mut shown = Shown::new(0, question.asked, vm);
        shown.question.max_display_ms = milliseconds(question.within);
        let cancel = virmo_cancel::new(over);
        let mut reply = virmo_reply::default();
        let (asked, to) = (&raw const shown.question, &raw mut reply);
        match call!(&self.0, vm_ask, asked, &raw const cancel, to) {
            Some(0 | 1) => Ok(reply.0.unwrap_or(UserAnswer::CannotDisplay)),
            Some(code) => Err(HypervisorError::new(failure(code))),
            None => Ok(UserAnswer::Unsupported),
        }
    }
}
