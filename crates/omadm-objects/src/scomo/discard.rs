use std::sync::Arc;

use omadm_core::SortedSet;
use omadm_download::DownloadKey;
use omadm_mo::{Context, Job};
use omadm_tree::Uri;

use super::{Scomo, ScomoBranch, Task};
use crate::{
    Delivery,
    ledger::{below, text, work},
};

/// Packages that nothing needs any more.
impl Scomo {
    /// Deletes the file of a package, once it is durable that nothing needs it any more.
    pub(super) fn discard(&mut self, place: &Uri, cx: &mut Context<'_, '_>) {
        let delivery = self.delivery.clone();
        if let Some(delivery) = delivery.filter(|delivery| delivery.knows(place)) {
            self.discard_file(delivery, Delivery::key(place), place, cx);
        }
    }

    fn discard_file<'a>(
        &mut self,
        delivery: Delivery,
        key: DownloadKey,
        lane: &Uri,
        cx: &'a mut Context<'_, '_>,
    ) -> &'a mut Job {
        let task = Task::Discard(key.clone());
        let work = work(move || delivery.discard(&key));
        self.ledger.begin(None, lane, task, work, cx)
    }

    /// Deletes a package that the software fetched itself.
    pub(super) fn discard_own(&mut self, place: &Uri, id: String, cx: &mut Context<'_, '_>) {
        if self.delivery.is_none() {
            let software = Arc::clone(&self.software);
            let work = work(move || software.discard(&id));
            self.ledger.begin(None, place, Task::DiscardOwn, work, cx);
        }
    }

    /// Deletes the files of packages whose nodes are gone.
    pub(super) fn discard_orphans(&mut self, cx: &mut Context<'_, '_>) {
        let Some(delivery) = self.delivery.clone() else {
            return;
        };
        let delivered = self.branch(ScomoBranch::Delivered);
        let packages = [ScomoBranch::Download, ScomoBranch::Delivered]
            .into_iter()
            .filter_map(|branch| cx.tree.node(&self.branch(branch)))
            .flat_map(|branch| branch.children())
            .map(|package| package.uri());
        let needed: SortedSet<DownloadKey> = packages
            .filter(|package| package.starts_with(&delivered) || self.is_to_come(package, cx))
            .map(|package| Delivery::key(&self.place(&package)))
            .collect();
        for key in delivery.keys_below(&delivered) {
            if !needed.contains(&key) {
                let job = self.discard_file(delivery.clone(), key, &delivered, cx);
                // It may be the file of what a server adds next.
                job.before_sessions = true;
            }
        }
    }

    /// Whether a package that is not delivered may still be: its download is under way, or can be
    /// gone on with.
    fn is_to_come(&self, download: &Uri, cx: &Context<'_, '_>) -> bool {
        matches!(&*text(cx, &below(download, "Status")), "20" | "30")
    }
}
