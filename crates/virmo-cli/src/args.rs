//! What the program can be asked for.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use virmo::dm::{
    download::DownloadUri,
    markup::{self, PublicId, WbxmlOptions},
};

#[derive(Parser)]
#[command(
    name = "virmo",
    version,
    about = "VirMO devices and DM servers, for newcomers, testers and scripts",
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Deliver an image, create a VM and take it through its whole life, all in this process
    Demo(Demo),
    /// Run a device: a DM client with VirMO and VMImgMO on a hypervisor
    Device(Device),
    /// Run a DM server that takes devices through a plan
    Serve(Serve),
    /// Ask a device for a session, by a notification (package 0)
    Notify(Notify),
    /// Write a bootstrap document, or bring one into the state of a device
    Bootstrap(Bootstrap),
    /// Convert a message from standard input to another form on standard output
    Convert(Convert),
    /// Print the Device Description File of a management object
    Ddf(Ddf),
    /// Print what a device's tree holds, while no device runs on the folder
    Tree(Tree),
    /// Unlock a VM for its user, if its server allows that, while no device runs on the folder
    Unlock(Unlock),
    /// Check parameters from standard input and print them as JSON
    Params(Params),
    /// Move users' images between machines over UVE-2 and UVE-5
    #[command(subcommand)]
    Uve(Uve),
    /// Run the scenario of every requirement row of a document
    Conformance(Conformance),
    /// Hold sessions of many simulated devices with a DM server, and measure
    Load(Load),
}

impl Command {
    /// Whether events are wanted as JSON.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::Demo(args) => args.json,
            Self::Device(args) => args.json,
            Self::Serve(args) => args.json,
            Self::Uve(Uve::Demo(args)) => args.json,
            Self::Conformance(args) => args.json,
            Self::Notify(args) => args.json,
            Self::Load(args) => args.json,
            Self::Bootstrap(args) => match &args.action {
                BootstrapAction::Write(args) => args.json,
                BootstrapAction::Apply(args) => args.json,
            },
            _ => false,
        }
    }
}

#[derive(Args)]
pub(crate) struct Load {
    /// The address of the DM server
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) server: String,
    /// How many devices there are
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) devices: u32,
    /// How many sessions each device holds [default: 1]
    #[arg(long, value_name = "M", conflicts_with = "seconds", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) sessions: Option<u32>,
    /// Begin sessions for so many seconds, as many as go; those under way then have --timeout to end
    #[arg(long, value_name = "SECS", value_parser = duration)]
    pub(crate) seconds: Option<Duration>,
    /// How many sessions are open at once, at most
    #[arg(long, value_name = "C", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) concurrency: u16,
    /// What comes before the number of a device in its identifier: DevInfo/DevId
    #[arg(long, value_name = "TEXT", default_value = "urn:virmo:load:")]
    pub(crate) device_id_prefix: String,
    /// The server's identity in ACLs, and the name of its account below ./DMAcc
    #[arg(long, value_name = "ID", default_value = "virmo-server")]
    pub(crate) server_id: String,
    /// How the devices prove themselves [default: not at all]
    #[arg(long = "auth", value_enum)]
    pub(crate) scheme: Option<Scheme>,
    // To clap, {n} is a line break unless something invisible is in it.
    #[arg(
        long,
        value_name = "NAME",
        help = "The name of a device, {\u{1b}[1mn\u{1b}[0m} in it being its number"
    )]
    pub(crate) user: Option<String>,
    /// The environment variable that holds the password of all devices
    #[arg(long, value_name = "VAR")]
    pub(crate) password_env: Option<String>,
    /// How messages are written
    #[arg(long, value_enum, default_value = "xml")]
    pub(crate) encoding: Encoding,
    #[command(flatten)]
    pub(crate) wbxml: Wbxml,
    /// Devices without VirMO and VMImgMO
    #[arg(long)]
    pub(crate) without_virmo: bool,
    /// Seconds until an answer is waited for no longer and the session has failed
    #[arg(long, value_name = "SECS", value_parser = duration, default_value = "10")]
    pub(crate) timeout: Duration,
    /// Seconds until a session that goes on and on is aborted and has failed
    #[arg(long, value_name = "SECS", value_parser = duration, default_value = "300")]
    pub(crate) session_limit: Duration,
    #[command(flatten)]
    pub(crate) tls: Tls,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Conformance {
    /// One document by its number: 000, 001, 002, 003 or 004
    #[arg(long)]
    pub(crate) seed: Option<String>,
    /// Judge the DM server at this address by what it does to a device that comes
    #[arg(long, value_name = "URL", value_parser = url, conflicts_with = "listen")]
    pub(crate) server: Option<String>,
    /// Judge the device that comes to this address, session after session
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// What --listen gives a device to boot, instead of a few octets that are no machine
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub(crate) image: Option<PathBuf>,
    /// The media type of --image
    #[arg(
        long,
        value_name = "TYPE",
        requires = "image",
        default_value = "application/octet-stream"
    )]
    pub(crate) media_type: String,
    /// The encoding for --server
    #[arg(long, value_enum, default_value_t = Encoding::Xml, requires = "server")]
    pub(crate) encoding: Encoding,
    #[command(flatten)]
    pub(crate) auth: Auth,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Uve {
    /// Take a user from one VM to another, through a broken connection and a crash
    Demo(UveDemo),
}

#[derive(Args)]
pub(crate) struct UveDemo {
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Demo {
    /// The hypervisor: sim, the simulator, or qemu
    #[arg(long, default_value = "sim")]
    pub(crate) hypervisor: String,
    /// Go through these steps (TOML) instead; their image is /images/entvm.img
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// How messages are written
    #[arg(long, value_enum, default_value = "xml")]
    pub(crate) encoding: Encoding,
    /// How the ends prove themselves to each other, by passwords made for the occasion
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) auth: Scheme,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Device {
    /// The address of the DM server [default: that of the account in --state]
    #[arg(long, value_name = "URL", value_parser = url, required_unless_present = "state")]
    pub(crate) server: Option<String>,
    /// Keep tree, images and machines in this folder; without it everything is gone at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// The hypervisor: sim, the simulator; with --state also qemu, and libvirt:URI where the
    /// program was built with it
    #[arg(long, default_value = "sim")]
    pub(crate) hypervisor: String,
    /// The device's identifier: DevInfo/DevId
    #[arg(long, value_name = "ID", default_value = "urn:virmo:device:1")]
    pub(crate) device_id: String,
    /// The server's identity in ACLs, and the name of its account below ./DMAcc
    #[arg(long, value_name = "ID")]
    pub(crate) server_id: Option<String>,
    #[command(flatten)]
    pub(crate) auth: Auth,
    /// How messages are written
    #[arg(long, value_enum, default_value = "xml")]
    pub(crate) encoding: Encoding,
    #[command(flatten)]
    pub(crate) wbxml: Wbxml,
    /// Which VirMO: the approved one or the earlier draft
    #[arg(long, value_enum, default_value = "approved")]
    pub(crate) profile: Profile,
    /// Run one whole session; open work goes on at the next start with the same --state
    #[arg(long, conflicts_with = "until_idle")]
    pub(crate) once: bool,
    /// Run sessions until no job and no alert is open
    #[arg(long)]
    pub(crate) until_idle: bool,
    /// Seconds from the end of one session to the next
    #[arg(long, value_name = "SECS", value_parser = duration)]
    pub(crate) interval: Option<Duration>,
    /// Take notifications (package 0) by HTTP POST at this address; port 0 picks one
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["once", "until_idle"])]
    pub(crate) listen: Option<SocketAddr>,
    /// Take notifications that the server signed with the nonce of resynchronisation too
    #[arg(long, requires = "listen")]
    pub(crate) nonce_resync: bool,
    /// Seconds until an operation that is not done is answered with 202 [default: 30]
    #[arg(long, value_name = "SECS", value_parser = duration)]
    pub(crate) op_timeout: Option<Duration>,
    /// Seconds until an operation that is not done has failed [default: 300]
    #[arg(long, value_name = "SECS", value_parser = duration)]
    pub(crate) op_deadline: Option<Duration>,
    /// Seconds from one look whether machines are what State says to the next
    #[arg(long, value_name = "SECS", value_parser = duration, default_value = "5")]
    pub(crate) watch: Duration,
    /// Fetch images from this host only, and report to no other; may be given several times
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(crate) download_host: Vec<String>,
    /// How many images come at once [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_downloads: Option<u16>,
    #[command(flatten)]
    pub(crate) tls: Tls,
    /// Accept nothing beyond the letter of the specification
    #[arg(long)]
    pub(crate) strict: bool,
    /// Whether CPU shares add up to at most 100 or exactly 100
    #[arg(long, value_enum, default_value = "at-most")]
    pub(crate) cpu_policy: CpuPolicy,
    /// What becomes of machines of this device, and of files of images, that no node names, as after
    /// its state was lost: told, or given a node
    #[arg(long, value_enum, default_value = "report")]
    pub(crate) unknown_machines: UnknownMachines,
    /// Who answers what the server asks: a person at the terminal, always yes, or always no; with
    /// guest the guest of a VM asks its user itself, and the rest is as without the flag [default:
    /// ask at a terminal, else reject]
    #[arg(long, value_enum)]
    pub(crate) ui: Option<Ui>,
    /// Let a primitive fail once: one of create, suspend, resume, power_on, power_off, delete, apply
    /// and download, with fail, hang or crash
    #[arg(long, value_name = "PRIMITIVE:MODE")]
    pub(crate) fault: Vec<String>,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Listen at this address; port 0 picks one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// The steps to take each device through (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Serve the files of this folder below /images/
    #[arg(long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// Where devices reach this server, for relative image URIs of the plan [default: the address it
    /// listens at]
    #[arg(long, value_name = "URL", value_parser = base_url)]
    pub(crate) public_url: Option<String>,
    /// Keep in this folder where each device is in the plan, and go on there after a restart
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Which VirMO: the approved one or the earlier draft
    #[arg(long, value_enum, default_value = "approved")]
    pub(crate) profile: Profile,
    #[command(flatten)]
    pub(crate) auth: Auth,
    /// Take this encoding only
    #[arg(long, value_enum)]
    pub(crate) encoding: Option<Encoding>,
    #[command(flatten)]
    pub(crate) wbxml: Wbxml,
    /// The server's certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Let only devices in whose certificate one of these authorities vouches for (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Let each device act only under a name its certificate has: a common name, or a DNS name or URI of
    /// the subjectAltName
    #[arg(long, requires = "tls_client_ca")]
    pub(crate) tls_client_names: bool,
    /// Accept nothing beyond the letter of the specification
    #[arg(long)]
    pub(crate) strict: bool,
    /// End after one device has gone through the plan
    #[arg(long)]
    pub(crate) once: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A host as it stands in URIs, without a port.
fn host(text: &str) -> Result<String, String> {
    let uri: Option<DownloadUri> = format!("http://{text}/").parse().ok();
    let host = uri.as_ref().map(DownloadUri::host).unwrap_or_default();
    let has_port = text.contains(':') && !text.ends_with(']');
    match &uri {
        Some(uri)
            if !has_port && !text.contains('#') && uri.as_str() == format!("http://{host}/") =>
        {
            Ok(host.to_owned())
        }
        _ if !text.is_ascii() => {
            Err("a host name that is not ASCII stands in its xn-- form".to_owned())
        }
        _ => Err("no host name or address; an IPv6 address stands in [ ]".to_owned()),
    }
}

/// The address of a peer. What servers may leave as it is in theirs is a slip in an argument.
fn url(text: &str) -> Result<String, String> {
    let is_odd = |c: char| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c);
    if let Some((before, c)) = text.chars().enumerate().find(|(_, c)| is_odd(*c)) {
        let place = before + 1;
        return Err(format!(
            "character {place} is {c:?}, which a URI has percent-encoded only"
        ));
    }
    let uri: Result<DownloadUri, _> = text.parse();
    uri.map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// An address that paths follow, without the slash at its end.
fn base_url(text: &str) -> Result<String, String> {
    match url(text)? {
        text if text.contains(['?', '#']) => {
            Err("it has a ? or #, and paths are to follow it".to_owned())
        }
        text => Ok(text.trim_end_matches('/').to_owned()),
    }
}

#[derive(Args)]
pub(crate) struct Notify {
    /// Where the device takes notifications
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) to: String,
    /// The server's identity, by which the device finds its account
    #[arg(long, value_name = "ID", default_value = "virmo-server")]
    pub(crate) server_id: String,
    /// The environment variable that holds the server's password on the device
    #[arg(long, value_name = "VAR")]
    pub(crate) password_env: String,
    /// Whether the user is to know
    #[arg(long, value_enum, default_value = "not-specified")]
    pub(crate) ui_mode: UiMode,
    /// Who caused it
    #[arg(long, value_enum, default_value = "server")]
    pub(crate) initiator: Initiator,
    /// The SessionID, 1 to 65535, or 0x1 to 0xFFFF [default: any]
    #[arg(long, value_name = "ID", value_parser = session_id)]
    pub(crate) session_id: Option<u16>,
    /// The nonce the device expects, in base64: that of the last session event of serve
    /// [default: none]
    #[arg(long, value_name = "BASE64")]
    pub(crate) nonce: Option<String>,
    /// Sign with the nonce of resynchronisation: its ten characters, or four octets
    #[arg(long, value_enum, conflicts_with = "nonce")]
    pub(crate) resync: Option<Resync>,
    #[command(flatten)]
    pub(crate) tls: Tls,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Bootstrap {
    #[command(subcommand)]
    pub(crate) action: BootstrapAction,
}

#[derive(Subcommand)]
pub(crate) enum BootstrapAction {
    /// Write a document that brings an account, and print its Content-Type
    Write(BootstrapWrite),
    /// Bring a document into a state folder, while no device runs on it
    Apply(BootstrapApply),
}

#[derive(Args)]
pub(crate) struct BootstrapWrite {
    /// The address of the DM server
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) server: String,
    /// The server's identity
    #[arg(long, value_name = "ID", default_value = "virmo-server")]
    pub(crate) server_id: String,
    /// A name of the account for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) auth: Auth,
    /// What kind of document
    #[arg(long, value_enum, default_value = "dm-wbxml")]
    pub(crate) form: BootstrapForm,
    /// Protect it by a MAC with this key
    #[arg(long, value_enum)]
    pub(crate) sec: Option<Sec>,
    #[command(flatten)]
    pub(crate) secrets: BootstrapSecrets,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct BootstrapApply {
    /// The state folder of the device
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// The document
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Its Content-Type, with SEC and MAC
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: String,
    #[command(flatten)]
    pub(crate) secrets: BootstrapSecrets,
    /// Take it without a MAC: nobody else could have written it
    #[arg(long)]
    pub(crate) trusted: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What keys of bootstrap documents are made of.
#[derive(Args)]
pub(crate) struct BootstrapSecrets {
    /// The environment variable that holds the PIN
    #[arg(long, value_name = "VAR")]
    pub(crate) pin_env: Option<String>,
    /// The environment variable that holds what network and device share
    #[arg(long, value_name = "VAR", conflicts_with = "imsi_env")]
    pub(crate) network_env: Option<String>,
    /// The environment variable that holds the IMSI, as what network and device share
    #[arg(long, value_name = "VAR")]
    pub(crate) imsi_env: Option<String>,
}

/// The ends of an `https` connection that this end opens.
#[derive(Args)]
pub(crate) struct Tls {
    /// Trust this certificate authority (PEM) and no other
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate to show (PEM)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
}

/// Credentials of both directions.
#[derive(Args)]
pub(crate) struct Auth {
    /// How the ends prove themselves to each other [default: on a device as its account says, else
    /// not at all]
    #[arg(long = "auth", value_enum)]
    pub(crate) scheme: Option<Scheme>,
    /// The client's name
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The environment variable that holds the client's password
    #[arg(long, value_name = "VAR")]
    pub(crate) password_env: Option<String>,
    /// The server's name
    #[arg(long, value_name = "NAME")]
    pub(crate) server_user: Option<String>,
    /// The environment variable that holds the server's password
    #[arg(long, value_name = "VAR")]
    pub(crate) server_password_env: Option<String>,
}

/// How WBXML is written.
#[derive(Args)]
pub(crate) struct Wbxml {
    /// The version WBXML is written in
    #[arg(long, value_enum, value_name = "VERSION", default_value = "1.2")]
    pub(crate) wbxml_version: WbxmlVersion,
    /// How WBXML names the type of the document
    #[arg(long, value_enum, value_name = "FORM", default_value = "number")]
    pub(crate) wbxml_id: WbxmlId,
}

impl Wbxml {
    pub(crate) fn options(&self) -> WbxmlOptions {
        let mut options = WbxmlOptions::default();
        options.version = match self.wbxml_version {
            WbxmlVersion::V1_1 => markup::WbxmlVersion::V1_1,
            WbxmlVersion::V1_2 => markup::WbxmlVersion::V1_2,
            WbxmlVersion::V1_3 => markup::WbxmlVersion::V1_3,
        };
        options.public_id = match self.wbxml_id {
            WbxmlId::Number => PublicId::Numeric,
            WbxmlId::Text => PublicId::Textual,
        };
        options
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WbxmlVersion {
    #[value(name = "1.1")]
    V1_1,
    #[value(name = "1.2")]
    V1_2,
    #[value(name = "1.3")]
    V1_3,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WbxmlId {
    /// As the registered number
    Number,
    /// As text
    Text,
}

#[derive(Args)]
pub(crate) struct Convert {
    /// The form to write
    #[arg(long, value_enum)]
    pub(crate) to: Form,
    /// Indent for people; text is never touched
    #[arg(long)]
    pub(crate) pretty: bool,
    #[command(flatten)]
    pub(crate) wbxml: Wbxml,
}

#[derive(Args)]
pub(crate) struct Ddf {
    /// The management object
    #[arg(value_enum)]
    pub(crate) object: Object,
    /// Which VirMO: the approved one or the earlier draft
    #[arg(long, value_enum, default_value = "approved")]
    pub(crate) profile: Profile,
}

#[derive(Args)]
pub(crate) struct Tree {
    /// The state folder of the device
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// The node to begin with
    #[arg(default_value = ".")]
    pub(crate) uri: String,
}

#[derive(Args)]
pub(crate) struct Unlock {
    /// The state folder of the device, which is of the draft profile
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// The VM's node, by its name or as ./VirMO/NAME; its server has to have set Ext/UserUnlock there
    pub(crate) node: String,
}

#[derive(Args)]
pub(crate) struct Params {
    /// What the parameters are for
    #[arg(value_enum)]
    pub(crate) kind: ParamsKind,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    Xml,
    Wbxml,
}

impl From<Encoding> for virmo::dm::markup::Encoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Xml => Self::Xml,
            Encoding::Wbxml => Self::Wbxml,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Xml,
    Wbxml,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Approved,
    Draft,
}

impl From<Profile> for virmo::nodes::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Approved => Self::Approved,
            Profile::Draft => Self::Draft,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CpuPolicy {
    AtMost,
    Exactly,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnknownMachines {
    Report,
    Adopt,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ui {
    Ask,
    Accept,
    Reject,
    Guest,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BootstrapForm {
    /// A DM message in WBXML, which every client of the DM profile takes
    DmWbxml,
    /// A DM message in XML
    DmXml,
    /// A TNDS document in WBXML
    TndsWbxml,
    /// A TNDS document in XML
    TndsXml,
    /// A provisioning document in WBXML: Client Provisioning
    CpWbxml,
    /// A provisioning document in XML
    CpXml,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sec {
    /// What network and device share
    Networkid,
    /// A PIN the user was told
    Userpin,
    /// Both
    UserpinNetworkid,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UiMode {
    NotSpecified,
    Background,
    Informative,
    UserInteraction,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Initiator {
    Client,
    Server,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resync {
    Text,
    Octets,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheme {
    None,
    Basic,
    Md5,
    Mac,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Object {
    Virmo,
    Vmimgmo,
    Lawmo,
    Dcmo,
    Fumo,
    Scomo,
    Devinfo,
    Devdetail,
    Dmacc,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ParamsKind {
    /// CreateParams of a VM
    Create,
    /// CurrentConfig or NewConfig of a VM
    Resources,
    /// DeviceResources
    Device,
}

/// Seconds, with a fraction if need be; what is shorter than a millisecond is a slip.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|it| !it.is_nan());
    let seconds = seconds.ok_or("not a number of seconds")?;
    if seconds < 0.001 {
        return Err("it is at least 0.001".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| "so many seconds cannot be counted".to_owned())
}

fn session_id(text: &str) -> Result<u16, String> {
    let id = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    id.ok()
        .filter(|id| *id != 0)
        .ok_or_else(|| "it is a number from 1 to 65535".to_owned())
}
