//! `virmo bootstrap`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use virmo::{
    dm::{
        client::Bootstrap,
        core::Secret,
        mo::{
            Account, AuthLevel, AuthType, Credential,
            bootstrap::{Content, MediaType},
            provisioning::Document,
        },
        session::{
            Scheme,
            bootstrap::{Method, Profile, Protection, Secrets, imsi_octets},
        },
    },
    runtime::DeviceState,
};

use super::device::chain;
use crate::{
    args::{self, BootstrapAction, BootstrapForm, Sec},
    auth,
    failure::Failure,
    output::{Event, Output},
};

pub(crate) fn run(args: &args::Bootstrap) -> Result<(), Failure> {
    match &args.action {
        BootstrapAction::Write(args) => write(args),
        BootstrapAction::Apply(args) => apply(args),
    }
}

/// Writes a document for one account.
fn write(args: &args::BootstrapWrite) -> Result<(), Failure> {
    let output = Output::new(args.json);
    refuse_unused(args)?;
    let media_type = media_type(args.form);
    let profile = Bootstrap::profile(media_type);
    let account = account(args)?;
    let content = match profile {
        Profile::Cp => Document::from_accounts([&account])
            .map(Content::Provisioning)
            .map_err(|error| Failure::usage(chain(&error)))?,
        Profile::Dm => Content::of_accounts([(account.server_id.as_str(), &account)])
            .map_err(|error| Failure::usage(format_args!("--server-id: {error}")))?,
    };
    let document = content
        .encode(media_type)
        .map_err(|error| Failure::usage(chain(&error)))?;
    let content_type = match args.sec {
        None => media_type.as_str().to_owned(),
        Some(sec) => {
            let method = match sec {
                Sec::Networkid => Method::NetworkId,
                Sec::Userpin => Method::UserPin,
                Sec::UserpinNetworkid => Method::UserPinNetworkId,
            };
            let secrets = secrets(&args.secrets, profile)?;
            let protection = Protection::new(profile, method, &secrets, &document);
            let protection =
                protection.map_err(|error| Failure::usage(format_args!("--sec: {error}")))?;
            protection.content_type(profile, media_type.as_str())
        }
    };
    write_private(&args.out, &document)
        .map_err(|error| Failure::work(format_args!("--out {}: {error}", args.out.display())))?;
    output.event(&Event::BootstrapWritten {
        content_type,
        bytes: document.len(),
    });
    output.close();
    Ok(())
}

/// Writes a file that holds passwords: one that is made is for its owner alone.
fn write_private(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(octets)
}

/// Brings a document into the state of a device that does not run.
fn apply(args: &args::BootstrapApply) -> Result<(), Failure> {
    let output = Output::new(args.json);
    let Some(media_type) = MediaType::of(&args.content_type) else {
        let content_type = &args.content_type;
        return Err(Failure::usage(format_args!(
            "--content-type {content_type}: it is no bootstrap document"
        )));
    };
    let secrets = secrets(&args.secrets, Bootstrap::profile(media_type))?;
    let document = fs::read(&args.file)
        .map_err(|error| Failure::usage(format_args!("--file {}: {error}", args.file.display())))?;
    let mut state = DeviceState::open(&args.state).map_err(|error| {
        Failure::work(format_args!(
            "--state {}: {}",
            args.state.display(),
            chain(&error)
        ))
    })?;
    let mut bootstrap = Bootstrap::new(&args.content_type, &document, &secrets);
    bootstrap.trusted = args.trusted;
    let applied = state
        .bootstrap(&bootstrap)
        .map_err(|error| Failure::work(chain(&error)))?;
    let text = |uris: &[virmo::dm::tree::Uri]| uris.iter().map(ToString::to_string).collect();
    output.event(&Event::Bootstrapped {
        accounts: text(&applied.accounts),
        ignored: text(&applied.ignored),
    });
    output.close();
    Ok(())
}

fn account(args: &args::BootstrapWrite) -> Result<Account, Failure> {
    let server_id = args
        .server_id
        .parse()
        .map_err(|error| Failure::usage(format_args!("--server-id: {error}")))?;
    let mut account = Account::new(server_id, &args.server);
    if let Some(name) = &args.name {
        account.name.clone_from(name);
    }
    let proofs = auth::read(&args.auth)?.unwrap_or_default();
    let levels = [
        (AuthLevel::Client, proofs.client),
        (AuthLevel::Server, proofs.server),
    ];
    for (level, proof) in levels {
        if let Some(proof) = proof {
            let auth_type = match proof.scheme() {
                Scheme::Md5 => AuthType::Digest,
                Scheme::Mac => AuthType::Hmac,
                _ => AuthType::Basic,
            };
            account.preferred = Some(auth_type);
            let it = proof.credentials().clone();
            let credential = Credential::new(level, auth_type, it.name, it.secret);
            account.credentials.push(credential);
        }
    }
    Ok(account)
}

/// Nobody shall believe a document protected by a key that it is not protected by.
fn refuse_unused(args: &args::BootstrapWrite) -> Result<(), Failure> {
    let (sec, pin, network) = match args.sec {
        None => (None, false, false),
        Some(Sec::Networkid) => (Some("networkid"), false, true),
        Some(Sec::Userpin) => (Some("userpin"), true, false),
        Some(Sec::UserpinNetworkid) => (Some("userpin-networkid"), true, true),
    };
    let secrets = &args.secrets;
    for (flag, given, used) in [
        ("--pin-env", &secrets.pin_env, pin),
        ("--network-env", &secrets.network_env, network),
        ("--imsi-env", &secrets.imsi_env, network),
    ] {
        if given.is_some() && !used {
            return Err(Failure::usage(match sec {
                None => format!("{flag} needs --sec"),
                Some(sec) => format!("{flag}: --sec {sec} does not use it"),
            }));
        }
    }
    Ok(())
}

fn secrets(args: &args::BootstrapSecrets, profile: Profile) -> Result<Secrets, Failure> {
    let mut secrets = Secrets::new();
    if let Some(variable) = &args.pin_env {
        let pin = auth::password("pin-env", variable)?;
        if !pin.expose().iter().all(u8::is_ascii_digit) {
            return Err(Failure::usage(format_args!(
                "--pin-env {variable}: a PIN has digits only"
            )));
        }
        secrets.pin = Some(pin);
    }
    if let Some(variable) = &args.network_env {
        secrets.network = Some(auth::password("network-env", variable)?);
    }
    if let Some(variable) = &args.imsi_env {
        let imsi = auth::password("imsi-env", variable)?;
        let digits = String::from_utf8_lossy(imsi.expose());
        let octets = imsi_octets(&digits)
            .map_err(|error| Failure::usage(format_args!("--imsi-env {variable}: {error}")))?;
        secrets.network = Some(match profile {
            Profile::Cp => Secret::from(octets),
            Profile::Dm => imsi,
        });
    }
    Ok(secrets)
}

const fn media_type(form: BootstrapForm) -> MediaType {
    match form {
        BootstrapForm::DmWbxml => MediaType::MessageWbxml,
        BootstrapForm::DmXml => MediaType::MessageXml,
        BootstrapForm::TndsWbxml => MediaType::TndsWbxml,
        BootstrapForm::TndsXml => MediaType::TndsXml,
        BootstrapForm::CpWbxml => MediaType::ProvisioningWbxml,
        BootstrapForm::CpXml => MediaType::ProvisioningXml,
    }
}
