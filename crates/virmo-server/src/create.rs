use omadm_core::StatusCode;
use omadm_session::{Reply, Report};
use omadm_tree::Uri;
use virmo_nodes::{ImageNode, Profile, VmNode};
use virmo_params::{CreateParams, ImageId, ResourceConfig};
use virmo_state::{Primitive, VmId, VmState};

use crate::{
    flow::{Change, Done, Fate, Flow, Judgement, Next, Script, Stage, Write, failure, procedure},
    mounts::place,
    operate::{judge_gone, judge_state},
    read::Faults,
};

/// Creates a virtual machine from an image. [VirMO §10.2]
///
/// 1. Read State and CreateParams, for a machine that an earlier run of the server made of this image
///    is not made again; and the image's ImgID, unless it is known.
/// 2. Add `VirMO/<x>`; that it is there already does not matter.
/// 3. Set CreateParams, and the Description and NewConfig if there are; delete a NewConfig that is
///    there and was not asked for.
/// 4. Exec `Operations/Create`, and wait for its end: the Status, or after 202 the alert that
///    repeats the Correlator. Each further session that brings none reads State.
/// 5. Read VMID, State and CurrentConfig.
///
/// 6. Delete the image, if that was [asked for](Self::without_image): the sub-tree of the one it was
///    made from, once the machine is as wanted.
///
/// It succeeds when State is Running, or PoweredOff if that was asked for; the report's status is
/// that of the Exec. After a failure that is final, NewConfig becomes what it was, and the node goes
/// if this procedure added it and State is still 0; while the Exec may go on, both stay.
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
    /// What was changed.
    changes: Vec<Change>,
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
    Look,
    Looked,
    /// What was there is read.
    Compare,
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
            changes: Vec::new(),
            phase: Phase::Look,
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
    fn find_image(&mut self, reply: &Reply) -> Option<Report> {
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

    /// What is to be written, and whether the device makes the leaf by itself.
    fn wanted(&self) -> Vec<(VmNode, String, bool)> {
        let mut wanted = Vec::new();
        if let ImageSource::Id(id) = &self.image {
            let mut params = CreateParams::new(id.clone());
            params.running = self.running;
            wanted.push((VmNode::CreateParams, params.to_string(), true));
        }
        let description = self.description.iter();
        wanted.extend(description.map(|text| (VmNode::Description, text.clone(), true)));
        let resources = self.resources.iter();
        wanted.extend(resources.map(|config| (VmNode::NewConfig, config.to_string(), false)));
        wanted
    }

    /// Sets what these replies do not show to be there; the last one is of NewConfig.
    fn write(&mut self, there: &[Reply]) -> Stage {
        let config = place(self.profile, &self.vm, VmNode::NewConfig);
        let before = there.last().and_then(Reply::text);
        let before = before.filter(|text| !text.is_empty()).map(str::to_owned);
        let made = self.resources.as_ref().map(ToString::to_string);
        let stale = before.clone().filter(|_| made.is_none());
        let stale = stale.map(|_| Write::delete(config.clone()));
        if let Some(made) = made {
            let is_had = before.as_ref() == Some(&made);
            if !is_had || self.flow.policy.resumed {
                let before = before.as_deref().filter(|_| !is_had);
                self.changes.push(Change::leaf(config, made, before));
            }
        }
        let there = there.iter().map(Reply::text);
        let there = there.chain(std::iter::repeat(None));
        let wanted = self.wanted().into_iter().zip(there);
        let writes = wanted.filter_map(|((node, text, is_required), there)| {
            let uri = place(self.profile, &self.vm, node);
            match is_required {
                _ if there == Some(text.as_str()) => None,
                true => Some(Write::required(uri, text)),
                false => Some(Write::optional(uri, text)),
            }
        });
        Stage::Write(stale.into_iter().chain(writes).collect())
    }

    fn read(&self) -> Stage {
        let nodes = [VmNode::VmId, VmNode::State, VmNode::CurrentConfig];
        let nodes = nodes.map(|node| place(self.profile, &self.vm, node));
        Stage::Read(nodes.to_vec())
    }

    fn after_look(&mut self, done: Done<'_>) -> Next {
        let (state, params, image) = match done.replies {
            [state, params] => (state, params, None),
            [state, params, image] => (state, params, Some(image)),
            _ => return Next::Report(Report::new(false, done.status)),
        };
        for reply in [state, params] {
            if !reply.is_success() && reply.status() != Some(StatusCode::NOT_FOUND) {
                return Next::Report(failure(reply));
            }
        }
        let failed = image.and_then(|image| self.find_image(image));
        // The image of a machine that is there may be gone.
        let params = Faults::default().value::<CreateParams>(params);
        let is_ours = params.is_some_and(|params| match &self.image {
            ImageSource::Id(id) => params.image == *id && params.running == self.running,
            ImageSource::Node(_) => self.used_up.is_some() && params.running == self.running,
        });
        let wanted = VmState::NotCreated.after(self.primitive()).ok();
        if is_ours && Faults::default().vm_state(state) == wanted {
            self.phase = Phase::Report;
            return Next::Stage(self.read());
        }
        let found = Faults::default().vm_state(state);
        if let Some(found) = found.filter(|state| *state != VmState::NotCreated) {
            let detail = format!("{}: it exists already: {found}", self.vm);
            let code = StatusCode::COMMAND_NOT_ALLOWED;
            return Next::Report(Report::failure(Some(code), detail));
        }
        if let Some(failed) = failed {
            return Next::Report(failed);
        }
        if state.is_success() {
            self.phase = Phase::Compare;
            let nodes = self.wanted().into_iter();
            let nodes = nodes.map(|(node, ..)| node);
            let nodes = nodes.filter(|node| *node != VmNode::NewConfig);
            let nodes = nodes.chain([VmNode::NewConfig]);
            let nodes = nodes.map(|node| place(self.profile, &self.vm, node));
            return Next::Stage(Stage::Read(nodes.collect()));
        }
        self.phase = Phase::Write;
        Next::Stage(Stage::Make(self.vm.clone(), None))
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
        // Without an Exec it was there already.
        let status = done.status.or(Some(StatusCode::OK));
        let mut report = Report::new(vm.state == wanted, status);
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
        let node = |node: VmNode| place(self.profile, &self.vm, node);
        let (phase, stage) = match self.phase {
            Phase::Look => {
                let mut nodes = vec![node(VmNode::State), node(VmNode::CreateParams)];
                if let ImageSource::Node(image) = &self.image {
                    nodes.push(ImageNode::ImgId.of(image));
                }
                (Phase::Looked, Stage::Read(nodes))
            }
            Phase::Looked => return self.after_look(done),
            Phase::Compare => (Phase::Run, self.write(done.replies)),
            Phase::Write => {
                // It was not there before.
                let state = place(self.profile, &self.vm, VmNode::State);
                let uncreated = VmState::NotCreated.value().to_string();
                let added = Change::node(self.vm.clone(), state, uncreated);
                let stage = self.write(&[]);
                self.changes.push(added);
                (Phase::Run, stage)
            }
            Phase::Run => {
                let run = Stage::run(node(VmNode::Create), vec![node(VmNode::State)]);
                (Phase::Read, run)
            }
            Phase::Read => (Phase::Report, self.read()),
            Phase::Report => {
                let report = self.report(done);
                match &self.used_up {
                    Some(image) if report.ok => {
                        let run = Stage::run(ImageNode::Delete.of(image), vec![image.clone()]);
                        (Phase::Delete, run)
                    }
                    _ => return Next::Report(report),
                }
            }
            Phase::Delete => return Next::Report(Report::new(true, done.status)),
        };
        self.phase = phase;
        Next::Stage(stage)
    }

    fn judge(&self, check: &Reply, _: Fate) -> Judgement {
        if self.phase == Phase::Delete {
            return judge_gone(check);
        }
        judge_state(self.primitive(), check)
    }

    fn changes(&self, open: bool) -> Vec<Change> {
        let changes = self.changes.iter().filter(|_| !open);
        changes.cloned().collect()
    }
}

procedure!(CreateVm);
