//! Guests with a DM client of their own, reached straight or through a gateway. [VirMO §11.1]

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tempfile::TempDir;
use virmo::dm::gateway::{DeliveryError, EndDevices, ProxySession, Request};
use virmo::{
    Simulator, Until,
    VmState::Running,
    dm::{
        client::{Auth, Bootstrap, Config},
        core::{AlertCode, Format, Now},
        mo::{
            Account,
            bootstrap::{Content, MediaType},
        },
        session::{
            Proof, Scheme,
            bootstrap::Secrets,
            notification::Notification,
            request::{self, Leaf},
        },
        syncml::{
            CmdId, Command, Data, Encoding, Exec, Header, Item, Limits, Message, Meta, decode,
            encode,
        },
    },
    nodes::Profile,
    runtime::{DeviceState, Handle},
};

use crate::{
    Failed,
    bench::{Bench, State, Talk},
    device::{Device, OurDevice, Road, Wire, builder, life},
    scenario::{Done, scenarios},
};

scenarios! {
    Own:
    A_CLIENT_IN_A_VM_IS_ONE_MORE_DEVICE = a_client_in_a_vm_is_one_more_device;
    A_NOTIFICATION_PASSES_A_GATEWAY = a_notification_passes_a_gateway;
    A_GATEWAY_RELATES_TWO_SESSIONS = a_gateway_relates_two_sessions;
}

/// What the guest says it is; nobody but the gateway needs to know it.
const GUEST_ID: &str = "guest-1";
const SERVER_ID: &str = "dm.example";
const GATEWAY: &str = "./Gateway/one";

fn expect(holds: bool, otherwise: impl std::fmt::Display) -> Done {
    match holds {
        true => Ok(()),
        false => Err(Failed::new(otherwise)),
    }
}

/// A DM client in a guest that is on.
struct Guest {
    wire: Wire,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Guest {
    /// A guest whose state is in this folder.
    fn start(folder: TempDir, config: Config) -> Result<Self, Failed> {
        let machines = Simulator::builder(folder.path().join("machines")).without_sync();
        let machines = Arc::new(machines.open().map_err(Failed::new)?);
        let (wire, outgoing) = Wire::new(Duration::from_secs(60));
        let mut device = builder(machines, config, GUEST_ID)
            .state(folder.path().join("state"))
            .transport(Arc::new(Road::new(outgoing)))
            .build()
            .map_err(Failed::new)?;
        let handle = device.handle();
        let thread = thread::Builder::new()
            .name("a guest".to_owned())
            .spawn(move || {
                let interval = None;
                // How its sessions end is seen from the other side.
                _ = device.run(Until::Stopped { interval });
            })
            .map_err(Failed::new)?;
        Ok(Self {
            wire,
            handle,
            thread: Some(thread),
            _folder: folder,
        })
    }

    fn hear(&mut self) -> Result<Message<'static>, Failed> {
        let (packet, encoding) = self.wire.receive()?;
        let message = decode(&packet.body, encoding, &Limits::lenient()).map_err(Failed::new)?;
        Ok(message.into_owned())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.handle.stop();
        drop(std::mem::replace(
            &mut self.wire,
            Wire::new(Duration::ZERO).0,
        ));
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// Whether a session began for this reason.
fn began_by(message: &Message<'_>, code: AlertCode) -> bool {
    message.commands.iter().any(|command| match command {
        Command::Alert(alert) => alert.code == Some(code),
        _ => false,
    })
}

/// What the server places with Create is what the guest's client starts from, and its session is
/// that of another device.
fn a_client_in_a_vm_is_one_more_device() -> Done {
    let server = SERVER_ID.parse().map_err(Failed::new)?;
    let account = Account::new(server, "http://guests.example/dm");
    let document = Content::of_accounts([(SERVER_ID, &account)])
        .map_err(Failed::new)?
        .encode(MediaType::MessageWbxml)
        .map_err(Failed::new)?;

    let mut device = OurDevice::new();
    device.begin(Some(Encoding::Wbxml), Profile::Approved)?;
    let mut talk = Talk::default();
    let mut bench = Bench::new(&mut device, &mut talk, Profile::Approved);
    let (_, image) = life::image(&mut bench)?;
    let vm = life::vm(&mut bench, &format!("ImgID={image}"))?;
    let place = format!("{vm}/Ext/Bootstrap");
    let leaf = Leaf::new(Format::Bin, document).with_type(MediaType::MessageWbxml.as_str());
    let added = bench.one(request::add(&place, leaf))?.status;
    expect(
        added == 200,
        format_args!("the document is refused: {added}"),
    )?;
    let created = bench.operate(&vm, "Create")?;
    expect(
        created.1 == State::Is(Running),
        format_args!("Create: {created:?}"),
    )?;
    let shown = bench.value(&place)?;
    expect(
        shown.as_deref() == Some(""),
        "the document can be read back",
    )?;
    let id = bench.value(&format!("{vm}/VMID"))?.unwrap_or_default();

    let placed = device.bootstrap_of(&id)?;
    let folder = TempDir::new().map_err(Failed::new)?;
    let mut state = DeviceState::open(&folder.path().join("state")).map_err(Failed::new)?;
    let secrets = Secrets::new();
    let mut bootstrap = Bootstrap::new(MediaType::MessageWbxml.as_str(), &placed, &secrets);
    bootstrap.trusted = true;
    state.bootstrap(&bootstrap).map_err(Failed::new)?;
    let config = state.config(None).map_err(Failed::new)?;
    drop(state);
    let first = Guest::start(folder, config)?.hear()?;
    let (source, target) = (&first.header.source.uri, &first.header.target.uri);
    expect(
        source == GUEST_ID && target == "http://guests.example/dm",
        format_args!("the guest is {source}, and goes to {target}"),
    )?;
    expect(
        began_by(&first, AlertCode::CLIENT_INITIATED),
        "the guest begins no session",
    )
}

/// The guests behind a gateway: one, which has not begun yet.
#[derive(Default)]
struct Behind {
    notified: Mutex<Vec<Vec<u8>>>,
}

impl EndDevices for Behind {
    fn notify(&self, device: &str, notification: &[u8]) -> Result<(), DeliveryError> {
        if device != GUEST_ID {
            return Err(DeliveryError::Unknown);
        }
        let mut notified = self.notified.lock().unwrap_or_else(PoisonError::into_inner);
        notified.push(notification.to_vec());
        Ok(())
    }

    fn session(&self, device: &str, server: &mut ProxySession) -> Result<(), DeliveryError> {
        if device != GUEST_ID {
            return Err(DeliveryError::Unknown);
        }
        let unreachable = |_| DeliveryError::Unreachable;
        let (config, folder) = (plain_config(), TempDir::new());
        let config = config.map_err(unreachable)?;
        let folder = folder.map_err(|_| DeliveryError::Unreachable)?;
        let mut guest = Guest::start(folder, config).map_err(unreachable)?;
        while !server.is_over() {
            let (packet, encoding) = guest.wire.receive().map_err(unreachable)?;
            let request = Request::new(&packet.body, encoding, Now::default());
            let answer = server.answer(request);
            let answer = answer.map_err(|_| DeliveryError::Unreachable)?;
            guest.wire.answer(answer.body.into()).map_err(unreachable)?;
        }
        Ok(())
    }
}

fn plain_config() -> Result<Config, Failed> {
    let server = SERVER_ID.parse().map_err(Failed::new)?;
    Ok(Config::new(server, "http://gateway.example/dm"))
}

/// Has the device in front execute a node of the gateway with octets; the status, and the Result.
fn through_gateway(
    behind: &Arc<Behind>,
    node: &str,
    octets: Vec<u8>,
) -> Result<(u16, Option<String>), Failed> {
    let mut device = OurDevice::new().with_gateway(Arc::clone(behind) as _);
    device.begin(Some(Encoding::Wbxml), Profile::Approved)?;
    let mut talk = Talk::default();
    let mut bench = Bench::new(&mut device, &mut talk, Profile::Approved);
    let added = bench.add_node(GATEWAY)?;
    let named = bench.replace(&format!("{GATEWAY}/DeviceID"), GUEST_ID)?;
    expect(
        added == 200 && named == 200,
        format_args!("the gateway takes no end device: {added}, {named}"),
    )?;
    let item = Item::new()
        .with_target(format!("{GATEWAY}/{node}"))
        .with_meta(Meta::new().with_format(Format::Bin))
        .with_data(Data::from(octets));
    let status = bench.one(Command::Exec(Exec::new([item])))?.status;
    let result = bench.value(&format!("{GATEWAY}/Result"))?;
    Ok((status, result))
}

/// Transparent mode: the notification gets to the guest as it is, and the guest's client opens the
/// session it asks for.
fn a_notification_passes_a_gateway() -> Done {
    let proof = Proof::new(Scheme::Md5, SERVER_ID, "a password");
    let server = SERVER_ID.parse().map_err(Failed::new)?;
    let notification = Notification::new(7, server).map_err(Failed::new)?;
    let octets = notification
        .sign(&proof.credentials().secret, b"")
        .map_err(Failed::new)?;
    let behind = Arc::<Behind>::default();
    let (status, _) = through_gateway(&behind, "Trigger", octets.clone())?;
    expect(status == 200, format_args!("Trigger: {status}"))?;
    let notified = behind
        .notified
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let arrived = notified.first().cloned().unwrap_or_default();
    expect(arrived == octets, "the notification is another")?;

    let mut config = plain_config()?;
    config.auth = Auth::given(None, Some(proof));
    let folder = TempDir::new().map_err(Failed::new)?;
    let mut guest = Guest::start(folder, config)?;
    // The one it begins by itself.
    guest.hear()?;
    guest.handle.notify(arrived);
    guest.wire.drop_call();
    for _ in 0..10 {
        let message = guest.hear()?;
        if began_by(&message, AlertCode::SERVER_INITIATED) {
            let header = &message.header;
            return expect(
                header.session_id == "7" && header.source.uri == GUEST_ID,
                format_args!("{} begins {}", header.source.uri, header.session_id),
            );
        }
        guest.wire.drop_call();
    }
    Err(Failed::new("the guest begins no session for it"))
}

/// Proxy mode: commands of the server go on in a session with the guest, under the guest's own
/// name, and their answers come back.
fn a_gateway_relates_two_sessions() -> Done {
    let header = Header::new("1", 1, "any", "any");
    let mut commands = Message::new(header);
    commands.is_final = true;
    let mut id = CmdId::FIRST;
    for node in ["./DevInfo/DevId", "./NoSuchNode"] {
        let mut command = request::get(node);
        command.set_cmd_id(id);
        id = id.next();
        commands.commands.push(command);
    }
    let mut octets = Vec::new();
    encode(&commands, Encoding::Wbxml, &mut octets).map_err(Failed::new)?;
    let behind = Arc::<Behind>::default();
    let (status, result) = through_gateway(&behind, "Execute", octets)?;
    expect(status == 200, format_args!("Execute: {status}"))?;
    let result = result.unwrap_or_default();
    let result = decode(result.as_bytes(), Encoding::Xml, &Limits::lenient());
    let (mut statuses, mut values) = (Vec::new(), Vec::new());
    for command in result.map_err(Failed::new)?.commands {
        match command {
            Command::Status(status) => statuses.push(status.code.get()),
            Command::Results(results) => {
                let data = results.items.iter().filter_map(|item| item.data.as_ref());
                values.extend(data.filter_map(|data| data.as_text().map(str::to_owned)));
            }
            _ => {}
        }
    }
    expect(
        statuses == [200, 404] && values == [GUEST_ID],
        format_args!("statuses {statuses:?}, values {values:?}"),
    )
}
