//! `virmo params`: key=value parameters from standard input, as JSON.

use std::io::{self, Read};

use serde::Serialize;
use virmo::params::{CreateParams, DeviceResources, Limits, ParamsError, ResourceConfig};

use crate::{
    args::{Params, ParamsKind},
    failure::Failure,
    output,
};

pub(crate) fn run(args: &Params) -> Result<(), Failure> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input).map_err(Failure::work)?;
    let text = str::from_utf8(&input)
        .map_err(|error| Failure::work(format_args!("no UTF-8 at byte {}", error.valid_up_to())))?;
    // What an editor or `echo` puts at the end of a line is not part of the value.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let json = json(args.kind, text).map_err(Failure::work)?;
    output::print(format!("{json}\n").as_bytes())
}

fn json(kind: ParamsKind, text: &str) -> Result<String, ParamsError> {
    let limits = Limits::default();
    Ok(match kind {
        ParamsKind::Create => print(&CreateParams::parse(text, &limits)?),
        ParamsKind::Resources => print(&ResourceConfig::parse(text, &limits)?),
        ParamsKind::Device => print(&DeviceResources::parse(text, &limits)?),
    })
}

fn print(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_print_under_their_names() {
        assert_eq!(
            json(ParamsKind::Create, "ImgID=img-1").unwrap(),
            r#"{"ImgID":"img-1","Running":true,"vendor":{}}"#
        );
        assert_eq!(
            json(ParamsKind::Resources, "RAM=1&Storage=2&CPU=3&Network=4&x=y").unwrap(),
            r#"{"RAM":1,"Storage":2,"CPU":3,"Network":4,"vendor":{"x":"y"}}"#
        );
        let error = json(ParamsKind::Device, "RAM=1&Storage=x").unwrap_err();
        assert!(error.to_string().contains("byte 14"), "{error}");
    }
}
