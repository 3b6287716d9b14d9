use omadm_core::{Correlator, GenericAlert, Mark};
use omadm_tree::{Uri, UriError};
use virmo_nodes::{ALERT_IMAGE_READY, ImageNode, ImagePath, Profile, VirmoNode, VmNode};

/// Where the two management objects are on a device, and which text it follows.
///
/// ```
/// use virmo_server::Mounts;
///
/// let mounts = Mounts::default();
/// assert_eq!(mounts.vm("work")?.to_string(), "./VirMO/work");
/// assert_eq!(mounts.image("work")?.to_string(), "./VMImgMO/work");
/// # Ok::<(), omadm_tree::UriError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mounts {
    /// The root of the Virtualization MO.
    pub virmo: Uri,
    /// The root of the VM Image MO.
    pub vmimgmo: Uri,
    /// The text both ends follow; default the approved one.
    pub profile: Profile,
}

impl Mounts {
    /// These roots, of the approved text.
    #[must_use]
    pub const fn new(virmo: Uri, vmimgmo: Uri) -> Self {
        Self {
            virmo,
            vmimgmo,
            profile: Profile::Approved,
        }
    }

    /// The same roots on a device that follows another text.
    #[must_use]
    pub const fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The address of the machine with this name in the tree.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn vm(&self, name: &str) -> Result<Uri, UriError> {
        self.virmo.child(name)
    }

    /// The address of the image with this name in the tree.
    ///
    /// # Errors
    ///
    /// [`UriError`] for a text that is no name of a node.
    pub fn image(&self, name: &str) -> Result<Uri, UriError> {
        self.vmimgmo.child(name)
    }

    /// A node of the machine at an address; where the profile has none, that of the other.
    pub(crate) fn vm_node(&self, vm: &Uri, node: VmNode) -> Uri {
        place(self.profile, vm, node)
    }

    pub(crate) fn device(&self, node: VirmoNode) -> Uri {
        node.of(&self.virmo)
    }
}

/// A node of the machine at an address; where the profile has none, that of the other, which the
/// device answers with 404.
pub(crate) fn place(profile: Profile, vm: &Uri, node: VmNode) -> Uri {
    profile.node(node, vm).unwrap_or_else(|| node.of(vm))
}

impl Default for Mounts {
    /// `./VirMO` and `./VMImgMO`.
    fn default() -> Self {
        let root = |name| Uri::root().child(name).unwrap_or_else(|_| Uri::root());
        Self::new(root("VirMO"), root("VMImgMO"))
    }
}

/// The Image Ready Alert: an image is completely downloaded. [VirMO §12.1]
///
/// ```
/// use omadm_core::{Format, GenericAlert};
/// use virmo_server::{ImageReady, Mounts};
///
/// let mut alert = GenericAlert::new("urn:oma:at:oma-virmo:imageready:1.0", Format::Xml);
/// alert.source = Some("./VMImgMO/work/Operations/Download".to_owned());
/// let ready = ImageReady::of(&alert, &Mounts::default());
/// assert_eq!(ready.map(|ready| ready.image).as_deref(), Some("work"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ImageReady {
    /// The name of the image in the tree.
    pub image: String,
    /// The Correlator of the Exec that asked for the download.
    pub correlator: Option<Correlator>,
    /// The importance.
    pub mark: Option<Mark>,
}

impl ImageReady {
    /// The alert, if it is one: by its type, and the Download node as its Source.
    ///
    /// Format and data do not matter: the specification demands `xml` and defines no content, so
    /// some devices send none, some an empty one.
    #[must_use]
    pub fn of(alert: &GenericAlert, mounts: &Mounts) -> Option<Self> {
        if alert.alert_type.trim() != ALERT_IMAGE_READY {
            return None;
        }
        let source = Uri::parse(alert.source.as_deref()?.trim()).ok()?;
        let path = ImagePath::parse(&mounts.vmimgmo, &source)?;
        (path.node == ImageNode::Download).then(|| Self {
            image: path.image.to_owned(),
            correlator: alert.correlator.clone(),
            mark: alert.mark,
        })
    }
}

#[cfg(test)]
mod tests {
    use omadm_core::Format;

    use super::*;

    fn alert(alert_type: &str, source: Option<&str>, data: &str) -> GenericAlert {
        let mut alert = GenericAlert::new(alert_type, Format::Xml);
        alert.source = source.map(str::to_owned);
        alert.data = data.to_owned();
        alert
    }

    fn image(alert: &GenericAlert) -> Option<String> {
        ImageReady::of(alert, &Mounts::default()).map(|ready| ready.image)
    }

    /// VR-249, VR-252: type and Source make the alert; the data may be anything.
    #[test]
    fn the_image_ready_alert_is_known_by_type_and_source() {
        let download = Some("./VMImgMO/entvm/Operations/Download");
        for data in ["", "<x/>", "200"] {
            let alert = alert("\n  urn:oma:at:oma-virmo:imageready:1.0 ", download, data);
            assert_eq!(image(&alert).as_deref(), Some("entvm"));
        }
        for (alert_type, source) in [
            ("urn:oma:at:oma-virmo:imageready:1.1", download),
            (ALERT_IMAGE_READY, Some("./VMImgMO/entvm/Operations/Delete")),
            (ALERT_IMAGE_READY, Some("./VMImgMO/entvm")),
            (ALERT_IMAGE_READY, Some("./VirMO/entvm/Operations/Download")),
            (ALERT_IMAGE_READY, Some("//")),
            (ALERT_IMAGE_READY, None),
        ] {
            assert_eq!(image(&alert(alert_type, source, "")), None, "{source:?}");
        }
    }

    #[test]
    fn roots_may_be_elsewhere() {
        let uri = |text| Uri::parse(text).unwrap();
        let mounts = Mounts::new(uri("./Vendor/V"), uri("./Vendor/I"));
        let alert = alert(
            ALERT_IMAGE_READY,
            Some("./Vendor/I/a/Operations/Download"),
            "",
        );
        let ready = ImageReady::of(&alert, &mounts).unwrap();
        assert_eq!(ready.image, "a");
        assert!(mounts.vm("a/b").is_err());
    }
}
