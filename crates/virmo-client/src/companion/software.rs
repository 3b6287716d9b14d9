use omadm_download::Cancel;
use omadm_objects::{Component, Installation, Package, ResultCode, Software};
use omadm_tree::{Uri, Value};
use virmo_guest::Command;

use super::{Companion, Ended, Step, Trouble};

/// The guest does it by its own SCOMO; a package is named by its PkgID there. [SCOMO]
impl Software for Companion {
    fn inventory(&self) -> Result<Vec<Component>, ResultCode> {
        self.components()
            .map_err(|trouble| code(trouble, ResultCode::SCOMO_UNDEFINED))
    }

    fn install(&self, package: &Package, how: &Installation) -> Result<Vec<String>, ResultCode> {
        self.install_in_guest(package, how)
            .map_err(|trouble| code(trouble, ResultCode::SCOMO_INSTALL_FAILED))
    }

    fn set_active(&self, component: &str, active: bool) -> Result<(), ResultCode> {
        let (name, busy, failure) = match active {
            true => ("Activate", "50", ResultCode::SCOMO_ACTIVATE_FAILED),
            false => ("Deactivate", "70", ResultCode::SCOMO_DEACTIVATE_FAILED),
        };
        self.operate(component, name, busy)
            .map_err(|trouble| code(trouble, failure))
    }

    fn remove(&self, component: &str) -> Result<(), ResultCode> {
        self.operate(component, "Remove", "30")
            .map_err(|trouble| code(trouble, ResultCode::SCOMO_REMOVE_FAILED))
    }

    fn download(&self, package_id: &str, url: &str, cancel: &Cancel) -> Result<(), ResultCode> {
        self.download_package(package_id, url, cancel)
            .map_err(|trouble| code(trouble, ResultCode::SCOMO_DOWNLOAD_FAILED))
    }

    fn discard(&self, package_id: &str) -> Result<(), ResultCode> {
        let gone = self
            .at(&["Inventory", "Delivered", package_id])
            .and_then(|uri| self.tell(vec![Command::Delete { uri }]));
        gone.map_err(|trouble| code(trouble, ResultCode::SCOMO_REMOVE_FAILED))
    }
}

/// What is asked of a component.
const LEAVES: [&str; 7] = [
    "ID",
    "PkgIDRef",
    "Name",
    "Version",
    "Description",
    "EnvType",
    "State",
];

/// How many components are asked for at once.
const AT_ONCE: usize = 32;

impl Companion {
    fn components(&self) -> Result<Vec<Component>, Trouble> {
        let names = self.children(self.at(&["Inventory", "Deployed"])?)?;
        let mut components = Vec::new();
        for names in names.chunks(AT_ONCE) {
            let mut leaves = Vec::new();
            for name in names {
                for leaf in LEAVES {
                    leaves.push(self.at(&["Inventory", "Deployed", name, leaf])?);
                }
            }
            let mut texts = self
                .read(&leaves)?
                .into_iter()
                .map(Option::unwrap_or_default);
            components.extend(names.iter().map(|name| {
                let mut next = || texts.next().unwrap_or_default();
                let mut component = Component::new(name, next());
                component.package_id = next();
                component.name = next();
                component.version = next();
                component.description = next();
                component.environment = next();
                component.active = next() == "20";
                component
            }));
        }
        Ok(components)
    }

    fn download_package(&self, id: &str, url: &str, cancel: &Cancel) -> Result<(), Trouble> {
        let package = |leaf: &str| self.at(&["Download", id, leaf]);
        let step = Step {
            node: self.at(&["Download", id, "Operations", "Download"])?,
            status: package("Status")?,
            busy: "30",
            values: vec![
                (package("PkgID")?, Value::chr(id)),
                (package("PkgURL")?, Value::chr(url)),
            ],
            same: Some((package("PkgURL")?, url)),
        };
        match self.carry_out(step, cancel)? {
            Ended::Done => Ok(()),
            Ended::At(status) if status == "40" => Ok(()),
            _ => Err(Trouble::Silent),
        }
    }

    fn install_in_guest(
        &self,
        package: &Package,
        how: &Installation,
    ) -> Result<Vec<String>, Trouble> {
        let id = &*how.package_id;
        let delivered = |leaf: &str| self.at(&["Inventory", "Delivered", id, leaf]);
        let mut values = vec![(delivered("PkgID")?, Value::chr(id))];
        for (leaf, text) in [
            ("Name", &how.name),
            ("InstallParams", &how.params),
            ("EnvType", &how.environment),
            ("PkgType", &how.media_type),
        ] {
            if !text.is_empty() {
                values.push((delivered(leaf)?, Value::chr(text)));
            }
        }
        match package {
            Package::Data(octets) => {
                values.push((delivered("Data")?, Value::bin(octets.as_slice())));
            }
            Package::Own => {}
            // Packages are the guest's to download.
            Package::File(_) => return Err(Trouble::NotOffered),
        }
        let name = match how.active {
            true => "Install",
            false => "InstallInactive",
        };
        let step = Step {
            node: self.at(&["Inventory", "Delivered", id, "Operations", name])?,
            status: delivered("Status")?,
            busy: "40",
            values,
            same: None,
        };
        match self.carry_out(step, &Cancel::new())? {
            Ended::Done => {}
            Ended::At(status) if status == "10" => {}
            _ => return Err(Trouble::Silent),
        }
        let components = self.components()?.into_iter();
        let ours = components.filter(|component| component.package_id == id);
        Ok(ours.map(|component| component.id).collect())
    }

    /// Executes an operation of the component with this identifier.
    fn operate(&self, component: &str, name: &str, busy: &str) -> Result<(), Trouble> {
        let components = self.components()?;
        let found = components.iter().find(|found| found.id == component);
        let removes = name == "Remove";
        let Some(found) = found else {
            return match removes {
                true => Ok(()),
                false => Err(Trouble::Silent),
            };
        };
        let below = |names: &[&str]| -> Result<Uri, Trouble> {
            self.at(&[&["Inventory", "Deployed", &found.node], names].concat())
        };
        let step = Step {
            node: below(&["Operations", name])?,
            status: below(&["Status"])?,
            busy,
            values: Vec::new(),
            same: None,
        };
        match self.carry_out(step, &Cancel::new())? {
            Ended::Done => Ok(()),
            Ended::Gone if removes => Ok(()),
            Ended::At(status) if status == "10" && !removes => Ok(()),
            _ => Err(Trouble::Silent),
        }
    }
}

/// `failure`: what it is when the guest failed, or does not answer.
const fn code(trouble: Trouble, failure: ResultCode) -> ResultCode {
    match trouble {
        Trouble::Code(code) => code,
        Trouble::NotOffered => ResultCode::SCOMO_NOT_IMPLEMENTED,
        Trouble::Refused => ResultCode::SCOMO_UNDEFINED,
        Trouble::Unreachable => ResultCode::CLIENT_ERROR,
        Trouble::Silent => failure,
    }
}
