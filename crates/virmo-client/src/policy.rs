use std::time::Duration;

use omadm_mo::Reporting;
use omadm_syncml::Encoding;
use virmo_hypervisor::Erase;
use virmo_params::{Bytes, Percent, ResourceConfig};

use crate::CpuPolicy;

/// What a [`VirmoClient`](crate::VirmoClient) may decide by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// How long a primitive may take on the machine; default 5 minutes. One that takes longer has
    /// failed: it is reported so, and undone once the hypervisor answers. That it waits for a machine
    /// that another call holds counts: then it changes nothing. Independent of how long the engine
    /// waits before it sends 202.
    pub deadline: Duration,
    /// How the CPU shares have to add up when resources are applied; default
    /// [`CpuPolicy::AtMost`].
    pub cpu: CpuPolicy,
    /// What a VM is entitled to that is created without NewConfig; default 256 MiB of RAM, 1 GiB
    /// of storage, 10 % of the CPU and of the network.
    pub entitlement: ResourceConfig,
    /// How long a guest that is powered off may take to end itself before it is forced; default
    /// 20 seconds. `None` forces it at once.
    pub graceful_power_off: Option<Duration>,
    /// What becomes of the data of a deleted VM; default [`Erase::Discard`].
    pub erase: Erase,
    /// How often to look whether every machine still is what State says, as a guest may end itself
    /// and a hypervisor may fail; default 5 seconds. A back end that
    /// [says so itself](virmo_hypervisor::Hypervisor::on_change) is looked at sooner. `None` looks
    /// at the start only.
    pub watch: Option<Duration>,
    /// Limits and tolerances of downloads.
    pub downloads: omadm_download::Policy,
    /// How many images are downloaded at once; default 4. Others wait for their turn, in State 1.
    pub max_downloads: usize,
    /// How the Exec of a primitive, of ExecUICmd, or of the Delete of an image, is answered; default
    /// [`Reporting::Synchronous`].
    pub reporting: Reporting,
    /// How the Exec of Download is answered; default [`Reporting::Asynchronous`].
    pub download_reporting: Reporting,
    /// How long the user of a VM may take for an answer, if the server does not want it sooner;
    /// default 4 minutes. [VirMO §11.2.2]
    pub interaction_limit: Duration,
    /// How many octets of UI/Command are shown to the user of a VM; a longer one has the Result 416.
    /// Default 16 KiB.
    pub question_octets: usize,
    /// How long a guest may take for an answer to what is forwarded to it; default 25 seconds, which
    /// is less than an engine waits by default before it sends 202, or 408 for a change.
    /// [VirMO §11.2.1]
    pub guest_limit: Duration,
    /// How long a guest may be at a download, an installation or an update that it said it would do,
    /// silent or not; default 1 hour.
    pub guest_operation_limit: Duration,
    /// How many nodes there may be below one DMTree for its guest to tell of one more; default
    /// 10,000. What a guest tells beyond is dropped, with an
    /// [event](crate::Event::GuestNewsDropped). A server may Add more.
    pub guest_nodes: usize,
    /// The same for the octets of the values of these nodes; default 1 MiB.
    pub guest_octets: usize,
    /// The encoding of the messages to guests; default WBXML. A guest has to know both.
    pub guest_encoding: Encoding,
    /// The type of the Generic Alert that brings the final status of an Exec that was answered
    /// with 202; default none: such an alert is not sent, as the specification registers no type
    /// for it, and the server reads State instead.
    ///
    /// A type of the vendor's own, such as `Reversed-Domain-Name: com.example.virmo.result`. The
    /// alert carries the operation's node as Source, the Correlator, Format `int` and the status
    /// as Data. [DM-Protocol §8.6]
    pub alert_type: Option<String>,
    /// The type of the Generic Alert that tells of a State no server asked for: a guest that ended
    /// itself, a machine that crashed or was changed by somebody else, one that can be reached
    /// again; default none: such an alert is not sent.
    ///
    /// A type of the vendor's own, such as `Reversed-Domain-Name: com.example.virmo.state`. The
    /// alert carries the State node as Source, Format `int` and the State as Data; its Mark is
    /// `warning` if a machine crashed or is gone, else `informational`. [VirMO §7.1.3]
    pub state_alert_type: Option<String>,
    /// The type of the Generic Alert that tells of a machine that cannot be told or used, so that
    /// its State is only what it was last; default none: such an alert is not sent.
    ///
    /// Like [`state_alert_type`](Self::state_alert_type), with the Mark `warning`; once until the
    /// machine can be reached again, whatever restarts.
    pub unreachable_alert_type: Option<String>,
    /// What becomes of a machine with our mark, or of the file of an image, that no node names, as
    /// after the journal was lost; default [`UnknownMachines::Report`].
    pub unknown_machines: UnknownMachines,
    /// The type of the Generic Alert that tells of a machine, or an image, that no node names and that
    /// is not adopted; default none: such an alert is not sent.
    ///
    /// A type of the vendor's own, such as `Reversed-Domain-Name: com.example.virmo.unknown`. The
    /// alert carries `./VirMO` as Source, Format `chr`, the machine's VMID as Data and the Mark
    /// `warning`; that of an image `./VMImgMO` and the ImgID. Once for each, whatever restarts.
    pub unknown_alert_type: Option<String>,
}

/// What becomes of a machine with our mark that no node names, found at the start or
/// [while machines are watched](Policy::watch), and of the file of an image that no node names, found at
/// the start. Neither is ever deleted, for nobody knows what a lost tree said of
/// them; VMID and ImgID are not given out again. A machine without our mark is left alone whatever is
/// said here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UnknownMachines {
    /// [`Event::UnknownMachine`](crate::Event::UnknownMachine) or
    /// [`Event::UnknownImage`](crate::Event::UnknownImage) and an alert tell of it; nothing else
    /// happens.
    #[default]
    Report,
    /// It gets a node: `VirMO/<x>` under its VMID, with `-2`, `-3` and so on behind it
    /// where a node has that name. VMID, State and CurrentConfig say what is observed;
    /// CreateParams and Description are empty, as nobody knows the image it was made from. From
    /// then on it is a VM like others; [`Event::Adopted`](crate::Event::Adopted) tells.
    ///
    /// An image gets `VMImgMO/<x>` in the same way, with ImgID, its DownloadedLocation and State 2, or
    /// State 3 if its file is not whole; nobody knows its name, where it came from and what it is
    /// ([`Event::AdoptedImage`](crate::Event::AdoptedImage)). So a server can delete it. No Image Ready
    /// Alert is sent of it: that is how a Download of its node ends [VirMO §12.1], and none was executed
    /// there. The file may be any, and a server that waits for a Download it executed before the tree
    /// was lost is not to take it for that one; it finds the node by reading `VMImgMO`.
    ///
    /// One that is in no state of the specification, or does not fit the tree, is reported, and tried
    /// again at the next start.
    Adopt,
}

impl Default for Policy {
    fn default() -> Self {
        let share = Percent::new(10).unwrap_or_default();
        Self {
            deadline: Duration::from_secs(300),
            cpu: CpuPolicy::default(),
            entitlement: ResourceConfig::new(Bytes::mib(256), Bytes::gib(1), share, share),
            graceful_power_off: Some(Duration::from_secs(20)),
            erase: Erase::Discard,
            watch: Some(Duration::from_secs(5)),
            downloads: omadm_download::Policy::default(),
            max_downloads: 4,
            reporting: Reporting::Synchronous,
            download_reporting: Reporting::Asynchronous,
            interaction_limit: Duration::from_secs(4 * 60),
            question_octets: 16 << 10,
            guest_limit: Duration::from_secs(25),
            guest_operation_limit: Duration::from_secs(3600),
            guest_nodes: 10_000,
            guest_octets: 1 << 20,
            guest_encoding: Encoding::Wbxml,
            alert_type: None,
            state_alert_type: None,
            unreachable_alert_type: None,
            unknown_machines: UnknownMachines::default(),
            unknown_alert_type: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_entitlement_is_the_documented_one() {
        assert_eq!(
            Policy::default().entitlement.to_string(),
            "RAM=268435456&Storage=1073741824&CPU=10&Network=10"
        );
    }
}
