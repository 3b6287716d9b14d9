//! `virmo notify`.

use virmo::dm::core::base64;
use virmo::{
    dm::{
        core::{Secret, ServerId},
        download::Cancel,
        http::HttpTransport,
        session::notification::{Initiator, Notification, RESYNC_OCTETS, RESYNC_TEXT, UiMode},
    },
    runtime::session_id,
};

use crate::{
    args::{self, Resync},
    auth,
    commands::device::chain,
    failure::Failure,
    links,
    output::{Event, Output},
};

pub(crate) fn run(args: &args::Notify) -> Result<(), Failure> {
    let output = Output::new(args.json);
    let links = links::to("--to", &args.to, &args.tls)?;
    let session_id = args.session_id.unwrap_or_else(session_id);
    let octets = signed(args, session_id)?;
    let transport = HttpTransport::new(links.messages);
    transport
        .notify(&args.to, &octets, &Cancel::new())
        .map_err(|error| Failure::work(format_args!("{}: {}", args.to, chain(&error))))?;
    output.event(&Event::Notification {
        session: Some(format!("{session_id:X}")),
        to: Some(args.to.clone()),
        ui_mode: None,
        initiator: None,
        accepted: None,
        reason: None,
    });
    output.close();
    Ok(())
}

fn signed(args: &args::Notify, session_id: u16) -> Result<Vec<u8>, Failure> {
    let server_id: ServerId = args
        .server_id
        .parse()
        .map_err(|error| Failure::usage(format_args!("--server-id: {error}")))?;
    let password: Secret = auth::password("password-env", &args.password_env)?;
    let nonce = match (&args.nonce, args.resync) {
        (Some(nonce), _) => base64::decode(nonce)
            .ok_or_else(|| Failure::usage(format_args!("--nonce {nonce}: it is not base64")))?,
        (None, Some(Resync::Text)) => RESYNC_TEXT.to_vec(),
        (None, Some(Resync::Octets)) => RESYNC_OCTETS.to_vec(),
        (None, None) => Vec::new(),
    };
    let usage = |error| Failure::usage(format_args!("--server-id: {error}"));
    let mut notification = Notification::new(session_id, server_id).map_err(usage)?;
    notification.ui_mode = match args.ui_mode {
        args::UiMode::NotSpecified => UiMode::NotSpecified,
        args::UiMode::Background => UiMode::Background,
        args::UiMode::Informative => UiMode::Informative,
        args::UiMode::UserInteraction => UiMode::UserInteraction,
    };
    notification.initiator = match args.initiator {
        args::Initiator::Client => Initiator::Client,
        args::Initiator::Server => Initiator::Server,
    };
    notification.sign(&password, &nonce).map_err(usage)
}
