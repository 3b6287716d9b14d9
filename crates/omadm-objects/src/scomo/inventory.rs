use std::sync::Arc;

use omadm_mo::{Context, Job};
use omadm_tree::{NodeRef, TreeError, Uri, Value};

use super::{Component, Scomo, ScomoBranch, Task};
use crate::ledger::work;

/// What is installed, as the tree shows it.
impl Scomo {
    /// Finds out what is installed.
    pub(super) fn take_stock<'a>(&mut self, cx: &'a mut Context<'_, '_>) -> &'a mut Job {
        let software = Arc::clone(&self.software);
        let work = work(move || software.inventory());
        self.ledger
            .begin(None, &self.root, Task::Inventory, work, cx)
    }

    /// Finds out once more what is installed, after what went on side by side.
    pub(super) fn take_stock_again(&mut self, cx: &mut Context<'_, '_>) {
        if self.ledger.whats().any(Task::brings_stock) {
            self.stale = true;
        } else if std::mem::take(&mut self.stale) {
            self.take_stock(cx);
        }
    }

    /// Brings `Inventory/Deployed` up to what is installed; nothing changes if that is not known.
    ///
    /// A component with an operation under way stays until that has ended. One whose name is no name
    /// of a node is left out, as is what the tree has no room for.
    pub(super) fn show(&self, components: Option<Vec<Component>>, cx: &mut Context<'_, '_>) {
        if let Some(mut components) = components {
            components.truncate(self.max_components);
            let _ = self.try_show(components, cx);
        }
    }

    fn try_show(
        &self,
        components: Vec<Component>,
        cx: &mut Context<'_, '_>,
    ) -> Result<(), TreeError> {
        let deployed = self.branch(ScomoBranch::Deployed);
        let present = cx.tree.node(&deployed);
        let gone: Vec<Uri> = NodeRef::children_of(present)
            .filter(|child| components.iter().all(|one| one.node != child.name()))
            .map(|child| child.uri())
            .filter(|gone| !self.ledger.tasks.is_busy(gone))
            .collect();
        for component in gone {
            cx.tree.remove(&component)?;
        }
        for component in components {
            let Ok(node) = deployed.child(&component.node) else {
                continue;
            };
            cx.tree.add_interior(cx.schema, &node)?;
            let state = if component.active { 20 } else { 10 };
            for (leaf, value) in [
                ("ID", Value::chr(component.id)),
                ("PkgIDRef", Value::chr(component.package_id)),
                ("Name", Value::chr(component.name)),
                ("Version", Value::chr(component.version)),
                ("Description", Value::chr(component.description)),
                ("EnvType", Value::chr(component.environment)),
                ("State", Value::int(state)),
            ] {
                self.set(&node, leaf, value, cx)?;
            }
        }
        Ok(())
    }
}
