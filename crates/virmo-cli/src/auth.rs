//! The credentials on the command line.

use std::env;

use virmo::dm::{
    core::Secret,
    session::{Credentials, Scheme},
};

use crate::{args, failure::Failure};

/// How both ends prove themselves.
pub(crate) struct Proofs {
    pub(crate) scheme: Scheme,
    pub(crate) client: Option<Credentials>,
    pub(crate) server: Option<Credentials>,
}

impl Proofs {
    /// Nothing is proven in messages.
    pub(crate) const fn none() -> Self {
        Self {
            scheme: Scheme::None,
            client: None,
            server: None,
        }
    }
}

/// Reads the flags.
pub(crate) fn read(args: &args::Auth) -> Result<Proofs, Failure> {
    let scheme = match args.scheme {
        args::Scheme::None => Scheme::None,
        args::Scheme::Basic => Scheme::Basic,
        args::Scheme::Md5 => return Err(Failure::not_built("--auth md5")),
        args::Scheme::Mac => return Err(Failure::not_built("--auth mac")),
    };
    let client = credentials("user", &args.user, "password-env", &args.password_env)?;
    let server = credentials(
        "server-user",
        &args.server_user,
        "server-password-env",
        &args.server_password_env,
    )?;
    if scheme == Scheme::None && (client.is_some() || server.is_some()) {
        return Err(Failure::usage("--user and --server-user need --auth basic"));
    }
    if scheme != Scheme::None && client.is_none() {
        return Err(Failure::usage(
            "--auth basic needs --user and --password-env",
        ));
    }
    Ok(Proofs {
        scheme,
        client,
        server,
    })
}

fn credentials(
    name_flag: &str,
    name: &Option<String>,
    variable_flag: &str,
    variable: &Option<String>,
) -> Result<Option<Credentials>, Failure> {
    match (name, variable) {
        (None, None) => Ok(None),
        (Some(name), Some(variable)) => {
            let password = password(variable_flag, variable)?;
            Ok(Some(Credentials::new(name.clone(), password)))
        }
        _ => Err(Failure::usage(format_args!(
            "--{name_flag} and --{variable_flag} go together"
        ))),
    }
}

/// The password in an environment variable.
pub(crate) fn password(flag: &str, variable: &str) -> Result<Secret, Failure> {
    let password = env::var(variable)
        .map_err(|error| Failure::usage(format_args!("--{flag} {variable}: {error}")))?;
    Ok(Secret::from(password.as_str()))
}
