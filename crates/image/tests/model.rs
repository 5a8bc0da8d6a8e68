//! Random layers, unpacked and stacked by the kernel, against a model of what they mean.
//!
//! The model is a plain tree in memory with symbolic links followed as in a container, and for each
//! name whether the layer at hand has touched it: that is all that whiteouts depend on.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use support::overlay::Overlay;
use support::tar::{Header, Tar};
use support::{Scratch, assert_empty, import_layers};

#[derive(Clone, Debug)]
enum Op {
    File(String, u8),
    Dir(String),
    Symlink(String, String),
    HardLink(String, String),
    Fifo(String),
    Whiteout(String),
    Opaque(String),
}

type Path = Vec<String>;

#[derive(Clone, Debug, PartialEq)]
enum Node {
    File(u8),
    Dir,
    Symlink(String),
    Fifo,
}

/// What a container would see.
#[derive(Clone, Debug, Default)]
struct Model {
    nodes: BTreeMap<Path, Node>,
    /// By the layer at hand.
    touched: BTreeSet<Path>,
    /// Whether there are layers below that may be seen.
    lowers: bool,
}

/// The archive is to be refused.
#[derive(Debug)]
struct Refused;

impl Model {
    fn begin_layer(&mut self, first: bool) {
        self.touched.clear();
        self.lowers = !first;
    }

    fn apply(&mut self, op: &Op) -> Result<(), Refused> {
        match op {
            Op::File(path, content) => self.put(path, Node::File(*content)),
            Op::Symlink(path, target) => self.put(path, Node::Symlink(target.clone())),
            Op::Fifo(path) => self.put(path, Node::Fifo),
            Op::Dir(path) => {
                let path = self.place(path)?;
                if self.nodes.get(&path) != Some(&Node::Dir) {
                    self.remove(&path);
                }
                self.set(path, Node::Dir);
                Ok(())
            }
            Op::HardLink(path, target) => self.hard_link(path, target),
            Op::Whiteout(path) => self.whiteout(path),
            Op::Opaque(directory) => self.opaque(directory),
        }
    }

    fn put(&mut self, path: &str, node: Node) -> Result<(), Refused> {
        let path = self.place(path)?;
        self.remove(&path);
        self.set(path, node);
        Ok(())
    }

    fn set(&mut self, path: Path, node: Node) {
        self.touched.insert(path.clone());
        self.nodes.insert(path, node);
    }

    /// Where an entry goes; the directories on the way are made and touched.
    fn place(&mut self, path: &str) -> Result<Path, Refused> {
        let (parent, name) = split(path);
        let mut path = self.resolve(&parent)?;
        self.touch(&path);
        path.push(name);
        Ok(path)
    }

    fn touch(&mut self, path: &[String]) {
        for length in 1..=path.len() {
            self.set(path[..length].to_vec(), Node::Dir);
        }
    }

    fn remove(&mut self, path: &[String]) {
        self.nodes.retain(|other, _| !other.starts_with(path));
        self.touched.retain(|other| !other.starts_with(path));
    }

    fn resolve(&self, path: &[String]) -> Result<Path, Refused> {
        let mut todo: Vec<String> = path.iter().rev().cloned().collect();
        let mut done = Path::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(name),
            }
            match self.nodes.get(&done) {
                None | Some(Node::Dir) => {}
                Some(Node::Symlink(target)) => {
                    links += 1;
                    if links > 40 {
                        return Err(Refused);
                    }
                    done.pop();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    todo.extend(target.split('/').rev().map(str::to_owned));
                }
                Some(_) => return Err(Refused),
            }
        }
        Ok(done)
    }

    fn hard_link(&mut self, path: &str, target: &str) -> Result<(), Refused> {
        let place = self.place(path)?;
        let (parent, name) = split(target);
        let mut target = self.resolve(&parent)?;
        target.push(name);
        let node = match self.nodes.get(&target) {
            None | Some(Node::Dir) => return Err(Refused),
            Some(node) => node.clone(),
        };
        self.touch(&target[..target.len() - 1]);
        self.touched.insert(target.clone());
        if place != target {
            // What it replaces may hold the target.
            if target.starts_with(&place) {
                return Err(Refused);
            }
            self.remove(&place);
            self.set(place, node);
        }
        Ok(())
    }

    fn whiteout(&mut self, path: &str) -> Result<(), Refused> {
        let (parent, name) = split(path);
        let mut path = self.resolve(&parent)?;
        let parent = path.clone();
        path.push(name);
        if self.nodes.contains_key(&path) && !self.touched.contains(&path) {
            // The mark stands in the directory, which is this layer's from here.
            self.touch(&parent);
        }
        self.hide(&path);
        Ok(())
    }

    fn opaque(&mut self, directory: &str) -> Result<(), Refused> {
        if !self.lowers {
            return Ok(());
        }
        let parts: Path = directory.split('/').map(str::to_owned).collect();
        let path = self.resolve(&parts)?;
        self.touch(&path);
        self.hide(&path);
        self.lowers &= !path.is_empty();
        Ok(())
    }

    /// Removes what this layer has not touched.
    fn hide(&mut self, path: &[String]) {
        let touched = &self.touched;
        self.nodes
            .retain(|other, _| !other.starts_with(path) || touched.contains(other));
    }

    fn view(&self) -> BTreeMap<String, String> {
        let text = |node: &Node| match node {
            Node::File(content) => format!("file {content}"),
            Node::Dir => "dir".to_owned(),
            Node::Symlink(target) => format!("-> {target}"),
            Node::Fifo => "fifo".to_owned(),
        };
        self.nodes
            .iter()
            .map(|(path, node)| (path.join("/"), text(node)))
            .collect()
    }
}

fn split(path: &str) -> (Path, String) {
    let mut parts: Path = path.split('/').map(str::to_owned).collect();
    let name = parts.pop().unwrap();
    (parts, name)
}

fn write(layer: &[Op]) -> Vec<u8> {
    let mut tar = Tar::new();
    for op in layer {
        match op {
            Op::File(path, content) => tar.file(path, content.to_string().as_bytes()),
            Op::Dir(path) => tar.dir(path),
            Op::Symlink(path, target) => tar.symlink(path, target),
            Op::HardLink(path, target) => tar.hard_link(path, target),
            Op::Fifo(path) => tar.entry(Header::new(path.as_bytes(), b'6'), b""),
            Op::Whiteout(path) => match path.rsplit_once('/') {
                Some((parent, name)) => tar.file(&format!("{parent}/.wh.{name}"), b""),
                None => tar.file(&format!(".wh.{path}"), b""),
            },
            Op::Opaque(directory) => tar.file(&format!("{directory}/.wh..wh..opq"), b""),
        };
    }
    tar.finish()
}

/// Few names, so that entries meet.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..4).prop_map(|parts| parts.join("/"))
}

fn target() -> impl Strategy<Value = String> {
    let part = prop_oneof![6 => "[abc]", 1 => Just("..".to_owned()), 1 => Just(".".to_owned())];
    (any::<bool>(), prop::collection::vec(part, 1..4))
        .prop_map(|(absolute, parts)| if absolute { "/" } else { "" }.to_owned() + &parts.join("/"))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (path(), any::<u8>()).prop_map(|(path, content)| Op::File(path, content)),
        4 => path().prop_map(Op::Dir),
        3 => (path(), target()).prop_map(|(path, target)| Op::Symlink(path, target)),
        2 => (path(), path()).prop_map(|(path, target)| Op::HardLink(path, target)),
        1 => path().prop_map(Op::Fifo),
        3 => path().prop_map(Op::Whiteout),
        1 => prop_oneof![9 => path(), 1 => Just(".".to_owned())].prop_map(Op::Opaque),
    ]
}

/// Leaves out what is to be refused, which ends an import, so that long ones go through; or not.
fn accepted(layers: &[Vec<Op>]) -> Vec<Vec<Op>> {
    let mut model = Model::default();
    let mut accepted = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        model.begin_layer(index == 0);
        let mut ops = Vec::new();
        for op in layer {
            let mut next = model.clone();
            if next.apply(op).is_ok() {
                model = next;
                ops.push(op.clone());
            }
        }
        accepted.push(ops);
    }
    accepted
}

fn check(layers: &[Vec<Op>]) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut refused = false;
    'all: for (index, layer) in layers.iter().enumerate() {
        model.begin_layer(index == 0);
        for op in layer {
            if model.apply(op).is_err() {
                refused = true;
                break 'all;
            }
        }
    }
    let scratch = Scratch::new();
    let tars: Vec<Vec<u8>> = layers.iter().map(|layer| write(layer)).collect();
    match import_layers(&scratch, &tars) {
        Err(error) => {
            prop_assert!(refused, "{}", error);
            assert_empty(&scratch.store());
        }
        Ok(image) => {
            prop_assert!(!refused, "was to be refused");
            let view = Overlay::new(&image.layers, &scratch.join("bottom")).view();
            prop_assert_eq!(view, model.view());
            prop_assert!(scratch.store().verify().unwrap().is_empty());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn layers_mean_what_the_model_says(
        layers in prop::collection::vec(prop::collection::vec(op(), 1..12), 1..5),
        all in prop::bool::weighted(0.1),
    ) {
        check(&if all { layers } else { accepted(&layers) })?;
    }
}
