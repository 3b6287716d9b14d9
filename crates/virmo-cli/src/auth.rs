//! The credentials on the command line.

use std::env::{self, VarError};

use virmo::dm::{
    core::Secret,
    session::{Proof, Scheme},
};

use crate::{args, failure::Failure};

/// How both ends prove themselves, if the command line says so.
#[derive(Clone, Default)]
pub(crate) struct Proofs {
    pub(crate) client: Option<Proof>,
    pub(crate) server: Option<Proof>,
}

/// Reads the flags; none without `--auth`.
pub(crate) fn read(args: &args::Auth) -> Result<Option<Proofs>, Failure> {
    let client = credentials("user", &args.user, "password-env", &args.password_env)?;
    let server = credentials(
        "server-user",
        &args.server_user,
        "server-password-env",
        &args.server_password_env,
    )?;
    let scheme = args.scheme.map(args::Scheme::scheme);
    let Some(Some(scheme)) = scheme else {
        if client.is_some() || server.is_some() {
            return Err(Failure::usage(
                "--user and --server-user need --auth basic, md5 or mac",
            ));
        }
        return Ok(scheme.map(|_| Proofs::default()));
    };
    if client.is_none() {
        return Err(Failure::usage(format_args!(
            "--auth {scheme} needs --user and --password-env"
        )));
    }
    let proof = |(name, password): (String, Secret)| Proof::new(scheme, name, password);
    Ok(Some(Proofs {
        client: client.map(proof),
        server: server.map(proof),
    }))
}

impl args::Scheme {
    /// The scheme; none for `none`.
    pub(crate) const fn scheme(self) -> Option<Scheme> {
        match self {
            Self::None => None,
            Self::Basic => Some(Scheme::Basic),
            Self::Md5 => Some(Scheme::Md5),
            Self::Mac => Some(Scheme::Mac),
        }
    }
}

fn credentials(
    name_flag: &str,
    name: &Option<String>,
    variable_flag: &str,
    variable: &Option<String>,
) -> Result<Option<(String, Secret)>, Failure> {
    match (name, variable) {
        (None, None) => Ok(None),
        (Some(name), Some(variable)) => {
            let password = password(variable_flag, variable)?;
            Ok(Some((name.clone(), password)))
        }
        _ => Err(Failure::usage(format_args!(
            "--{name_flag} and --{variable_flag} go together"
        ))),
    }
}

/// The password in an environment variable.
pub(crate) fn password(flag: &str, variable: &str) -> Result<Secret, Failure> {
    let password = env::var(variable).map_err(|error| {
        let why = match error {
            VarError::NotPresent => "there is no such variable",
            // Its own words show the value.
            VarError::NotUnicode(_) => "it is not UTF-8",
        };
        Failure::usage(format_args!("--{flag} {variable}: {why}"))
    })?;
    if password.is_empty() {
        return Err(Failure::usage(format_args!(
            "--{flag} {variable}: it is empty"
        )));
    }
    Ok(Secret::from(password.as_str()))
}
