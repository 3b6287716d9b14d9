use omadm_download::Cancel;
use omadm_objects::{Firmware, FumoState, Package, ResultCode, Updated};
use omadm_tree::Value;

use super::{Companion, Ended, Step, Trouble};

/// The guest downloads and updates by its own FUMO. [FUMO]
impl Firmware for Companion {
    fn update(&self, package: &Package) -> Result<Updated, ResultCode> {
        let updated = self.update_guest(package);
        updated.unwrap_or_else(|trouble| Err(code(trouble, ResultCode::FUMO_UPDATE_FAILED)))
    }

    fn download(&self, url: &str, cancel: &Cancel) -> Result<(), ResultCode> {
        let ended = self.download_in_guest(url, cancel);
        match ended.map_err(|trouble| code(trouble, ResultCode::FUMO_TIMED_OUT))? {
            Ended::Done => Ok(()),
            ended => match state(&ended) {
                Some(FumoState::DownloadComplete | FumoState::ReadyToUpdate) => Ok(()),
                _ => Err(ResultCode::FUMO_UNDEFINED),
            },
        }
    }
}

impl Companion {
    fn update_guest(&self, package: &Package) -> Result<Result<Updated, ResultCode>, Trouble> {
        let status = self.at(&["State"])?;
        let values = match package {
            Package::Data(octets) => {
                let leaf = self.at(&["Update", "PkgData"])?;
                vec![(leaf, Value::bin(octets.as_slice()))]
            }
            Package::Own => {
                // One that the device began before it went off may be done meanwhile.
                let found = self.read(std::slice::from_ref(&status))?;
                let found = found.into_iter().next().flatten().map(Ended::At);
                if let Some(updated) = found.and_then(|found| success(&found)) {
                    return Ok(Ok(updated));
                }
                Vec::new()
            }
            // Packages are the guest's to download.
            Package::File(_) => return Err(Trouble::NotOffered),
        };
        let step = Step {
            node: self.at(&["Update"])?,
            status,
            busy: "60",
            values,
            same: None,
        };
        Ok(match self.carry_out(step, &Cancel::new())? {
            Ended::Done => Ok(Updated::Done),
            ended => success(&ended).ok_or(match state(&ended) {
                Some(FumoState::UpdateFailedNoData) => ResultCode::FUMO_NOT_ACCEPTABLE,
                _ => ResultCode::FUMO_UPDATE_FAILED,
            }),
        })
    }

    fn download_in_guest(&self, url: &str, cancel: &Cancel) -> Result<Ended, Trouble> {
        let address = self.at(&["Download", "PkgURL"])?;
        let step = Step {
            node: self.at(&["Download"])?,
            status: self.at(&["State"])?,
            busy: "30",
            values: vec![(address.clone(), Value::chr(url))],
            same: Some((address, url)),
        };
        self.carry_out(step, cancel)
    }
}

fn state(ended: &Ended) -> Option<FumoState> {
    match ended {
        Ended::At(state) => FumoState::from_value(state.parse().ok()?),
        Ended::Done | Ended::Gone => None,
    }
}

fn success(ended: &Ended) -> Option<Updated> {
    match state(ended)? {
        FumoState::UpdateSuccessfulHaveData => Some(Updated::KeepPackage),
        FumoState::UpdateSuccessfulNoData => Some(Updated::Done),
        _ => None,
    }
}

/// `silence`: what it is when the guest does not answer.
const fn code(trouble: Trouble, silence: ResultCode) -> ResultCode {
    match trouble {
        Trouble::Code(code) => code,
        Trouble::NotOffered => ResultCode::FUMO_NOT_IMPLEMENTED,
        Trouble::Refused => ResultCode::FUMO_UNDEFINED,
        Trouble::Unreachable => ResultCode::FUMO_CLIENT_ERROR,
        Trouble::Silent => silence,
    }
}
