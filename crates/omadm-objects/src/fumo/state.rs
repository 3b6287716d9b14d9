/// The value of `State`: what became of a package.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FumoState {
    /// 10: nothing is pending.
    Idle,
    /// 20: the download failed.
    DownloadFailed,
    /// 30: the package is on its way.
    DownloadProgressing,
    /// 40: the package is downloaded.
    DownloadComplete,
    /// 50: the package came over DM.
    ReadyToUpdate,
    /// 60: the update is under way.
    UpdateProgressing,
    /// 70: the update failed, the package is still there.
    UpdateFailedHaveData,
    /// 80: the update failed, the package is gone.
    UpdateFailedNoData,
    /// 90: the update is done, the package is still there.
    UpdateSuccessfulHaveData,
    /// 100: the update is done, the package is gone.
    UpdateSuccessfulNoData,
}

impl FumoState {
    /// Every state, by value.
    pub const ALL: [Self; 10] = [
        Self::Idle,
        Self::DownloadFailed,
        Self::DownloadProgressing,
        Self::DownloadComplete,
        Self::ReadyToUpdate,
        Self::UpdateProgressing,
        Self::UpdateFailedHaveData,
        Self::UpdateFailedNoData,
        Self::UpdateSuccessfulHaveData,
        Self::UpdateSuccessfulNoData,
    ];

    /// The value in the tree.
    #[must_use]
    pub const fn value(self) -> u8 {
        match self {
            Self::Idle => 10,
            Self::DownloadFailed => 20,
            Self::DownloadProgressing => 30,
            Self::DownloadComplete => 40,
            Self::ReadyToUpdate => 50,
            Self::UpdateProgressing => 60,
            Self::UpdateFailedHaveData => 70,
            Self::UpdateFailedNoData => 80,
            Self::UpdateSuccessfulHaveData => 90,
            Self::UpdateSuccessfulNoData => 100,
        }
    }

    /// The state of a value.
    #[must_use]
    pub fn from_value(value: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.value() == value)
    }

    /// Whether an operation may begin: Update where there is a package that was not applied,
    /// downloads wherever nothing is under way.
    #[must_use]
    pub const fn accepts(self, operation: FumoOperation) -> bool {
        match (self, operation) {
            (Self::DownloadProgressing | Self::UpdateProgressing, _) => false,
            (_, FumoOperation::Download | FumoOperation::DownloadAndUpdate) => true,
            (
                Self::DownloadComplete | Self::ReadyToUpdate | Self::UpdateFailedHaveData,
                FumoOperation::Update,
            ) => true,
            (
                Self::Idle
                | Self::DownloadFailed
                | Self::UpdateFailedNoData
                | Self::UpdateSuccessfulHaveData
                | Self::UpdateSuccessfulNoData,
                FumoOperation::Update,
            ) => false,
        }
    }

    /// The state once the package is deleted.
    #[must_use]
    pub const fn without_package(self) -> Self {
        match self {
            Self::UpdateFailedHaveData => Self::UpdateFailedNoData,
            Self::UpdateSuccessfulHaveData => Self::UpdateSuccessfulNoData,
            Self::DownloadComplete | Self::ReadyToUpdate => Self::Idle,
            Self::Idle
            | Self::DownloadFailed
            | Self::DownloadProgressing
            | Self::UpdateProgressing
            | Self::UpdateFailedNoData
            | Self::UpdateSuccessfulNoData => self,
        }
    }

    /// Whether there is, or may be, a package.
    pub(super) const fn has_package(self) -> bool {
        match self {
            Self::Idle | Self::UpdateFailedNoData | Self::UpdateSuccessfulNoData => false,
            // A download that failed can be gone on with.
            Self::DownloadFailed
            | Self::DownloadProgressing
            | Self::DownloadComplete
            | Self::ReadyToUpdate
            | Self::UpdateProgressing
            | Self::UpdateFailedHaveData
            | Self::UpdateSuccessfulHaveData => true,
        }
    }
}

/// What can be executed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FumoOperation {
    /// Downloads the package.
    Download,
    /// Updates with the package that is there.
    Update,
    /// Both, without another word of the server.
    DownloadAndUpdate,
}

impl FumoOperation {
    /// Every operation, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Download, Self::Update, Self::DownloadAndUpdate];

    /// The name of its node.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Download => "Download",
            Self::Update => "Update",
            Self::DownloadAndUpdate => "DownloadAndUpdate",
        }
    }

    /// The operation of a node. Names are case sensitive.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// The type of the alert that tells its result.
    #[must_use]
    pub const fn alert_type(self) -> &'static str {
        match self {
            Self::Download => "org.openmobilealliance.dm.firmwareupdate.download",
            Self::Update => "org.openmobilealliance.dm.firmwareupdate.update",
            Self::DownloadAndUpdate => "org.openmobilealliance.dm.firmwareupdate.downloadandupdate",
        }
    }
}
