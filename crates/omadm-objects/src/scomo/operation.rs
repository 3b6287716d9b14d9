use crate::ResultCode;

/// The part of SCOMO an operation belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ScomoBranch {
    /// `Download`: packages to be downloaded.
    Download,
    /// `Inventory/Delivered`: packages the device has.
    Delivered,
    /// `Inventory/Deployed`: components that are installed.
    Deployed,
}

/// What can be executed below `Operations` of a package or a component.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScomoOperation {
    /// Downloads a package.
    Download,
    /// Downloads and installs it; its components are active.
    DownloadInstall,
    /// Downloads and installs it; its components are inactive.
    DownloadInstallInactive,
    /// Installs a package; its components are active.
    Install,
    /// Installs a package; its components are inactive.
    InstallInactive,
    /// Removes a package; its components stay.
    RemovePackage,
    /// Activates a component.
    Activate,
    /// Deactivates a component.
    Deactivate,
    /// Removes a component, active or not.
    Remove,
}

impl ScomoBranch {
    /// Its path below the root.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Download => "Download",
            Self::Delivered => "Inventory/Delivered",
            Self::Deployed => "Inventory/Deployed",
        }
    }
}

impl ScomoOperation {
    /// Every operation, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Download,
        Self::DownloadInstall,
        Self::DownloadInstallInactive,
        Self::Install,
        Self::InstallInactive,
        Self::RemovePackage,
        Self::Activate,
        Self::Deactivate,
        Self::Remove,
    ];

    /// The part it belongs to.
    #[must_use]
    pub const fn branch(self) -> ScomoBranch {
        match self {
            Self::Download | Self::DownloadInstall | Self::DownloadInstallInactive => {
                ScomoBranch::Download
            }
            Self::Install | Self::InstallInactive | Self::RemovePackage => ScomoBranch::Delivered,
            Self::Activate | Self::Deactivate | Self::Remove => ScomoBranch::Deployed,
        }
    }

    /// The name of its node.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Download => "Download",
            Self::DownloadInstall => "DownloadInstall",
            Self::DownloadInstallInactive => "DownloadInstallInactive",
            Self::Install => "Install",
            Self::InstallInactive => "InstallInactive",
            Self::RemovePackage | Self::Remove => "Remove",
            Self::Activate => "Activate",
            Self::Deactivate => "Deactivate",
        }
    }

    /// The operation of a node. Names are case sensitive.
    #[must_use]
    pub fn from_name(branch: ScomoBranch, name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.branch() == branch && operation.name() == name)
    }

    /// Whether it leaves components active.
    #[must_use]
    pub const fn activates(self) -> bool {
        matches!(self, Self::DownloadInstall | Self::Install | Self::Activate)
    }

    /// The Status of its node while it is under way; downloads go on to 50 with an installation.
    #[must_use]
    pub const fn progress(self) -> i32 {
        match self {
            Self::Download | Self::DownloadInstall | Self::DownloadInstallInactive => 30,
            Self::Install | Self::InstallInactive => 40,
            Self::RemovePackage | Self::Remove => 30,
            Self::Activate => 50,
            Self::Deactivate => 70,
        }
    }

    /// The Status of its node after it failed; with the package kept, where there is one.
    pub(super) const fn failed(self) -> i32 {
        match self {
            Self::Download | Self::DownloadInstall | Self::DownloadInstallInactive => 20,
            Self::Install | Self::InstallInactive => 50,
            Self::RemovePackage | Self::Remove => 20,
            Self::Activate => 40,
            Self::Deactivate => 60,
        }
    }

    /// What went wrong when nothing more is known.
    pub(super) const fn failure(self) -> ResultCode {
        match self {
            Self::Download | Self::DownloadInstall | Self::DownloadInstallInactive => {
                ResultCode::SCOMO_DOWNLOAD_FAILED
            }
            Self::Install | Self::InstallInactive => ResultCode::SCOMO_INSTALL_FAILED,
            Self::RemovePackage | Self::Remove => ResultCode::SCOMO_REMOVE_FAILED,
            Self::Activate => ResultCode::SCOMO_ACTIVATE_FAILED,
            Self::Deactivate => ResultCode::SCOMO_DEACTIVATE_FAILED,
        }
    }
}
