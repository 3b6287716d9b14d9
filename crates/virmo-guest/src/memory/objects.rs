//! What a host hands to the guest of the objects it hosts for it.

use omadm_core::StatusCode;
use omadm_tree::{NewNode, Uri, Value};

use super::MemoryGuest;
use crate::{Answer, Outcome};

impl MemoryGuest {
    /// Carries out an operation of `./LAWMO`, `./FUMO` or `./SCOMO`; `None` if it is none.
    pub(super) fn operate(&mut self, operation: &Uri) -> Option<Answer> {
        let names: Vec<&str> = operation.segments().collect();
        if !does(&names) {
            return None;
        }
        if !self.codes.is_empty() {
            let code = self.codes.remove(0);
            let items = Outcome::Items(vec![code.to_string()]);
            return Some(Answer::new(StatusCode::COMMAND_FAILED, items));
        }
        let (status, busy, after) = match names.as_slice() {
            ["LAWMO", "Operations", name] => {
                self.lock_or_wipe(name);
                return Some(StatusCode::OK.into());
            }
            ["FUMO", "Download"] => ("./FUMO/State".to_owned(), 30, 40),
            ["FUMO", _] => ("./FUMO/State".to_owned(), 60, 100),
            ["SCOMO", "Download", package, ..] => {
                (format!("./SCOMO/Download/{package}/Status"), 30, 40)
            }
            ["SCOMO", _, "Delivered", package, _, name] => {
                self.install(package, *name == "Install");
                let status = format!("./SCOMO/Inventory/Delivered/{package}/Status");
                (status, 40, 10)
            }
            ["SCOMO", _, _, component, _, name] => {
                let node = format!("./SCOMO/Inventory/Deployed/{component}");
                if *name == "Remove" {
                    self.cut(&node.parse().ok()?);
                    return Some(StatusCode::OK.into());
                }
                let state = if *name == "Activate" { 20 } else { 10 };
                self.put(&format!("{node}/State"), Value::int(state));
                (format!("{node}/Status"), 50, 10)
            }
            _ => return None,
        };
        if self.slow {
            self.put(&status, Value::int(busy));
            self.at_work = Some((status.parse().ok()?, Value::int(after)));
            return Some(StatusCode::ACCEPTED.into());
        }
        self.put(&status, Value::int(after));
        Some(StatusCode::OK.into())
    }

    /// What it is at is done once its host has seen that it is at it.
    pub(super) fn was_read(&mut self, uri: &Uri) {
        if let Some((status, after)) = self.at_work.take_if(|(status, _)| status == uri) {
            self.put(&status.to_string(), after);
        }
    }

    fn lock_or_wipe(&mut self, operation: &str) {
        let state = match operation {
            "FullyLock" => 10,
            "PartiallyLock" => 20,
            "UnLock" => 30,
            _ => {
                self.wipe();
                return;
            }
        };
        self.put("./LAWMO/State", Value::int(state));
    }

    /// What `./LAWMO/AvailableWipeList/<x>` stands for is at `./Data/<x>`.
    fn wipe(&mut self) {
        let marked =
            |(uri, node): (&Uri, &NewNode)| match (uri.segments().collect::<Vec<_>>(), node) {
                (names, NewNode::Leaf(value)) if value.as_bool() == Some(true) => match *names {
                    ["LAWMO", "AvailableWipeList", name, "ToBeWiped"] => {
                        Some(format!("./Data/{name}"))
                    }
                    _ => None,
                },
                _ => None,
            };
        let marked: Vec<String> = self.nodes.iter().filter_map(marked).collect();
        for data in marked {
            if let Ok(data) = data.parse() {
                self.cut(&data);
            }
        }
    }

    /// A package brings one component, which is named like it.
    fn install(&mut self, package: &str, active: bool) {
        let node = format!("./SCOMO/Inventory/Deployed/{package}");
        let state = Value::int(if active { 20 } else { 10 });
        for (leaf, value) in [
            ("ID", Value::chr(package)),
            ("PkgIDRef", Value::chr(package)),
            ("State", state),
        ] {
            self.put(&format!("{node}/{leaf}"), value);
        }
    }

    /// Writes a leaf, and makes what is missing above it.
    fn put(&mut self, at: &str, value: Value) {
        let Ok(uri) = at.parse::<Uri>() else { return };
        for above in uri.ancestors().filter(|uri| !uri.is_root()) {
            self.nodes.entry(above).or_insert(NewNode::INTERIOR);
        }
        self.nodes.insert(uri, NewNode::Leaf(value));
    }
}

fn does(names: &[&str]) -> bool {
    match names {
        ["LAWMO", "Operations", name] => {
            matches!(*name, "FullyLock" | "PartiallyLock" | "UnLock" | "Wipe")
        }
        ["FUMO", name] => matches!(*name, "Download" | "Update"),
        ["SCOMO", "Download", _, "Operations", name] => *name == "Download",
        ["SCOMO", "Inventory", "Delivered", _, "Operations", name] => {
            matches!(*name, "Install" | "InstallInactive")
        }
        ["SCOMO", "Inventory", "Deployed", _, "Operations", name] => {
            matches!(*name, "Activate" | "Deactivate" | "Remove")
        }
        _ => false,
    }
}
