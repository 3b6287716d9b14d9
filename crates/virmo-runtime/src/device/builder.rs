use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

use omadm_client::{Client, Config};
use omadm_core::{Journal, MemoryJournal, ServerId, upgrade};
use omadm_download::{Fetch, Sink};
use omadm_http::{ClientConfig, FetchConfig, HttpFetch, HttpTransport, SystemClock};
use omadm_mo::{DevDetail, DevInfo, ManagementObject, Registry};
use omadm_store::{FileSink, RedbJournal};
use omadm_tree::{Acl, Tree, TreeLimits, Uri};
use tempfile::TempDir;
use virmo_client::{GuestLink, Policy, Profile, VirmoClient, VmUserInterface};
use virmo_hypervisor::Hypervisor;

use super::{
    Asker, BuildError, Device, DeviceEvent, Exchanger, Lanes, Message, Observer, Parts, Shared,
    Transport, Unattended, UserInterface, state,
};
use crate::{clock::Clocks, random};

/// Puts a [`Device`] together; from [`Device::builder`].
///
/// Everything has a default but the hypervisor, the server and the device's identity.
#[must_use = "a builder does nothing until it is built"]
pub struct DeviceBuilder {
    hypervisor: Arc<dyn Hypervisor>,
    config: Config,
    info: DevInfo,
    detail: DevDetail,
    policy: Policy,
    profile: Profile,
    limits: TreeLimits,
    state: Option<PathBuf>,
    journal: Option<Arc<dyn Journal>>,
    sink: Option<Arc<dyn Sink>>,
    fetch: Option<Arc<dyn Fetch>>,
    transport: Option<Arc<dyn Transport>>,
    interface: Arc<dyn UserInterface>,
    vm_interface: Option<Arc<dyn VmUserInterface>>,
    link: Option<Arc<GuestLink>>,
    objects: Vec<Box<dyn ManagementObject>>,
    observer: Observer,
}

impl Device {
    /// Starts building a device that runs VMs on `hypervisor`, is managed as `config` says, and
    /// calls itself `info`.
    ///
    /// Where the server's account is says [`Config::accounts`].
    pub fn builder(
        hypervisor: Arc<dyn Hypervisor>,
        config: Config,
        info: DevInfo,
    ) -> DeviceBuilder {
        let version = || env!("CARGO_PKG_VERSION").to_owned();
        let detail = DevDetail {
            dev_typ: "virtualization host".to_owned(),
            oem: info.man.clone(),
            fwv: version(),
            swv: version(),
            hwv: version(),
            lrg_obj: true,
            uri: TreeLimits::default().uri,
        };
        DeviceBuilder {
            hypervisor,
            config,
            info,
            detail,
            policy: Policy::default(),
            profile: Profile::default(),
            limits: TreeLimits::default(),
            state: None,
            journal: None,
            sink: None,
            fetch: None,
            transport: None,
            interface: Arc::new(Unattended::Reject),
            vm_interface: None,
            link: None,
            objects: Vec::new(),
            observer: Arc::new(|_| {}),
        }
    }
}

impl DeviceBuilder {
    /// Keeps the tree in `device.redb` and images in `images/` of this folder, which is created if
    /// need be. A damaged `device.redb` is
    /// [set aside](DeviceEvent::JournalSetAside), and the device begins with an empty tree; of its
    /// machines [`Policy::unknown_machines`] decides. Without a folder, and without a [`journal`](Self::journal) and a [`sink`](Self::sink),
    /// nothing outlives the device.
    pub fn state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = Some(folder.into());
        self
    }

    /// What `./DevDetail` says; its URI limits are those of the tree. Default: a virtualization
    /// host with the versions of this crate.
    pub fn detail(mut self, detail: DevDetail) -> Self {
        self.detail = detail;
        self
    }

    /// What the VirMO Client may decide by itself.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Follows the draft of VirMO 1.0 instead of the approved text. A state folder with VMs stays
    /// with its profile: the device does not start in another.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// What the tree may grow to; its URI limits are what `./DevDetail/URI` says.
    pub fn tree_limits(mut self, limits: TreeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// A journal of the vendor's own instead of the file in the state folder.
    pub fn journal(mut self, journal: Arc<dyn Journal>) -> Self {
        self.journal = Some(journal);
        self
    }

    /// A place of the vendor's own for images.
    pub fn sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Another way to fetch images than HTTP.
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// Another way to the server than HTTP.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Who answers what the server asks the person at the device. Default:
    /// [`Unattended::Reject`].
    pub fn user_interface(mut self, interface: Arc<dyn UserInterface>) -> Self {
        self.interface = interface;
        self
    }

    /// Who answers what the server asks the user of a VM. Default: the one who answers for the
    /// device, the texts beginning with the name of the VM's node. [VirMO §11.2.2]
    pub fn vm_user_interface(mut self, interface: Arc<dyn VmUserInterface>) -> Self {
        self.vm_interface = Some(interface);
        self
    }

    /// Reaches the guests of VMs by this link, where others use it too: as
    /// [`vm_user_interface`](Self::vm_user_interface), so that guests ask their users themselves, or
    /// for a gateway. A guest is to hear one host, so there is one link. Default: one of its own.
    pub fn guest_link(mut self, link: Arc<GuestLink>) -> Self {
        self.link = Some(link);
        self
    }

    /// A further management object.
    pub fn object(mut self, object: Box<dyn ManagementObject>) -> Self {
        self.objects.push(object);
        self
    }

    /// Lets somebody hear of everything that happens.
    pub fn observer(mut self, observer: impl Fn(&DeviceEvent) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Opens the state, starts the objects, and takes up what the last run left open.
    ///
    /// # Errors
    /// A [`BuildError`] if the state cannot be opened or read, or an object does not start.
    pub fn build(mut self) -> Result<Device, BuildError> {
        let clock = Clocks::new();
        let scratch = Scratch::open(self.state.as_deref(), self.sink.is_none())?;
        let journal = match (self.journal, &self.state) {
            (Some(journal), _) => journal,
            (None, Some(folder)) => {
                let file = folder.join("device.redb");
                let (journal, aside) = RedbJournal::open_or_set_aside(file)?;
                if let Some(file) = aside {
                    (self.observer)(&DeviceEvent::JournalSetAside { file });
                }
                Arc::new(journal)
            }
            (None, None) => Arc::new(MemoryJournal::new()) as Arc<dyn Journal>,
        };
        upgrade(&*journal, &state::records())?;
        let sink = match self.sink {
            Some(sink) => sink,
            None => Arc::new(FileSink::open(scratch.images())?) as Arc<dyn Sink>,
        };
        let fetch = match self.fetch {
            Some(fetch) => fetch,
            None => Arc::new(HttpFetch::new(FetchConfig::default())) as Arc<dyn Fetch>,
        };
        let transport = match self.transport {
            Some(transport) => transport,
            None => {
                let mut http = ClientConfig::default();
                http.allow_short_media_types = self.config.limits.allow_short_media_types;
                Arc::new(HttpTransport::new(http)) as Arc<dyn Transport>
            }
        };

        let mut registry = Registry::new();
        let detail = DevDetail {
            uri: self.limits.uri,
            ..self.detail
        };
        registry.mount(Box::new(self.info.object()))?;
        registry.mount(Box::new(detail.object()))?;
        let tree = Tree::load(&*journal, self.limits, root_acl(&self.config.server_id))?;
        if let Some(other) = self.profile.other_in(&tree, &Uri::parse("./VirMO")?) {
            return Err(BuildError::Profile(other));
        }
        registry.mount(Box::new(self.config.accounts(&tree)?))?;
        let interface = Arc::new(Shared::new(self.interface));
        let vm_interface = self.vm_interface.unwrap_or_else(|| interface.clone());
        let observer = Arc::clone(&self.observer);
        let mut virmo = VirmoClient::builder(
            self.hypervisor,
            fetch,
            sink,
            Arc::clone(&journal),
            Arc::new(SystemClock::new()),
        )
        .policy(self.policy)
        .profile(self.profile)
        .user_interface(vm_interface)
        .observer(move |event| observer(&DeviceEvent::Virmo(event)));
        if let Some(link) = self.link {
            virmo = virmo.guest_link(link);
        }
        let virmo = virmo.build()?;
        let users = virmo.users();
        registry.mount(Box::new(virmo))?;
        for object in self.objects {
            registry.mount(object)?;
        }

        let retry = self.config.alert_retry;
        let client = Client::new(self.config, tree, registry, journal, clock.now())?
            .with_random(random::octets);

        let (outbox, inbox) = mpsc::channel();
        let answers = outbox.clone();
        let exchanger = Exchanger::start(transport, move |answer| {
            drop(answers.send(Message::Answer(answer)));
        })
        .map_err(BuildError::Thread)?;
        let ends = outbox.clone();
        let lanes = Lanes::new(move |job, end| drop(ends.send(Message::JobEnded(job, end))));
        let answers = outbox.clone();
        let asker = Asker::start(interface, move |question, answer| {
            drop(answers.send(Message::Answered(question, answer)));
        })
        .map_err(BuildError::Thread)?;
        let parts = Parts {
            client,
            users,
            clock,
            retry,
            exchanger,
            lanes,
            asker,
            observer: self.observer,
            inbox,
            outbox,
            notifications: Arc::default(),
            _scratch: scratch,
        };
        Ok(Device::new(parts, random::session_id()))
    }
}

impl fmt::Debug for DeviceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceBuilder")
            .field("config", &self.config)
            .field("info", &self.info)
            .field("policy", &self.policy)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Every server may look and add, the configured one may do everything.
fn root_acl(server: &ServerId) -> Acl {
    let text = format!("Add=*&Delete={server}&Exec={server}&Get=*&Replace={server}");
    // A ServerId is what the grammar of an ACL takes; the default is the specification's.
    text.parse().unwrap_or_default()
}

/// Where files go: the state folder, or a temporary one that goes with the device.
pub(crate) enum Scratch {
    State(PathBuf),
    Temporary(TempDir),
    None,
}

impl Scratch {
    fn open(state: Option<&Path>, needed: bool) -> Result<Self, BuildError> {
        match state {
            Some(folder) => {
                omadm_store::create_private_directory(folder).map_err(BuildError::Folder)?;
                Ok(Self::State(folder.to_owned()))
            }
            None if needed => Ok(Self::Temporary(TempDir::new().map_err(BuildError::Folder)?)),
            None => Ok(Self::None),
        }
    }

    fn images(&self) -> PathBuf {
        match self {
            Self::State(folder) => folder.join("images"),
            Self::Temporary(folder) => folder.path().join("images"),
            Self::None => PathBuf::new(),
        }
    }
}
