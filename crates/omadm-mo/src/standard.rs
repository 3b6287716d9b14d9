mod account;
mod dev_detail;
mod dev_info;
mod dm_acc;
pub(crate) mod inbox;

pub use account::{
    Account, AccountError, AccountErrorKind, Address, AddressType, AuthLevel, AuthType, Credential,
};
pub use dev_detail::{DEV_DETAIL, DevDetail};
pub use dev_info::{DEV_INFO, DevInfo};
pub use dm_acc::DM_ACC;
pub use inbox::{INBOX, Inbox};

use omadm_tree::Uri;

/// The address a literal stands for.
#[expect(clippy::expect_used, reason = "tests go through every literal")]
pub(crate) fn literal(path: &'static str) -> Uri {
    Uri::parse(path).expect("a literal address is valid")
}
