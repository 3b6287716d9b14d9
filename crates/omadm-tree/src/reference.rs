//! The management tree as plainly as it can be written, to test others against: full addresses in a
//! map, copied whole to take something back.
//!
//! [`ReferenceTree::run`] and [`Command::run`] are given the same commands and have to agree about
//! every status, every reading, and the tree in the end; [`ReferenceTree::play`] says the same of
//! the groups a client executes.

mod steps;

use std::collections::BTreeMap;

use omadm_core::{Format, Now, StatusCode};

use crate::{
    AccessSet, AccessType, Acl, Initial, List, ListEntry, NewNode, Occurrence, Owner, Principal,
    Property, Reading, Rule, Schema, Scope, Selector, Target, Transaction, Tree, TreeError,
    TreeLimits, Uri, Value,
    uri::{Encoded, parse_segment},
};

pub use steps::{Outcome, Planted, Step};

/// A command on a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Get.
    Get(Target),
    /// Add.
    Add(Target, NewNode),
    /// Replace of a value.
    Replace(Uri, Value),
    /// Replace of a property.
    ReplaceProperty(Uri, Property, String),
    /// Delete.
    Delete(Target),
    /// Copy from one leaf to another.
    Copy(Uri, Uri),
    /// Exec, as far as the tree is asked: nothing changes.
    Exec(Target),
    /// What [`Transaction::set`] does, whoever asks.
    Set(Uri, Value),
    /// What [`Transaction::add_interior`] does, whoever asks.
    AddInterior(Uri),
}

impl Command {
    /// Runs the command the way an engine does.
    ///
    /// # Errors
    /// The [`TreeError`] of the step that failed.
    pub fn run(
        &self,
        transaction: &mut Transaction<'_>,
        schema: &dyn Schema,
        by: &Principal,
    ) -> Result<Option<Reading>, TreeError> {
        let node = |uri: &Uri| Target::node(uri.clone());
        match self {
            Self::Get(target) => {
                let permit = transaction.authorize(schema, by, AccessType::Get, target)?;
                return transaction.get(schema, &permit).map(Some);
            }
            Self::Add(target, new) => {
                let permit = transaction.authorize(schema, by, AccessType::Add, target)?;
                transaction.add(schema, permit, new.clone())?;
            }
            Self::Replace(uri, value) => {
                let permit = transaction.authorize(schema, by, AccessType::Replace, &node(uri))?;
                transaction.replace(schema, permit, value.clone())?;
            }
            Self::ReplaceProperty(uri, property, text) => {
                let target = Target::property(uri.clone(), *property);
                let permit = transaction.authorize(schema, by, AccessType::Replace, &target)?;
                transaction.replace_property(schema, permit, text)?;
            }
            Self::Delete(target) => {
                let permit = transaction.authorize(schema, by, AccessType::Delete, target)?;
                transaction.delete(schema, permit)?;
            }
            Self::Copy(from, to) => {
                let (from, to) = transaction.authorize_copy(schema, by, &node(from), &node(to))?;
                transaction.copy(schema, from, to)?;
            }
            Self::Exec(target) => {
                transaction.authorize(schema, by, AccessType::Exec, target)?;
            }
            Self::Set(uri, value) => transaction.set(schema, uri, value.clone())?,
            Self::AddInterior(uri) => transaction.add_interior(schema, uri)?,
        }
        Ok(None)
    }
}

/// A management tree, plainly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReferenceTree {
    nodes: BTreeMap<Uri, ReferenceNode>,
    limits: TreeLimits,
}

/// All there is to know about a node.
#[derive(Clone, PartialEq, Eq, Debug)]
struct ReferenceNode {
    value: Option<Value>,
    node_type: String,
    acl: Acl,
    title: String,
    timestamp: String,
    ver_no: u16,
    unset: bool,
}

type Answer<T = ()> = Result<T, StatusCode>;

impl ReferenceTree {
    /// What a tree holds.
    #[must_use]
    pub fn of(tree: &Tree) -> Self {
        let mut nodes = BTreeMap::new();
        let mut pending: Vec<_> = tree.node(&Uri::root()).into_iter().collect();
        while let Some(node) = pending.pop() {
            pending.extend(node.children());
            let copy = ReferenceNode {
                value: node.value(),
                node_type: node.node_type().to_owned(),
                acl: node.acl().clone(),
                title: node.title().to_owned(),
                timestamp: node.timestamp(),
                ver_no: node.ver_no(),
                unset: node.is_unset(),
            };
            nodes.insert(node.uri(), copy);
        }
        Self {
            nodes,
            limits: *tree.limits(),
        }
    }

    /// The addresses of all nodes.
    pub fn uris(&self) -> impl Iterator<Item = &Uri> {
        self.nodes.keys()
    }

    /// Runs a command; one that fails changes nothing.
    ///
    /// # Errors
    /// The status.
    pub fn run(
        &mut self,
        schema: &dyn Schema,
        by: &Principal,
        command: &Command,
        now: Now,
    ) -> Answer<Option<Reading>> {
        let before = self.nodes.clone();
        let answer = Run {
            tree: self,
            schema,
            by,
            now,
        }
        .run(command);
        if answer.is_err() {
            self.nodes = before;
        }
        answer
    }

    fn children<'a>(&'a self, parent: &'a Uri) -> impl Iterator<Item = &'a Uri> {
        self.nodes
            .keys()
            .filter(move |uri| uri.parent().as_ref() == Some(parent))
    }

    fn is_interior(&self, uri: &Uri) -> Option<bool> {
        self.nodes.get(uri).map(|node| node.value.is_none())
    }

    fn allows(&self, by: &Principal, uri: &Uri, command: AccessType) -> bool {
        let Principal::Server(server) = by else {
            return true;
        };
        let mut uri = uri.clone();
        let acl = loop {
            match (self.nodes.get(&uri), uri.parent()) {
                (Some(node), _) if !node.acl.is_empty() => break node.acl.to_string(),
                (_, Some(parent)) => uri = parent,
                (_, None) => return false,
            }
        };
        acl.split('&')
            .filter_map(|entry| entry.split_once('='))
            .filter(|(word, _)| *word == command.as_str())
            .flat_map(|(_, ids)| ids.split('+'))
            .any(|id| id == "*" || id == server.as_str())
    }
}

/// One command under way.
struct Run<'a> {
    tree: &'a mut ReferenceTree,
    schema: &'a dyn Schema,
    by: &'a Principal,
    now: Now,
}

impl Run<'_> {
    fn run(&mut self, command: &Command) -> Answer<Option<Reading>> {
        match command {
            Command::Get(target) => return self.get(target).map(Some),
            Command::Add(target, new) => self.add(target, new)?,
            Command::Replace(uri, value) => {
                self.on_node(uri, AccessType::Replace)?;
                self.write(uri, value)?;
            }
            Command::ReplaceProperty(uri, property, text) => {
                self.replace_property(uri, *property, text)?;
            }
            Command::Delete(target) => self.delete(target)?,
            Command::Copy(from, to) => self.copy(from, to)?,
            Command::Exec(target) => match target.selector {
                _ if !self.tree.nodes.contains_key(&target.uri) => {
                    return Err(StatusCode::NOT_FOUND);
                }
                Selector::Node => self.on_node(&target.uri, AccessType::Exec)?,
                _ => return Err(StatusCode::COMMAND_NOT_ALLOWED),
            },
            Command::Set(uri, value) => {
                self.by = &Principal::Device;
                self.create_ancestors(uri)?;
                if self.tree.nodes.contains_key(uri) {
                    self.write(uri, value)?;
                } else {
                    self.create(uri, &NewNode::Leaf(value.clone()))?;
                }
            }
            Command::AddInterior(uri) => {
                self.by = &Principal::Device;
                self.create_ancestors(uri)?;
                match self.tree.is_interior(uri) {
                    Some(true) => self.complete(uri)?,
                    Some(false) => return Err(StatusCode::COMMAND_NOT_ALLOWED),
                    None => self.create(uri, &NewNode::INTERIOR)?,
                }
            }
        }
        Ok(None)
    }

    fn get(&self, target: &Target) -> Answer<Reading> {
        let uri = &target.uri;
        let node = self.tree.nodes.get(uri).ok_or(StatusCode::NOT_FOUND)?;
        if let Selector::Property(property) = target.selector {
            self.described(uri)?;
            self.need(uri, AccessType::Get)?;
            return self.property(uri, property).map(Reading::Property);
        }
        self.on_node(uri, AccessType::Get)?;
        let Selector::List(list) = target.selector else {
            return Ok(match &node.value {
                Some(value) => Reading::Leaf(value.clone()),
                None => Reading::Children(self.tree.children(uri).map(segment).collect()),
            });
        };
        let shown: Vec<_> = self
            .tree
            .nodes
            .iter()
            .filter(|(below, _)| below.starts_with(uri))
            .filter(|(below, _)| self.on_node(below, AccessType::Get).is_ok())
            .collect();
        if shown.len() > self.tree.limits.list_nodes {
            return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
        }
        let entries = |values: bool| {
            let entry = |(uri, node): &(&Uri, &ReferenceNode)| ListEntry {
                uri: (*uri).clone(),
                format: node.value.as_ref().map_or(Format::Node, Value::format),
                node_type: node.node_type.as_str().into(),
                value: node.value.clone().filter(|_| values),
            };
            Reading::List(shown.iter().map(entry).collect())
        };
        Ok(match list {
            List::Struct => entries(false),
            List::StructData => entries(true),
            List::Tnds(properties) => Reading::Tnds {
                nodes: shown.iter().map(|(uri, _)| (*uri).clone()).collect(),
                properties,
            },
        })
    }

    fn property(&self, uri: &Uri, property: Property) -> Answer<String> {
        let node = self.tree.nodes.get(uri).ok_or(StatusCode::NOT_FOUND)?;
        Ok(match property {
            Property::Acl => node.acl.to_string(),
            Property::Format => match &node.value {
                Some(value) => value.format().to_string(),
                None => "node".to_owned(),
            },
            Property::Name if uri.is_root() => ".".to_owned(),
            Property::Name => segment(uri),
            Property::Size => match &node.value {
                Some(value) => value.octets().len().to_string(),
                None => return Err(StatusCode::OPTIONAL_FEATURE_NOT_SUPPORTED),
            },
            Property::Title => node.title.clone(),
            Property::TStamp => node.timestamp.clone(),
            Property::Type => node.node_type.clone(),
            Property::VerNo => node.ver_no.to_string(),
        })
    }

    fn replace_property(&mut self, uri: &Uri, property: Property, text: &str) -> Answer {
        if !self.tree.nodes.contains_key(uri) {
            return Err(StatusCode::NOT_FOUND);
        }
        self.described(uri)?;
        match property {
            Property::Acl => {
                let interior = self.tree.is_interior(uri) == Some(true);
                let own = interior && self.tree.allows(self.by, uri, AccessType::Replace);
                let above = uri
                    .parent()
                    .is_some_and(|above| self.tree.allows(self.by, &above, AccessType::Replace));
                if !own && !above && self.by != &Principal::Device {
                    return Err(StatusCode::PERMISSION_DENIED);
                }
                let acl: Acl = text.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
                if acl.to_string().len() > self.tree.limits.acl_bytes {
                    return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
                }
                if acl.is_empty() && uri.is_root() {
                    return Err(StatusCode::COMMAND_NOT_ALLOWED);
                }
                self.change(uri, |node| node.acl = acl);
            }
            Property::Title => {
                self.need(uri, AccessType::Replace)?;
                if text.len() > 255 {
                    return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
                }
                self.change(uri, |node| node.title = text.to_owned());
            }
            Property::Name => self.rename(uri, text)?,
            _ => return Err(StatusCode::COMMAND_NOT_ALLOWED),
        }
        Ok(())
    }

    fn rename(&mut self, uri: &Uri, text: &str) -> Answer {
        let Some(parent) = uri.parent() else {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        };
        let renamable = |rule: Option<Rule<'_>>| rule.is_some_and(|rule| rule.placeholder);
        if self.by != &Principal::Device {
            let rule = self.rule(uri);
            if !renamable(rule) || rule.is_some_and(|rule| rule.scope == Scope::Permanent) {
                return Err(StatusCode::COMMAND_NOT_ALLOWED);
            }
        }
        self.need(uri, AccessType::Replace)?;
        let name = parse_segment(text).map_err(|error| error.status())?;
        let to = parent.child(&name).map_err(|error| error.status())?;
        if to == *uri {
            return Ok(());
        }
        if self.tree.nodes.contains_key(&to) {
            return Err(StatusCode::ALREADY_EXISTS);
        }
        let format = self.property(uri, Property::Format)?;
        let fits = self.rule(&to).filter(|rule| {
            rule.placeholder && rule.formats.iter().any(|one| one.as_str() == format)
        });
        if self.by != &Principal::Device && fits.is_none() {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let mut moved = BTreeMap::new();
        for (old, node) in std::mem::take(&mut self.tree.nodes) {
            let new = match old.strip_prefix(uri) {
                Some(below) => to.join(&below),
                None => old,
            };
            if new.starts_with(&to) {
                let limit = self.tree.limits.uri.check(&new);
                limit.map_err(|error| error.status())?;
            }
            moved.insert(new, node);
        }
        self.tree.nodes = moved;
        Ok(())
    }

    fn delete(&mut self, target: &Target) -> Answer {
        let uri = &target.uri;
        if !self.tree.nodes.contains_key(uri) {
            return Err(StatusCode::NOT_FOUND);
        }
        if target.selector != Selector::Node || uri.is_root() {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        self.on_node(uri, AccessType::Delete)?;
        self.tree.nodes.retain(|below, _| !below.starts_with(uri));
        Ok(())
    }

    fn copy(&mut self, from: &Uri, to: &Uri) -> Answer {
        let value = self.tree.nodes.get(from).ok_or(StatusCode::NOT_FOUND)?;
        let value = value.value.clone();
        let value = value.ok_or(StatusCode::COMMAND_NOT_ALLOWED)?;
        self.on_node(from, AccessType::Copy)?;
        match self.tree.is_interior(to) {
            Some(true) => Err(StatusCode::COMMAND_NOT_ALLOWED),
            Some(false) => {
                self.on_node(to, AccessType::Replace)?;
                self.write(to, &value)
            }
            None => self.add(&Target::node(to.clone()), &NewNode::Leaf(value)),
        }
    }

    /// Whether an Add passes description, structure and ACL.
    fn may_add(&self, target: &Target) -> Answer {
        let uri = &target.uri;
        let missing: Vec<Uri> = uri
            .ancestors()
            .filter(|uri| !self.tree.nodes.contains_key(uri))
            .collect();
        if missing.len() > self.tree.limits.implicit_ancestors {
            return Err(StatusCode::NOT_FOUND);
        }
        let anchor = uri
            .ancestors()
            .find(|uri| self.tree.nodes.contains_key(uri))
            .ok_or(StatusCode::COMMAND_NOT_ALLOWED)?;
        if target.selector != Selector::Node || self.tree.is_interior(&anchor) == Some(false) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        for ancestor in missing.iter().rev() {
            if !self.comes_along(ancestor) {
                self.may_create(ancestor, true)?;
            }
        }
        self.may_create(uri, false)?;
        self.need(&anchor, AccessType::Add)
    }

    fn add(&mut self, target: &Target, new: &NewNode) -> Answer {
        self.may_add(target)?;
        let uri = &target.uri;
        let existed = self.tree.nodes.contains_key(uri);
        self.create_ancestors(uri)?;
        match (self.tree.nodes.get(uri), new) {
            (None, new) => self.create(uri, new),
            (Some(node), NewNode::Leaf(value)) if node.unset => self.write(uri, value),
            (Some(node), NewNode::Interior { node_type }) if node.value.is_none() && !existed => {
                let node_type = self.interior_type(uri, node_type.as_deref())?;
                self.change(uri, |node| node.node_type = node_type);
                Ok(())
            }
            _ => Err(StatusCode::ALREADY_EXISTS),
        }
    }

    /// Whether the node is created with a parent that is missing itself.
    fn comes_along(&self, uri: &Uri) -> bool {
        let (Some(parent), Some(name)) = (uri.parent(), uri.name()) else {
            return false;
        };
        !self.tree.nodes.contains_key(&parent)
            && self
                .schema
                .required(&parent)
                .iter()
                .any(|required| required.name == name)
    }

    fn may_create(&self, uri: &Uri, as_ancestor: bool) -> Answer {
        let refused = Err(StatusCode::COMMAND_NOT_ALLOWED);
        let exists = self.tree.nodes.contains_key(uri) || self.comes_along(uri);
        let rule = self.rule(uri);
        if self.by != &Principal::Device {
            match rule {
                Some(rule)
                    if rule.access.contains(AccessType::Add)
                        && rule.owner == Owner::Server
                        && (exists || rule.scope == Scope::Dynamic) => {}
                _ => return refused,
            }
        }
        let Some(rule) = rule else { return Ok(()) };
        if as_ancestor && !rule.formats.contains(Format::Node) {
            return refused;
        }
        if rule.placeholder && !exists {
            let count = self.instances(&uri.parent().unwrap_or_else(Uri::root));
            let most = match rule.occurrence {
                Occurrence::One | Occurrence::ZeroOrOne => 1,
                Occurrence::ZeroOrN(n) | Occurrence::OneOrN(n) => n as usize,
                Occurrence::ZeroOrMore | Occurrence::OneOrMore => usize::MAX,
            };
            if count >= most {
                return refused;
            }
        }
        Ok(())
    }

    fn instances(&self, parent: &Uri) -> usize {
        self.tree
            .children(parent)
            .filter(|uri| self.rule(uri).is_some_and(|rule| rule.placeholder))
            .count()
    }

    /// Whether a command on an existing node passes description and ACL.
    fn on_node(&self, uri: &Uri, access: AccessType) -> Answer {
        if !self.tree.nodes.contains_key(uri) {
            return Err(StatusCode::NOT_FOUND);
        }
        if self.by != &Principal::Device {
            let refused = Err(StatusCode::COMMAND_NOT_ALLOWED);
            let Some(rule) = self.rule(uri) else {
                return refused;
            };
            let last_one = rule.placeholder
                && matches!(
                    rule.occurrence,
                    Occurrence::One | Occurrence::OneOrMore | Occurrence::OneOrN(_)
                )
                && uri
                    .parent()
                    .is_some_and(|above| self.instances(&above) == 1);
            let refuses = match access {
                AccessType::Delete => rule.scope == Scope::Permanent || last_one,
                AccessType::Replace => rule.owner == Owner::Device,
                _ => false,
            };
            if refuses || !rule.access.contains(access) {
                return refused;
            }
        }
        self.need(
            uri,
            match access {
                AccessType::Copy => AccessType::Get,
                access => access,
            },
        )
    }

    /// Whether a server may do anything with a node.
    fn described(&self, uri: &Uri) -> Answer {
        match self.by {
            Principal::Server(_) if self.rule(uri).is_none() => {
                Err(StatusCode::COMMAND_NOT_ALLOWED)
            }
            _ => Ok(()),
        }
    }

    fn need(&self, uri: &Uri, right: AccessType) -> Answer {
        if self.tree.allows(self.by, uri, right) {
            Ok(())
        } else {
            Err(StatusCode::PERMISSION_DENIED)
        }
    }

    fn create_ancestors(&mut self, uri: &Uri) -> Answer {
        if !self.tree.nodes.contains_key(uri) {
            self.check_uri(uri)?;
        }
        let mut ancestors: Vec<Uri> = uri.ancestors().collect();
        ancestors.reverse();
        for ancestor in ancestors {
            if !self.tree.nodes.contains_key(&ancestor) {
                self.create(&ancestor, &NewNode::INTERIOR)?;
            }
        }
        Ok(())
    }

    fn create(&mut self, uri: &Uri, new: &NewNode) -> Answer {
        self.create_one(uri, new, false)?;
        if self.tree.is_interior(uri) == Some(true) {
            if let (Principal::Server(server), Some(parent)) = (self.by, uri.parent())
                && !self.tree.allows(self.by, &parent, AccessType::Replace)
            {
                let inherited = uri
                    .ancestors()
                    .filter_map(|uri| self.tree.nodes.get(&uri))
                    .map(|node| node.acl.clone())
                    .find(|acl| !acl.is_empty());
                let rights = AccessSet::of(&[
                    AccessType::Add,
                    AccessType::Delete,
                    AccessType::Get,
                    AccessType::Replace,
                ]);
                let acl = inherited.unwrap_or_default().with(server.clone(), rights);
                self.change(uri, |node| node.acl = acl);
            }
            self.complete(uri)?;
        }
        Ok(())
    }

    fn complete(&mut self, uri: &Uri) -> Answer {
        let mut pending = vec![uri.clone()];
        while let Some(uri) = pending.pop() {
            for required in self.schema.required(&uri) {
                let child = uri.child(&required.name).map_err(|error| error.status())?;
                if !self.tree.nodes.contains_key(&child) {
                    let new = match &required.initial {
                        Initial::Interior => NewNode::INTERIOR,
                        Initial::Leaf(value) => NewNode::Leaf(value.clone()),
                    };
                    self.create_one(&child, &new, true)?;
                }
                if required.initial == Initial::Interior {
                    pending.push(child);
                }
            }
        }
        Ok(())
    }

    fn create_one(&mut self, uri: &Uri, new: &NewNode, required: bool) -> Answer {
        self.check_uri(uri)?;
        let (value, node_type) = match new {
            NewNode::Interior { node_type } => {
                (None, self.interior_type(uri, node_type.as_deref())?)
            }
            NewNode::Leaf(value) => {
                let value = self.fitting(uri, value)?;
                let node_type = value.media_type().to_owned();
                (Some(value), node_type)
            }
        };
        let parent = uri.parent().ok_or(StatusCode::COMMAND_NOT_ALLOWED)?;
        if self.tree.is_interior(&parent) != Some(true) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        if self.tree.nodes.len() >= self.tree.limits.nodes as usize
            || self.tree.children(&parent).count() >= self.tree.limits.children as usize
        {
            return Err(StatusCode::DEVICE_FULL);
        }
        let node = ReferenceNode {
            unset: required && value.is_some(),
            value,
            node_type,
            acl: Acl::new(),
            title: String::new(),
            timestamp: self.now.timestamp(),
            ver_no: 0,
        };
        self.tree.nodes.insert(uri.clone(), node);
        Ok(())
    }

    fn write(&mut self, uri: &Uri, value: &Value) -> Answer {
        if self.tree.is_interior(uri) != Some(false) {
            return Err(StatusCode::COMMAND_NOT_ALLOWED);
        }
        let value = self.fitting(uri, value)?;
        let timestamp = self.now.timestamp();
        self.change(uri, |node| {
            node.node_type = value.media_type().to_owned();
            node.value = Some(value);
            node.timestamp = timestamp;
            node.ver_no = node.ver_no.wrapping_add(1);
            node.unset = false;
        });
        Ok(())
    }

    /// The value as a node stores it, instead of the one it has.
    fn fitting(&self, uri: &Uri, value: &Value) -> Answer<Value> {
        let unsupported = Err(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT);
        let mut value = value.clone();
        if let Some(rule) = self.rule(uri) {
            if !rule.formats.contains(value.format()) {
                return unsupported;
            }
            let own = value.media_type() == Value::default_media_type(value.format());
            let listed = rule.media_types.iter().any(|t| *t == value.media_type());
            match rule.media_types.first() {
                Some(first) if own && !listed => value = value.with_media_type(first),
                Some(_) if !listed => return unsupported,
                _ => {}
            }
        }
        let limits = &self.tree.limits;
        let own = value.media_type() == Value::default_media_type(value.format());
        if value.octets().len() > limits.value_bytes
            || (!own && value.media_type().len() > limits.type_bytes)
        {
            return Err(StatusCode::REQUEST_ENTITY_TOO_LARGE);
        }
        let others = self.tree.nodes.iter().filter(|(other, _)| *other != uri);
        let taken: usize = others
            .filter_map(|(_, node)| node.value.as_ref())
            .map(|value| value.octets().len())
            .sum();
        if taken + value.octets().len() > limits.total_bytes {
            return Err(StatusCode::DEVICE_FULL);
        }
        Ok(value)
    }

    fn interior_type(&self, uri: &Uri, given: Option<&str>) -> Answer<String> {
        let unsupported = Err(StatusCode::UNSUPPORTED_MEDIA_TYPE_OR_FORMAT);
        let given = given.unwrap_or_default();
        let rule = self.rule(uri);
        if rule.is_some_and(|rule| !rule.formats.contains(Format::Node)) {
            return unsupported;
        }
        match rule.and_then(|rule| rule.node_type) {
            Some(described) if given.is_empty() || given == described => Ok(described.to_owned()),
            Some(_) => unsupported,
            None if given.len() > self.tree.limits.type_bytes => {
                Err(StatusCode::REQUEST_ENTITY_TOO_LARGE)
            }
            None => Ok(given.to_owned()),
        }
    }

    fn check_uri(&self, uri: &Uri) -> Answer {
        self.tree
            .limits
            .uri
            .check(uri)
            .map_err(|error| error.status())
    }

    fn change(&mut self, uri: &Uri, change: impl FnOnce(&mut ReferenceNode)) {
        if let Some(node) = self.tree.nodes.get_mut(uri) {
            change(node);
        }
    }

    fn rule(&self, uri: &Uri) -> Option<Rule<'_>> {
        let root = Rule::interior(AccessSet::of(&[AccessType::Get])).permanent();
        self.schema
            .rule(uri)
            .or_else(|| uri.is_root().then_some(root))
    }
}

fn segment(uri: &Uri) -> String {
    Encoded(uri.name().unwrap_or_default()).to_string()
}
