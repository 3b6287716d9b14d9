use std::ffi::{c_char, c_void};

use omadm_client::{Bootstrap, BootstrapError};
use omadm_core::Secret;
use omadm_mo::{Account, bootstrap::MediaType};
use omadm_session::bootstrap::{Profile, Secrets, imsi_octets};
use omadm_tree::Acl;

use crate::{
    callbacks::virmo_callbacks,
    config::{virmo_config, with},
    device::failed,
    features::BOOTSTRAP,
    journal::VendorJournal,
    status::{Failure, virmo_status},
    text::{optional_text, text, values},
    time::virmo_now,
    vendor::sized,
};

/// A bootstrap document as it came, and what there is to verify it with. Zero it, set `size` to its
/// `sizeof`, then what is known; what a later header adds stays zero for an older program.
#[repr(C)]
pub struct virmo_bootstrap {
    /// The size of this structure, in bytes.
    pub size: usize,
    /// Its Content-Type with the parameters SEC and MAC: a DM message, a TNDS document or Client
    /// Provisioning, each in WBXML or XML.
    pub content_type: *const c_char,
    /// The document.
    pub document: *const u8,
    /// How many bytes of it.
    pub document_len: usize,
    /// The PIN the user was told, digits; null if there is none.
    pub pin: *const c_char,
    /// What the network and the device share, where that is the IMSI: its 6 to 15 digits; else null.
    pub imsi: *const c_char,
    /// What they share else; null if there is nothing.
    pub network: *const u8,
    /// How many bytes of it.
    pub network_len: usize,
    /// Whether it may come without a MAC, as it comes from where nobody else writes: a smartcard, the
    /// factory, a protected transport.
    pub trusted: bool,
}

/// Takes in a bootstrap document: the accounts it brings are in the journal on return, or nothing of
/// it is. A device whose `virmo_config_new` was given no address finds its server there.
///
/// To be called before a device is made, with what that would be made of; no device made from this
/// journal may be alive. A document can be taken in again, and replaces what became of its accounts.
///
/// VIRMO_STATUS_ARGUMENT: it is no bootstrap document by its Content-Type, or something else is
/// missing or wrong. VIRMO_STATUS_UNPROVEN: its MAC is wrong, so the PIN is, or the document: it may be
/// tried three times, which are counted in the journal. VIRMO_STATUS_REFUSED: it was tried too often,
/// is not protected or by what is not known here, cannot be read, or does not fit the device; or the
/// library is one without the feature `bootstrap`.
/// VIRMO_STATUS_JOURNAL: the journal failed or cannot be read. `virmo_config_error` says more.
///
/// # Safety
/// `config` and `callbacks` as for `virmo_device_new`; `bootstrap` is null or points to `size` bytes
/// that can be read, as can what it points to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn virmo_config_bootstrap(
    config: *mut virmo_config,
    callbacks: *const virmo_callbacks,
    user_data: *mut c_void,
    now: virmo_now,
    bootstrap: *const virmo_bootstrap,
) -> virmo_status {
    // SAFETY: the caller's promise.
    unsafe {
        with(config, |settings| {
            if !BOOTSTRAP {
                return Err(Failure::new(virmo_status::Refused, NONE));
            }
            let given = sized(bootstrap, FIRST_VERSION, "bootstrap")?;
            let content_type = text(given.content_type, "content_type")?;
            let document = values(given.document, given.document_len, "document")?;
            let secrets = given.secrets(content_type)?;
            let mut bootstrap = Bootstrap::new(content_type, document, &secrets);
            bootstrap.trusted = given.trusted;
            let vendor = settings.vendor(callbacks, user_data)?;
            let journal = VendorJournal(vendor);
            let mut tree = settings.open(&journal, Acl::root_default())?;
            let applied = bootstrap.apply(&mut tree, &Account::layout(), &journal, now.into());
            match applied {
                Ok(_) => Ok(()),
                Err(error) => Err(failed(status(&error), &error)),
            }
        })
    }
}

const NONE: &str = "this library has no bootstrap";

const fn status(error: &BootstrapError) -> virmo_status {
    match error {
        BootstrapError::MediaType | BootstrapError::ContentType(_) => virmo_status::Argument,
        BootstrapError::Forged { .. } => virmo_status::Unproven,
        BootstrapError::Journal(_) => virmo_status::Journal,
        _ => virmo_status::Refused,
    }
}

/// The size of the structure in the first version of the library.
const FIRST_VERSION: usize = 9 * size_of::<usize>();
const _: () = assert!(
    FIRST_VERSION <= size_of::<virmo_bootstrap>(),
    "members are added, never taken away"
);

impl virmo_bootstrap {
    /// # Safety
    /// What it points to can be read.
    unsafe fn secrets(&self, content_type: &str) -> Result<Secrets, Failure> {
        let mut secrets = Secrets::new();
        // SAFETY: the caller's promise.
        if let Some(pin) = unsafe { optional_text(self.pin, "pin") }? {
            if pin.is_empty() || !pin.bytes().all(|it| it.is_ascii_digit()) {
                return Err(Failure::argument("a PIN has digits only"));
            }
            secrets.pin = Some(Secret::from(pin));
        }
        // SAFETY: the caller's promise.
        let network = unsafe { values(self.network, self.network_len, "network") }?;
        if !network.is_empty() {
            secrets.network = Some(Secret::from(network.to_vec()));
        }
        // SAFETY: the caller's promise.
        if let Some(imsi) = unsafe { optional_text(self.imsi, "imsi") }? {
            if secrets.network.is_some() {
                return Err(Failure::argument("imsi and network are both set"));
            }
            let octets = imsi_octets(imsi);
            let octets = octets.map_err(|error| Failure::argument(error.to_string()))?;
            let profile = MediaType::of(content_type).map(Bootstrap::profile);
            secrets.network = Some(match profile {
                Some(Profile::Cp) => Secret::from(octets),
                _ => Secret::from(imsi),
            });
        }
        Ok(secrets)
    }
}
