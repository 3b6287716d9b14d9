//! What the change request to UVE asks for: a VMM and VMs that talk HTTP.

use std::{net::TcpListener, sync::Arc, time::Duration};

use omadm_core::MemoryJournal;
use uve::{
    Digest, MonitoringNotification, SessionDisconnect, UaPackage, UserId, Uve2, Uve2Error,
    session::State,
};
use uve_engine::{
    EmbeddedDataCentre, MemoryBlobs, Progress, Selection, SteppedClock, Vm, VmConfig, VmError, Vmm,
    VmmConfig, VmmEvent,
};
use uve_http::{Server, Token, Uve2Client, Uve2Service, Uve5Client, Uve5Service};

use crate::{
    Failed,
    scenario::{Done, scenarios},
};

scenarios! {
    Own:
    UVE_2_OFFERS_NO_USER_IMAGES = uve_2_offers_no_user_images;
    A_SECOND_LOGIN_SEES_THE_DATA_OF_THE_FIRST = a_second_login_sees_the_data_of_the_first;
    THE_IMAGE_COMES_BEFORE_THE_USER_IS_SERVED = the_image_comes_before_the_user_is_served;
    UVE_2_IS_EXPOSED_BY_THE_VM = uve_2_is_exposed_by_the_vm;
    AN_ANNOUNCED_USER_MONITORS = an_announced_user_monitors;
    ONLY_THE_NAMED_USER_MONITORS = only_the_named_user_monitors;
    UAS_ARE_DEPLOYED_UPDATED_AND_DELETED = uas_are_deployed_updated_and_deleted;
    A_MONITORED_SESSION_IS_SUSPENDED = a_monitored_session_is_suspended;
    UVE_5_IS_EXPOSED_BY_THE_VMM = uve_5_is_exposed_by_the_vmm;
    A_DISCONNECT_NAMES_SESSION_USER_AND_UA = a_disconnect_names_session_user_and_ua;
    A_SWITCH_UPDATES_BEFORE_THE_NEXT_VM_SERVES = a_switch_updates_before_the_next_vm_serves;
}

const PACKAGE: &[u8] = b"an editor";

/// A VMM with the user "ann", and where VMs find it.
struct Site {
    vmm: Arc<Vmm>,
    clock: Arc<SteppedClock>,
    server: Server,
    ann: UserId,
}

/// A VM, and the VMM's way to it.
struct Machine {
    vm: Arc<Vm>,
    manage: Uve2Client,
    server: Server,
}

fn id<T: std::str::FromStr<Err = uve::InvalidId>>(text: &str) -> Result<T, Failed> {
    text.parse().map_err(Failed::new)
}

fn token(name: &str) -> Result<Token, Failed> {
    Token::new(&format!("token of {name}")).map_err(Failed::new)
}

fn listen() -> Result<TcpListener, Failed> {
    TcpListener::bind("127.0.0.1:0").map_err(Failed::new)
}

impl Site {
    fn new() -> Result<Self, Failed> {
        let journal = Arc::new(MemoryJournal::new());
        let blobs = Arc::new(MemoryBlobs::default());
        let clock = Arc::new(SteppedClock::default());
        let centre = EmbeddedDataCentre::open(journal.clone(), blobs, 1 << 20);
        let centre = Arc::new(centre.map_err(Failed::new)?);
        let vmm = Vmm::open(journal, centre, clock.clone(), VmmConfig::default());
        let vmm = Arc::new(vmm.map_err(Failed::new)?);
        let ann = id("ann")?;
        vmm.add_user(&ann).map_err(Failed::new)?;
        let service = Uve5Service::new(vmm.clone())
            .with_vm(id("vm-a")?, token("vm-a")?)
            .with_vm(id("vm-b")?, token("vm-b")?);
        let server = service.serve(listen()?).map_err(Failed::new)?;
        Ok(Self {
            vmm,
            clock,
            server,
            ann,
        })
    }

    fn machine(&self, name: &str) -> Result<Machine, Failed> {
        let url = format!("http://{}", self.server.address());
        let vm = Vm::open(
            id(name)?,
            Arc::new(Uve5Client::new(&url, token(name)?)),
            Arc::new(MemoryJournal::new()),
            Arc::new(MemoryBlobs::default()),
            self.clock.clone(),
            VmConfig::default(),
        );
        let vm = Arc::new(vm.map_err(Failed::new)?);
        let service = Uve2Service::new(vm.clone(), token("the VMM")?);
        let server = service.serve(listen()?).map_err(Failed::new)?;
        let manage = Uve2Client::new(&format!("http://{}", server.address()), token("the VMM")?);
        manage
            .deploy_ua(&editor("1", PACKAGE)?, PACKAGE)
            .map_err(Failed::new)?;
        Ok(Machine { vm, manage, server })
    }

    fn select(&self, machine: &Machine) -> Result<Selection, Failed> {
        let selection = self.vmm.select(&self.ann, &id("editor")?, machine.vm.id());
        let selection = selection.map_err(Failed::new)?;
        machine.vm.serve(&selection).map_err(Failed::new)?;
        Ok(selection)
    }

    fn log_in(&self, machine: &Machine) -> Result<Selection, Failed> {
        let selection = self.select(machine)?;
        machine.drive()?;
        machine.is(State::Serving)?;
        Ok(selection)
    }
}

impl Machine {
    fn drive(&self) -> Result<Progress, Failed> {
        self.vm.drive().map_err(Failed::new)
    }

    fn is(&self, state: State) -> Done {
        same(&self.vm.state(), &state)
    }

    fn write(&self, selection: &Selection, text: &[u8]) -> Done {
        let written = self.vm.write_image(&selection.session, 0, text);
        written.map_err(Failed::new)
    }

    fn has(&self, selection: &Selection, text: &[u8]) -> Done {
        let mut octets = vec![0; text.len() + 1];
        let read = self.vm.read_image(&selection.session, 0, &mut octets);
        octets.truncate(read.map_err(Failed::new)?);
        same(&&octets[..], &text)
    }

    fn finish(&self, selection: &Selection) -> Done {
        self.vm.finish(&selection.session).map_err(Failed::new)?;
        self.drive()?;
        self.is(State::Idle)
    }

    fn announce(&self, selection: &Selection, monitor: &UserId) -> Done {
        let notification = MonitoringNotification {
            monitor: monitor.clone(),
            session: selection.session.clone(),
            seconds: None,
        };
        self.manage
            .notify_monitoring(&notification)
            .map_err(Failed::new)
    }
}

fn editor(version: &str, package: &[u8]) -> Result<UaPackage, Failed> {
    Ok(UaPackage {
        ua: id("editor")?,
        version: version.to_owned(),
        digest: Digest::of(package),
    })
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, wanted: &T) -> Done {
    match found == wanted {
        true => Ok(()),
        false => Err(Failed::new(format!("{found:?} instead of {wanted:?}"))),
    }
}

fn uve_2_offers_no_user_images() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    let url = format!("http://{}", machine.server.address());
    for function in ["deploy-uif", "update-uif", "retrieve-uif", "begin-update"] {
        let answer = Uve2Client::new(&url, token("the VMM")?).ask_for(function);
        same(&answer, &Err(Uve2Error::NotSupported))?;
    }
    Ok(())
}

fn a_second_login_sees_the_data_of_the_first() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    let selection = site.log_in(&machine)?;
    machine.has(&selection, b"")?;
    machine.write(&selection, b"first run")?;
    machine.finish(&selection)?;
    let selection = site.log_in(&machine)?;
    machine.has(&selection, b"first run")
}

fn the_image_comes_before_the_user_is_served() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    let selection = site.log_in(&machine)?;
    machine.write(&selection, b"hers")?;
    machine.finish(&selection)?;

    let selection = site.select(&machine)?;
    machine.is(State::Selected)?;
    if machine.write(&selection, b"too early").is_ok() {
        return Err(Failed::new(
            "the user was served before the image was there",
        ));
    }
    machine.drive()?;
    machine.has(&selection, b"hers")
}

fn uve_2_is_exposed_by_the_vm() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    same(&machine.vm.uas().map_err(Failed::new)?.len(), &1)?;
    machine
        .manage
        .delete_ua(&id("editor")?)
        .map_err(Failed::new)?;
    same(&machine.vm.uas().map_err(Failed::new)?.len(), &0)?;
    let url = format!("http://{}", machine.server.address());
    let stranger = Uve2Client::new(&url, token("a stranger")?);
    let answer = stranger.delete_ua(&id("editor")?);
    same(&answer, &Err(Uve2Error::Unauthorized))
}

fn an_announced_user_monitors() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    let selection = site.log_in(&machine)?;
    let teacher = id("teacher")?;
    machine.announce(&selection, &teacher)?;
    machine
        .vm
        .monitor(&selection.session, &teacher)
        .map_err(Failed::new)?;
    machine.is(State::Monitored)
}

fn only_the_named_user_monitors() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    let selection = site.log_in(&machine)?;
    let [teacher, stranger] = [id("teacher")?, id("stranger")?];
    let refused = |user: &UserId| match machine.vm.monitor(&selection.session, user) {
        Err(VmError::NotAuthorized(_)) => Ok(()),
        other => Err(Failed::new(format!("{user} was answered {other:?}"))),
    };
    refused(&teacher)?;
    machine.announce(&selection, &teacher)?;
    refused(&stranger)?;
    machine
        .vm
        .monitor(&selection.session, &teacher)
        .map_err(Failed::new)
}

fn uas_are_deployed_updated_and_deleted() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    let (vm, manage) = (&machine.vm, &machine.manage);
    same(
        &vm.uas().map_err(Failed::new)?,
        &vec![editor("1", PACKAGE)?],
    )?;
    let two = editor("2", b"better")?;
    manage.update_ua(&two, b"better").map_err(Failed::new)?;
    same(&vm.uas().map_err(Failed::new)?, &vec![two])?;
    manage.delete_ua(&id("editor")?).map_err(Failed::new)?;
    same(&vm.uas().map_err(Failed::new)?, &Vec::new())?;
    same(
        &manage.delete_ua(&id("editor")?),
        &Err(Uve2Error::UnknownUa),
    )
}

fn a_monitored_session_is_suspended() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    let selection = site.log_in(&machine)?;
    let suspend = || machine.manage.suspend_session(&selection.session);
    same(&suspend(), &Err(Uve2Error::NotMonitored))?;
    let teacher = id("teacher")?;
    machine.announce(&selection, &teacher)?;
    machine
        .vm
        .monitor(&selection.session, &teacher)
        .map_err(Failed::new)?;
    same(&suspend(), &Ok(()))?;
    machine.is(State::Suspended)
}

fn uve_5_is_exposed_by_the_vmm() -> Done {
    use uve::{Uve5, Uve5Error};

    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    site.log_in(&machine)?;
    let url = format!("http://{}", site.server.address());
    let own = Uve5Client::new(&url, token("vm-a")?);
    own.renew_lease(machine.vm.id(), &site.ann)
        .map_err(Failed::new)?;
    let other = Uve5Client::new(&url, token("vm-b")?);
    let answer = other.retrieve_uif(machine.vm.id(), &site.ann);
    same(&answer, &Err(Uve5Error::NotServing))?;
    let stranger = Uve5Client::new(&url, token("a stranger")?);
    let answer = stranger.retrieve_uif(machine.vm.id(), &site.ann);
    same(&answer, &Err(Uve5Error::Unauthorized))
}

fn a_disconnect_names_session_user_and_ua() -> Done {
    let site = Site::new()?;
    let machine = site.machine("vm-a")?;
    let selection = site.log_in(&machine)?;
    machine
        .vm
        .disconnect(&selection.session)
        .map_err(Failed::new)?;
    machine.drive()?;
    let told: Vec<SessionDisconnect> = site
        .vmm
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            VmmEvent::Disconnected { disconnect, .. } => Some(disconnect),
            _ => None,
        })
        .collect();
    let [disconnect] = &told[..] else {
        return Err(Failed::new(format!("the VMM was told {told:?}")));
    };
    same(&disconnect.session, &selection.session)?;
    same(&disconnect.user, &site.ann)?;
    same(&disconnect.ua, &selection.ua)
}

fn a_switch_updates_before_the_next_vm_serves() -> Done {
    let site = Site::new()?;
    let (a, b) = (site.machine("vm-a")?, site.machine("vm-b")?);
    let first = site.log_in(&a)?;
    a.write(&first, b"on vm-a")?;
    let second = site.select(&b)?;
    match b.drive()? {
        Progress::Waiting { .. } => {}
        other => return Err(Failed::new(format!("vm-b did not wait: {other:?}"))),
    }
    site.clock.advance(Duration::from_secs(1));
    a.finish(&first)?;
    b.drive()?;
    b.has(&second, b"on vm-a")
}
