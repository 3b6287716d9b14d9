//! A folder that loses what was not synced when the power goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io, mem,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use omadm_core::FileStep;
use omadm_testkit::{Luck, Power, PowerCut};

/// A folder of the file system whose every change is told to this first: what is in it without a
/// power cut, and what may be left of it after one.
///
/// What is in a file is durable once the file was synced, what happened to a name once the folder is
/// that it is in; a file that moves is at one place or the other. What is not durable may have
/// happened or not, in any selection that is possible.
#[derive(Clone)]
pub(crate) struct VolatileFolder {
    root: PathBuf,
    power: Power,
    state: Arc<Mutex<State>>,
}

/// A file or folder, whatever it is called.
type Node = u64;

const ROOT: Node = 0;

/// The nodes in each folder, by name.
type Names = BTreeMap<Node, BTreeMap<String, Node>>;

#[derive(Default)]
struct State {
    nodes: Node,
    now: Names,
    durable: Names,
    /// What happened to names and is not durable.
    moves: Vec<Move>,
    /// What is durable in each file.
    synced: BTreeMap<Node, Vec<u8>>,
    /// What was in files that are gone.
    gone: BTreeMap<Node, Vec<u8>>,
}

/// A node is no longer at one place, or at another, or both.
struct Move {
    node: Node,
    from: Option<Place>,
    to: Option<Place>,
}

type Place = (Node, String);

impl VolatileFolder {
    /// A folder as it is, all of it durable.
    pub(crate) fn new(root: &Path, power: &Power) -> Self {
        let folder = Self {
            root: root.to_owned(),
            power: power.clone(),
            state: Arc::default(),
        };
        folder.settle();
        folder
    }

    /// What is there is durable, whatever it was before.
    pub(crate) fn settle(&self) {
        let mut state = State::default();
        state.now.insert(ROOT, BTreeMap::new());
        state.read(&self.root, ROOT);
        state.durable.clone_from(&state.now);
        *self.state() = state;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Something in it is about to change.
    pub(crate) fn step(&self, step: FileStep<'_>) -> io::Result<()> {
        if matches!(step, FileStep::Sync(path) if !path.starts_with(&self.root)) {
            return Ok(());
        }
        self.power.change()?;
        let mut state = self.state();
        match step {
            FileStep::MakeFolder(path) => {
                let place = self.place(&state, path);
                let node = state.make(place);
                state.now.insert(node, BTreeMap::new());
                state.durable.insert(node, BTreeMap::new());
            }
            FileStep::MakeFile(path) => {
                let place = self.place(&state, path);
                if state.at(&place).is_none() {
                    state.make(place);
                }
            }
            // What is in a file is looked at when it is synced, and when the power goes.
            FileStep::Write(_) => {}
            FileStep::Sync(_) if !self.power.is_honest() => {}
            FileStep::Sync(path) => match self.node(&state, path) {
                Some(folder) if state.now.contains_key(&folder) => state.sync(folder),
                file => _ = state.synced.insert(file.unwrap(), fs::read(path)?),
            },
            FileStep::Rename(from, to) => {
                let (from, to) = (self.place(&state, from), self.place(&state, to));
                let node = state.at(&from).unwrap();
                state.moves(node, Some(from), Some(to));
            }
            FileStep::Remove(path) => {
                let place = self.place(&state, path);
                state.remove(path, place)?;
            }
            step => panic!("{step:?}"),
        }
        Ok(())
    }

    /// The power was cut, which did this to what was not synced.
    pub(crate) fn cut(&self, how: PowerCut) {
        let mut state = self.state();
        let mut luck = how.luck();
        let mut contents = mem::take(&mut state.gone);
        state.contents(&self.root, ROOT, &mut contents);
        for name in state.now.get(&ROOT).unwrap().keys() {
            // What was never made durable is not told from what is gone.
            let path = self.root.join(name);
            _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(path));
        }
        for change in mem::take(&mut state.moves) {
            if how.keeps(&mut luck) {
                change.make(&mut state.durable);
            }
        }
        state.write(&self.root, ROOT, &mut |node, synced| {
            let now = contents.get(&node).map_or(synced, Vec::as_slice);
            left(how, &mut luck, synced, now)
        });
        drop(state);
        self.settle();
    }

    fn place(&self, state: &State, path: &Path) -> Place {
        let parent = self.node(state, path.parent().unwrap());
        let name = path.file_name().unwrap().to_str().unwrap();
        (parent.unwrap(), name.to_owned())
    }

    fn node(&self, state: &State, path: &Path) -> Option<Node> {
        let path = path.strip_prefix(&self.root).unwrap();
        path.components().try_fold(ROOT, |folder, name| match name {
            Component::Normal(name) => state.at(&(folder, name.to_str()?.to_owned())),
            _ => None,
        })
    }
}

/// What is left of a file.
fn left(how: PowerCut, luck: &mut Luck, synced: &[u8], now: &[u8]) -> Vec<u8> {
    if synced == now || !how.keeps(luck) {
        return synced.to_vec();
    }
    let mut left = now.to_vec();
    if matches!(how, PowerCut::Tear(_)) {
        let torn = luck.below(now.len());
        left.truncate(torn);
        left.extend(synced.iter().skip(torn));
    }
    left
}

impl Move {
    fn make(self, names: &mut Names) {
        if let Some((folder, name)) = self.from {
            let there = names.get_mut(&folder).unwrap();
            if there.get(&name) == Some(&self.node) {
                there.remove(&name);
            }
        }
        if let Some((folder, name)) = self.to {
            names.get_mut(&folder).unwrap().insert(name, self.node);
        }
    }
}

impl State {
    fn at(&self, (folder, name): &Place) -> Option<Node> {
        self.now.get(folder)?.get(name).copied()
    }

    fn make(&mut self, place: Place) -> Node {
        self.nodes += 1;
        let node = self.nodes;
        self.moves(node, None, Some(place));
        node
    }

    fn moves(&mut self, node: Node, from: Option<Place>, to: Option<Place>) {
        let change = |from, to| Move { node, from, to };
        change(from.clone(), to.clone()).make(&mut self.now);
        self.moves.push(change(from, to));
    }

    /// The names in a folder become durable.
    fn sync(&mut self, folder: Node) {
        let here = |change: &Move| {
            let place = change.to.as_ref().or(change.from.as_ref());
            place.is_some_and(|place| place.0 == folder)
        };
        let (synced, left): (Vec<_>, Vec<_>) = mem::take(&mut self.moves)
            .into_iter()
            .partition(|change| here(change));
        self.moves = left;
        for change in synced {
            change.make(&mut self.durable);
        }
    }

    fn remove(&mut self, path: &Path, place: Place) -> io::Result<()> {
        let node = self.at(&place).unwrap();
        match self.now.get(&node).cloned() {
            Some(names) => {
                for name in names.into_keys() {
                    self.remove(&path.join(&name), (node, name))?;
                }
            }
            None => _ = self.gone.insert(node, fs::read(path)?),
        }
        self.moves(node, Some(place), None);
        Ok(())
    }

    /// Takes what is in a folder for its content.
    fn read(&mut self, path: &Path, folder: Node) {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            self.nodes += 1;
            let (node, path) = (self.nodes, entry.path());
            let name = entry.file_name().into_string().unwrap();
            self.now.get_mut(&folder).unwrap().insert(name, node);
            if entry.file_type().unwrap().is_dir() {
                self.now.insert(node, BTreeMap::new());
                self.read(&path, node);
            } else {
                self.synced.insert(node, fs::read(&path).unwrap());
            }
        }
    }

    /// What is in all files now.
    fn contents(&self, path: &Path, folder: Node, into: &mut BTreeMap<Node, Vec<u8>>) {
        for (name, node) in self.now.get(&folder).unwrap() {
            let path = path.join(name);
            if self.now.contains_key(node) {
                self.contents(&path, *node, into);
            } else if let Ok(content) = fs::read(&path) {
                into.insert(*node, content);
            }
        }
    }

    /// Makes what is durable.
    fn write(&self, path: &Path, folder: Node, left: &mut dyn FnMut(Node, &[u8]) -> Vec<u8>) {
        for (name, node) in self.durable.get(&folder).unwrap() {
            let path = path.join(name);
            if self.durable.contains_key(node) {
                fs::create_dir(&path).unwrap();
                self.write(&path, *node, left);
            } else {
                let synced = self.synced.get(node).map_or(&[][..], Vec::as_slice);
                fs::write(&path, left(*node, synced)).unwrap();
            }
        }
    }
}

/// What may be left of a file that is made, filled and moved into a new folder, as names and octets.
#[test]
fn what_is_not_synced_may_be_lost_in_part() {
    let lucks = (0..100).flat_map(|seed| [PowerCut::Mix(seed), PowerCut::Tear(seed)]);
    let mut seen = BTreeSet::new();
    for how in [PowerCut::Drop, PowerCut::Keep].into_iter().chain(lucks) {
        for syncs in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let root = root.path();
            let [place, old, new] = ["a", "x", "a/y"].map(|name| root.join(name));
            let folder = VolatileFolder::new(root, &Power::default());
            let sync = |path: &Path| {
                if syncs {
                    folder.step(FileStep::Sync(path)).unwrap();
                }
            };
            folder.step(FileStep::MakeFolder(&place)).unwrap();
            fs::create_dir(&place).unwrap();
            folder.step(FileStep::MakeFile(&old)).unwrap();
            folder.step(FileStep::Write(&old)).unwrap();
            fs::write(&old, "abc").unwrap();
            sync(&old);
            sync(root);
            folder.step(FileStep::Rename(&old, &new)).unwrap();
            fs::rename(&old, &new).unwrap();
            sync(&place);
            folder.cut(how);
            let read = |path| fs::read_to_string(path).ok();
            let left = (read(&old), place.is_dir(), read(&new));
            let all = (None, true, Some("abc".to_owned()));
            assert!(!syncs || left == all, "{how:?}: {left:?}");
            assert!(how != PowerCut::Keep || left == all, "{left:?}");
            seen.insert(left);
        }
    }
    let left = |old: Option<&str>, place, new: Option<&str>| {
        let owned = |text: &str| text.to_owned();
        (old.map(owned), place, new.map(owned))
    };
    for expected in [
        left(None, false, None),
        left(Some("abc"), false, None),
        left(Some(""), true, None),
        left(Some("ab"), false, None),
        left(None, true, Some("")),
    ] {
        assert!(seen.contains(&expected), "{expected:?} of {seen:?}");
    }
}

#[test]
fn what_was_removed_may_come_back() {
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let gone = root.join("gone");
        fs::create_dir(&gone).unwrap();
        for name in ["a", "b"] {
            fs::write(gone.join(name), name).unwrap();
        }
        let folder = VolatileFolder::new(root, &Power::default());
        folder.step(FileStep::Remove(&gone)).unwrap();
        fs::remove_dir_all(&gone).unwrap();
        folder.cut(PowerCut::Mix(seed));
        let left = |name: &str| fs::read_to_string(gone.join(name)).ok();
        seen.insert((gone.is_dir(), left("a"), left("b")));
    }
    let some = |name: &str| Some(name.to_owned());
    for expected in [
        (false, None, None),
        (true, None, None),
        (true, some("a"), None),
        (true, some("a"), some("b")),
    ] {
        assert!(seen.contains(&expected), "{expected:?} of {seen:?}");
    }
}
