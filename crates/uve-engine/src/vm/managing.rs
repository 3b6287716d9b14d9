//! UVE-2 as the VM answers it.

use omadm_core::{Batch, JournalError, Space};
use serde::{Deserialize, Serialize};

use super::{Monitor, Vm, VmError};
use uve::{
    Digest, MonitoringNotification, UaId, UaPackage, UaSessionId, Uve2, Uve2Error,
    session::{Event, State},
};

use crate::{record, vmm::lock};

pub(crate) const UAS: Space = Space::new("uve-uas");
const NEXT: &str = "uve-uas";
const PREFIX: &str = "ua-";

#[derive(Serialize, Deserialize)]
struct Deployed {
    package: UaPackage,
    blob: String,
}

impl Vm {
    /// The UAs deployed on this VM.
    ///
    /// # Errors
    /// The journal failed.
    pub fn uas(&self) -> Result<Vec<UaPackage>, VmError> {
        let all: Vec<Deployed> = record::all(&*self.journal, UAS)?;
        Ok(all.into_iter().map(|deployed| deployed.package).collect())
    }

    pub(super) fn is_deployed(&self, ua: &UaId) -> Result<bool, JournalError> {
        Ok(self.deployed(ua)?.is_some())
    }

    /// Removes packages that belong to no UA: an update was cut short.
    pub(super) fn sweep(&self) -> Result<(), VmError> {
        let all: Vec<Deployed> = record::all(&*self.journal, UAS)?;
        for name in self.blobs.names()? {
            if name.starts_with(PREFIX) && !all.iter().any(|deployed| deployed.blob == name) {
                self.blobs.remove(&name)?;
            }
        }
        Ok(())
    }

    fn deployed(&self, ua: &UaId) -> Result<Option<Deployed>, JournalError> {
        record::read(&*self.journal, UAS, ua.as_str())
    }

    fn is_in_use(&self, ua: &UaId) -> bool {
        lock(&self.record)
            .as_ref()
            .is_some_and(|record| record.selection.ua == *ua)
    }

    fn check(&self, ua: &UaPackage, package: &[u8]) -> Result<(), Uve2Error> {
        if package.len() as u64 > self.config.max_package {
            return Err(Uve2Error::TooLarge {
                limit: self.config.max_package,
            });
        }
        match Digest::of(package) == ua.digest {
            true => Ok(()),
            false => Err(Uve2Error::DigestMismatch),
        }
    }

    /// Puts a package in the place of `before`, as a whole.
    fn put_ua(
        &self,
        ua: &UaPackage,
        package: &[u8],
        before: Option<&Deployed>,
    ) -> Result<(), VmError> {
        let number: u64 = record::read(&*self.journal, Space::IDS, NEXT)?.unwrap_or(0);
        let deployed = Deployed {
            package: ua.clone(),
            blob: format!("{PREFIX}{number}"),
        };
        self.blobs.set_len(&deployed.blob, 0)?;
        self.blobs.write_at(&deployed.blob, 0, package)?;
        self.blobs.sync(&deployed.blob)?;
        let mut batch = Batch::new();
        record::put(&mut batch, Space::IDS, NEXT, &(number + 1));
        record::put(&mut batch, UAS, ua.ua.as_str(), &deployed);
        self.journal.commit(&batch)?;
        if let Some(before) = before {
            // What cannot be removed now is removed when the VM is opened again.
            self.blobs.remove(&before.blob).ok();
        }
        Ok(())
    }
}

fn failed(error: impl Into<VmError>) -> Uve2Error {
    let error = error.into();
    let reason = match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Uve2Error::Failed { reason }
}

impl Uve2 for Vm {
    fn notify_monitoring(&self, notification: &MonitoringNotification) -> Result<(), Uve2Error> {
        let now = self.clock.now();
        let until = notification
            .validity()
            .map(|validity| now.saturating_add(validity));
        let mut open = lock(&self.record);
        let record = match &*open {
            Some(record)
                if record.selection.session == notification.session
                    && (record.state.is_consumed() || record.state == State::Suspended) =>
            {
                record
            }
            _ => return Err(Uve2Error::UnknownSession),
        };
        let mut monitors = record.monitors.clone();
        monitors.retain(|monitor| {
            monitor.user != notification.monitor && monitor.until.is_none_or(|until| until > now)
        });
        if monitors.len() >= self.config.max_monitors {
            return Err(Uve2Error::TooMany);
        }
        monitors.push(Monitor {
            user: notification.monitor.clone(),
            until,
        });
        self.change(&mut open, |record| record.monitors = monitors)
            .map_err(failed)
    }

    fn deploy_ua(&self, ua: &UaPackage, package: &[u8]) -> Result<(), Uve2Error> {
        self.check(ua, package)?;
        let _turn = lock(&self.managing);
        match self.deployed(&ua.ua).map_err(failed)? {
            Some(deployed) if deployed.package == *ua => return Ok(()),
            Some(_) => return Err(Uve2Error::AlreadyDeployed),
            None => {}
        }
        if self.uas().map_err(failed)?.len() >= self.config.max_uas {
            return Err(Uve2Error::TooMany);
        }
        self.put_ua(ua, package, None).map_err(failed)
    }

    fn update_ua(&self, ua: &UaPackage, package: &[u8]) -> Result<(), Uve2Error> {
        self.check(ua, package)?;
        let _turn = lock(&self.managing);
        let before = self
            .deployed(&ua.ua)
            .map_err(failed)?
            .ok_or(Uve2Error::UnknownUa)?;
        if before.package == *ua {
            return Ok(());
        }
        if self.is_in_use(&ua.ua) {
            return Err(Uve2Error::InUse);
        }
        self.put_ua(ua, package, Some(&before)).map_err(failed)
    }

    fn delete_ua(&self, ua: &UaId) -> Result<(), Uve2Error> {
        let _turn = lock(&self.managing);
        let before = self
            .deployed(ua)
            .map_err(failed)?
            .ok_or(Uve2Error::UnknownUa)?;
        if self.is_in_use(ua) {
            return Err(Uve2Error::InUse);
        }
        let mut batch = Batch::new();
        batch.remove(UAS, ua.as_str());
        self.journal.commit(&batch).map_err(failed)?;
        // What cannot be removed now is removed when the VM is opened again.
        self.blobs.remove(&before.blob).ok();
        Ok(())
    }

    fn suspend_session(&self, session: &UaSessionId) -> Result<(), Uve2Error> {
        let mut open = lock(&self.record);
        match &*open {
            Some(record) if record.selection.session == *session => match record.state {
                State::Suspended => return Ok(()),
                State::Monitored => {}
                _ => return Err(Uve2Error::NotMonitored),
            },
            _ => return Err(Uve2Error::UnknownSession),
        }
        self.sync_copy().map_err(failed)?;
        self.step(&mut open, Event::Suspend, |_| {}).map_err(failed)
    }
}
