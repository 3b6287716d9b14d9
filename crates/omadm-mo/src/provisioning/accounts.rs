use omadm_core::{Secret, base64};

use super::{Characteristic, Document};
use crate::{Account, AccountErrorKind, Address, AddressType, AuthLevel, AuthType, Credential};

/// Why a w7 application is no account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("w7 application {application}: {parm}: {kind}")]
pub struct ApplicationError {
    /// Which of the w7 applications, counted from 1.
    pub application: usize,
    /// The parameter.
    pub parm: &'static str,
    /// What is wrong with it.
    pub kind: AccountErrorKind,
}

/// Something of an account that a provisioning document has no word for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotExpressible {
    /// Credentials of this level.
    #[error("credentials of level {}", .0.as_str())]
    Level(AuthLevel),
    /// A password that is no text.
    #[error("a password that is no text")]
    Secret,
}

impl Document {
    /// The accounts of its w7 applications, in order. [DM-Bootstrap §5.4]
    ///
    /// One `TO-PROXY` or `TO-NAPID` is the preferred connectivity, several are the others. `ADDR`
    /// may stand in the application itself. There is no word for `AAuthPref`.
    ///
    /// # Errors
    /// An [`ApplicationError`] for the first application that is no account.
    pub fn accounts(&self) -> Result<Vec<Account>, ApplicationError> {
        let w7 =
            |one: &&Characteristic| one.kind == "APPLICATION" && one.value("APPID") == Some("w7");
        let applications = self.characteristics.iter().filter(w7);
        applications
            .enumerate()
            .map(|(index, application)| {
                account(application).map_err(|(parm, kind)| ApplicationError {
                    application: index + 1,
                    parm,
                    kind,
                })
            })
            .collect()
    }

    /// A document with a w7 application for each account.
    ///
    /// # Errors
    /// [`NotExpressible`]. `AAuthPref` is left out without one.
    pub fn from_accounts<'a>(
        accounts: impl IntoIterator<Item = &'a Account>,
    ) -> Result<Self, NotExpressible> {
        let characteristics = accounts.into_iter().map(application);
        Ok(Self {
            characteristics: characteristics.collect::<Result<_, _>>()?,
        })
    }
}

type Fault = (&'static str, AccountErrorKind);

const fn missing(parm: &'static str) -> Fault {
    (parm, AccountErrorKind::Missing)
}

const fn invalid(parm: &'static str) -> Fault {
    (parm, AccountErrorKind::Invalid)
}

fn account(application: &Characteristic) -> Result<Account, Fault> {
    let provider = application
        .value("PROVIDER-ID")
        .ok_or(missing("PROVIDER-ID"))?;
    let server_id = provider.parse().map_err(|_| invalid("PROVIDER-ID"))?;
    let mut account = Account::new(server_id, "");
    account.addresses.clear();
    let application_itself = application.value("ADDR").map(|_| application);
    for appaddr in application_itself
        .into_iter()
        .chain(application.inner("APPADDR"))
    {
        account.addresses.push(address(appaddr)?);
    }
    if account.addresses.is_empty() {
        return Err(missing("ADDR"));
    }
    account.name = application.value("NAME").unwrap_or_default().to_owned();
    let mut connections: Vec<String> = ["TO-PROXY", "TO-NAPID"]
        .into_iter()
        .flat_map(|name| application.values(name))
        .filter(|reference| !reference.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    if connections.len() == 1 {
        account.preferred_connection = connections.pop().unwrap_or_default();
    }
    account.connections = connections;
    for appauth in application.inner("APPAUTH") {
        account.credentials.push(credential(appauth)?);
    }
    Ok(account)
}

fn address(appaddr: &Characteristic) -> Result<Address, Fault> {
    let addr = appaddr.value("ADDR").ok_or(missing("ADDR"))?;
    let addr_type = match appaddr.value("ADDRTYPE") {
        None => AddressType::Uri,
        Some(word) => *AddressType::ALL
            .iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(word))
            .ok_or(invalid("ADDRTYPE"))?,
    };
    let mut address = Address::new(addr, addr_type);
    for number in appaddr
        .inner("PORT")
        .flat_map(|port| port.values("PORTNBR"))
    {
        address
            .ports
            .push(number.parse().map_err(|_| invalid("PORTNBR"))?);
    }
    Ok(address)
}

fn credential(appauth: &Characteristic) -> Result<Credential, Fault> {
    let level = match appauth.value("AAUTHLEVEL").ok_or(missing("AAUTHLEVEL"))? {
        "APPSRV" => AuthLevel::Client,
        "CLIENT" => AuthLevel::Server,
        "OBEX" => AuthLevel::Obex,
        _ => return Err(invalid("AAUTHLEVEL")),
    };
    let auth_type = appauth.value("AAUTHTYPE").ok_or(missing("AAUTHTYPE"))?;
    let auth_type = AuthType::from_word(auth_type).ok_or(invalid("AAUTHTYPE"))?;
    let text = |name| appauth.value(name).unwrap_or_default();
    let mut credential = Credential::new(level, auth_type, text("AAUTHNAME"), text("AAUTHSECRET"));
    let data = base64::decode_lenient(text("AAUTHDATA")).ok_or(invalid("AAUTHDATA"))?;
    credential.data = Secret::from(data);
    Ok(credential)
}

fn application(account: &Account) -> Result<Characteristic, NotExpressible> {
    let mut application = Characteristic::new("APPLICATION")
        .with("APPID", "w7")
        .with("PROVIDER-ID", account.server_id.as_str());
    if !account.name.is_empty() {
        application = application.with("NAME", &account.name);
    }
    let preferred = Some(&account.preferred_connection).filter(|one| !one.is_empty());
    for reference in preferred.into_iter().chain(&account.connections) {
        application = application.with("TO-NAPID", reference);
    }
    for address in &account.addresses {
        let mut appaddr = Characteristic::new("APPADDR").with("ADDR", &address.addr);
        // Provisioning documents write these in capitals; URI is the default.
        match address.addr_type {
            AddressType::Uri => {}
            other => appaddr = appaddr.with("ADDRTYPE", other.as_str().to_ascii_uppercase()),
        }
        for port in &address.ports {
            let port = Characteristic::new("PORT").with("PORTNBR", port.to_string());
            appaddr = appaddr.containing(port);
        }
        application = application.containing(appaddr);
    }
    for credential in &account.credentials {
        application = application.containing(appauth(credential)?);
    }
    Ok(application)
}

fn appauth(credential: &Credential) -> Result<Characteristic, NotExpressible> {
    let level = match credential.level {
        AuthLevel::Client => "APPSRV",
        AuthLevel::Server => "CLIENT",
        AuthLevel::Obex => "OBEX",
        AuthLevel::Http => return Err(NotExpressible::Level(credential.level)),
    };
    let mut appauth = Characteristic::new("APPAUTH")
        .with("AAUTHLEVEL", level)
        .with("AAUTHTYPE", credential.auth_type.as_str());
    let secret = str::from_utf8(credential.secret.expose()).map_err(|_| NotExpressible::Secret)?;
    let data = base64::encode(credential.data.expose());
    for (name, value) in [
        ("AAUTHNAME", credential.name.as_str()),
        ("AAUTHSECRET", secret),
        ("AAUTHDATA", &data),
    ] {
        if !value.is_empty() {
            appauth = appauth.with(name, value);
        }
    }
    Ok(appauth)
}
