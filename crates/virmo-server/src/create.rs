use omadm_session::{Reply, Report};
use omadm_tree::Uri;
use virmo_nodes::{ImageNode, Profile, VmNode};
use virmo_params::{CreateParams, ImageId, ResourceConfig};
use virmo_state::{Primitive, VmId, VmState};

use crate::{
    flow::{Done, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    mounts::place,
    operate::{judge_gone, judge_state},
    read::Faults,
};

/// Creates a virtual machine from an image. [VirMO §10.2]
///
/// 1. Read the image's ImgID, unless it is known.
/// 2. Add `VirMO/<x>`; that it is there already does not matter.
/// 3. Set CreateParams, and the Description and NewConfig if there are.
/// 4. Exec `Operations/Create`, and wait for its end: the Status, or after 202 the alert that
///    repeats the Correlator. Each further session that brings none reads State.
/// 5. Read VMID, State and CurrentConfig.
///
/// 6. Delete the image, if that was [asked for](Self::without_image): the sub-tree of the one it was
///    made from, once the machine is as wanted.
///
/// It succeeds when State is Running, or PoweredOff if that was asked for; the report's status is
/// that of the Exec.
///
/// ```
/// use virmo_server::{CreateVm, Mounts};
///
/// let mounts = Mounts::default();
/// let create = CreateVm::new(mounts.vm("work")?, mounts.image("work")?)
///     .powered_off()
///     .with_description("Work");
/// assert_eq!(create.outcome(), None);
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct CreateVm {
    vm: Uri,
    image: ImageSource,
    running: bool,
    description: Option<String>,
    resources: Option<ResourceConfig>,
    /// The image that goes afterwards.
    used_up: Option<Uri>,
    profile: Profile,
    phase: Phase,
    outcome: Option<CreatedVm>,
    flow: Flow,
}

/// The image a machine is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ImageSource {
    /// Its address in the tree; the ImgID is read from there.
    Node(Uri),
    /// Its ImgID.
    Id(ImageId),
}

impl From<Uri> for ImageSource {
    fn from(node: Uri) -> Self {
        Self::Node(node)
    }
}

impl From<ImageId> for ImageSource {
    fn from(id: ImageId) -> Self {
        Self::Id(id)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    FindImage,
    Make,
    Write,
    Run,
    Read,
    Report,
    Delete,
}

/// What a device says about a machine that was created.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct CreatedVm {
    /// VMID: the identifier the device gave it.
    pub id: Option<VmId>,
    /// State.
    pub state: Option<VmState>,
    /// CurrentConfig: what it may use of the device.
    pub config: Option<ResourceConfig>,
}

impl CreateVm {
    /// A running machine at this address in the tree, from this image.
    pub fn new(vm: Uri, image: impl Into<ImageSource>) -> Self {
        Self {
            vm,
            image: image.into(),
            running: true,
            description: None,
            resources: None,
            used_up: None,
            profile: Profile::Approved,
            phase: Phase::FindImage,
            outcome: None,
            flow: Flow::default(),
        }
    }

    /// Powered off instead.
    #[must_use]
    pub const fn powered_off(mut self) -> Self {
        self.running = false;
        self
    }

    /// With this Description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// With this entitlement, put into NewConfig before the Exec; otherwise the device decides.
    #[must_use]
    pub fn with_resources(mut self, resources: ResourceConfig) -> Self {
        self.resources = Some(resources);
        self
    }

    /// Deletes this image once the machine is there: step 5 of the procedure, which is the server's
    /// choice, for an image that is not used again. Default: it stays. [VirMO §10.2 step 5]
    #[must_use]
    pub fn without_image(mut self, image: Uri) -> Self {
        self.used_up = Some(image);
        self
    }

    /// On a device that follows this text; default the approved one.
    #[must_use]
    pub const fn in_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// What the device says about the machine, once it was read.
    #[must_use]
    pub const fn outcome(&self) -> Option<&CreatedVm> {
        self.outcome.as_ref()
    }

    const fn primitive(&self) -> Primitive {
        if self.running {
            Primitive::Create
        } else {
            Primitive::CreateAndPoweroff
        }
    }

    /// Takes the ImgID that was read; the report of the failure if it is none.
    fn find_image(&mut self, done: Done<'_>) -> Option<Report> {
        let [reply] = done.replies else {
            return None;
        };
        let mut faults = Faults::default();
        match faults.value::<ImageId>(reply) {
            Some(id) => {
                self.image = ImageSource::Id(id);
                None
            }
            None if reply.is_success() => {
                let empty = || format!("{}: empty", reply.uri());
                let detail = faults.0.pop().unwrap_or_else(empty);
                Some(Report::failure(reply.status(), detail))
            }
            None => Some(failure(reply)),
        }
    }

    fn writes(&self, id: &ImageId) -> Vec<Write> {
        let node = |node: VmNode| place(self.profile, &self.vm, node);
        let mut params = CreateParams::new(id.clone());
        params.running = self.running;
        let params = Write::required(node(VmNode::CreateParams), params.to_string());
        let description = self
            .description
            .as_deref()
            .map(|text| Write::required(node(VmNode::Description), text));
        let resources = self
            .resources
            .as_ref()
            .map(|config| Write::optional(node(VmNode::NewConfig), config.to_string()));
        [Some(params), description, resources]
            .into_iter()
            .flatten()
            .collect()
    }

    fn report(&mut self, done: Done<'_>) -> Report {
        let [id, state, config] = done.replies else {
            return Report::new(false, done.status);
        };
        let mut faults = Faults::default();
        let vm = CreatedVm {
            id: faults.value(id),
            state: faults.vm_state(state),
            config: faults.value(config),
        };
        let wanted = VmState::NotCreated.after(self.primitive()).ok();
        let mut report = Report::new(vm.state == wanted, done.status);
        if !report.ok {
            report.detail = Some(match vm.state {
                Some(state) => format!("{}: {state}", self.vm),
                None => failure(state).detail.unwrap_or_default(),
            });
        }
        self.outcome = Some(vm);
        report
    }
}

impl Script for CreateVm {
    fn next(&mut self, done: Done<'_>) -> Next {
        if self.phase == Phase::Make
            && let Some(report) = self.find_image(done)
        {
            return Next::Report(report);
        }
        let node = |node: VmNode| place(self.profile, &self.vm, node);
        let (phase, stage) = match (self.phase, &self.image) {
            (Phase::FindImage | Phase::Make | Phase::Write, ImageSource::Node(image)) => {
                (Phase::Make, Stage::Read(vec![ImageNode::ImgId.of(image)]))
            }
            (Phase::FindImage | Phase::Make, ImageSource::Id(_)) => {
                (Phase::Write, Stage::Make(self.vm.clone(), None))
            }
            (Phase::Write, ImageSource::Id(id)) => (Phase::Run, Stage::Write(self.writes(id))),
            (Phase::Run, _) => {
                let run = Stage::Run {
                    node: node(VmNode::Create),
                    check: node(VmNode::State),
                };
                (Phase::Read, run)
            }
            (Phase::Read, _) => {
                let nodes = [VmNode::VmId, VmNode::State, VmNode::CurrentConfig];
                (Phase::Report, Stage::Read(nodes.map(node).to_vec()))
            }
            (Phase::Report, _) => {
                let report = self.report(done);
                match &self.used_up {
                    Some(image) if report.ok => {
                        let run = Stage::Run {
                            node: ImageNode::Delete.of(image),
                            check: image.clone(),
                        };
                        (Phase::Delete, run)
                    }
                    _ => return Next::Report(report),
                }
            }
            (Phase::Delete, _) => return Next::Report(Report::new(true, done.status)),
        };
        self.phase = phase;
        Next::Stage(stage)
    }

    fn judge(&self, check: &Reply, _: bool) -> Judgement {
        if self.phase == Phase::Delete {
            return judge_gone(check);
        }
        judge_state(self.primitive(), check)
    }
}

procedure!(CreateVm);
