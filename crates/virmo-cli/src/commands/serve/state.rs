//! The state folder of `virmo serve`: `server.redb`.

use std::{fs, path::Path, sync::Arc};

use sha2::{Digest, Sha256};
use virmo::{
    dm::{
        core::{Batch, Journal, Records, Space, upgrade},
        server::{self, Place},
        store::{OpenErrorKind, RedbJournal, create_private_directory},
    },
    nodes::Profile,
};

use crate::{
    commands::device::chain,
    failure::Failure,
    output::{Event, Finished, LateAlert},
};

/// What is the program's own: under `plan`, a version and the digest of the plan the folder is for.
const SPACE: Space = Space::new("virmo-serve");
const PLAN: &[u8] = b"plan";
const VERSION: u8 = 1;

/// Opens the folder for a plan, with which it stays. The event tells, if there is one, that nothing
/// of what was kept can be read.
pub(super) fn open(
    folder: &Path,
    plan: Option<&Path>,
    profile: Profile,
) -> Result<(Arc<dyn Journal>, Option<Event>), Failure> {
    let shown = folder.display();
    let failed =
        |why: &dyn std::fmt::Display| Failure::work(format_args!("--state {shown}: {why}"));
    if folder.is_file() {
        return Err(failed(&"not a folder"));
    }
    create_private_directory(folder).map_err(|error| failed(&error))?;
    let journal = RedbJournal::open_or_set_aside(folder.join("server.redb"));
    let (journal, aside) = journal.map_err(|error| match error.kind() {
        OpenErrorKind::Locked => failed(&"a server runs on it"),
        _ => failed(&chain(&error)),
    })?;
    let begun_anew = aside.map(|file| Event::Error {
        message: format!(
            "--state {shown}: the journal is damaged and set aside as {}; every device begins the plan anew",
            file.display()
        ),
    });
    let own = Records::new(SPACE, VERSION);
    upgrade(&journal, &[server::RECORDS, &[own]].concat())
        .map_err(|error| failed(&chain(&error)))?;
    let known = journal.read(SPACE, PLAN);
    let known = known.map_err(|error| failed(&chain(&error)))?;
    let record = [&[VERSION], &digest(plan, profile)?[..]].concat();
    match known {
        Some(known) if known != record => {
            return Err(failed(
                &"devices go through another plan or profile on it: give that one, or another folder",
            ));
        }
        Some(_) => {}
        None => {
            let mut batch = Batch::new();
            batch.put(SPACE, PLAN, record);
            let kept = journal.commit(&batch);
            kept.map_err(|error| failed(&chain(&error)))?;
        }
    }
    Ok((Arc::new(journal), begun_anew))
}

/// The digest of a plan, whatever its comments and its layout, and of what it is done with.
fn digest(plan: Option<&Path>, profile: Profile) -> Result<[u8; 32], Failure> {
    let table = match plan {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(Failure::work)?;
            text.parse().map_err(Failure::work)?
        }
        None => toml::Table::new(),
    };
    let meant = serde_json::to_vec(&(profile.to_string(), table)).map_err(Failure::work)?;
    Ok(Sha256::digest(meant).into())
}

/// Where a device is, if it began before.
pub(super) fn resumed(device: String, place: &Place) -> Option<Event> {
    let alerts = place.alerts.iter().map(|it| (&it.alert_type, &it.source));
    let events = place.events.iter().map(|it| (&it.event_type, &it.source));
    let alerts: Vec<_> = alerts
        .chain(events)
        .map(|(alert_type, source)| LateAlert {
            alert_type: alert_type.clone(),
            source: source.clone(),
        })
        .collect();
    if place.finished.is_empty() && !place.begun && alerts.is_empty() {
        return None;
    }
    let steps = place.finished.iter().enumerate();
    Some(Event::Resumed {
        device,
        next: place.finished.len(),
        begun: place.begun,
        steps: steps
            .map(|(index, report)| Finished {
                index,
                ok: report.ok,
                status: report.status.map(|status| status.get()),
                value: report.value.clone(),
                children: report.children.clone(),
                result: report.result.clone(),
                detail: report.detail.clone(),
            })
            .collect(),
        alerts,
    })
}

#[cfg(test)]
mod tests {
    use virmo::dm::core::{ClientEvent, Format, GenericAlert};

    use super::*;

    /// What is on disks: of another digest, a folder would be refused with the plan it is for.
    #[test]
    fn the_record_of_a_plan_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let plan = folder.path().join("plan.toml");
        let text = "# Work\n[[step]]\nget = \"./DevInfo\"\n\n[[step]]\nlock = { vm = 'a' }\n";
        fs::write(&plan, text).unwrap();
        let kept = |plan: Option<&Path>, profile| {
            let state = tempfile::tempdir().unwrap();
            let (journal, _) = open(state.path(), plan, profile).ok().unwrap();
            let record = journal.read(Space::new("virmo-serve"), b"plan").unwrap();
            let digits = record
                .unwrap()
                .into_iter()
                .map(|octet| format!("{octet:02x}"));
            digits.collect::<String>()
        };
        assert_eq!(
            kept(Some(&plan), Profile::Approved),
            "0151e549c9f60ce922a074c9dc2b7ba763a9592ecdd2fc0bc8debd8426e5a89fff"
        );
        assert_eq!(
            kept(None, Profile::Draft),
            "0158e741a2393b11ef8be8361a75140dc894a5cb38d9aac43a3c94331dff2ddf73"
        );
    }

    /// What a device told last may be all that is known of it.
    #[test]
    fn alerts_and_client_events_are_told_after_a_start() {
        let mut place = Place::default();
        assert!(resumed("dev1".to_owned(), &place).is_none());
        place.events.push(ClientEvent::new("event", Format::Chr));
        place.alerts.push(GenericAlert::new("alert", Format::Chr));
        let Some(Event::Resumed { alerts, .. }) = resumed("dev1".to_owned(), &place) else {
            panic!("nothing is told");
        };
        let types: Vec<_> = alerts.iter().map(|it| &*it.alert_type).collect();
        assert_eq!(types, ["alert", "event"]);
    }
}
