//! From a plan's child steps to the script that the first process runs.

use alloc::vec::Vec;

use child::op::{Code, Op, Span};
use child::script::Writer;

use crate::step::{ChildAct, EnterRoot, NewMount, Plan, Slot};

/// The descriptors that slots stand for.
pub trait Slots {
    /// The descriptor of `slot`, or -1 where the plan did not ask for it.
    fn descriptor(&self, slot: Slot) -> i32;
}

/// A script, ready for its header's last words.
pub type Script = Writer;

/// Writes the child's script.
pub fn encode(plan: &Plan<'_>, slots: &dyn Slots) -> Script {
    let mut writer = Writer::with_capacity(plan.child.len());
    let mut home = None;
    for step in &plan.child {
        let op = Encoder {
            writer: &mut writer,
            slots,
            home: &mut home,
        }
        .op(&step.act);
        writer.op(op);
    }
    writer
}

struct Encoder<'w, 's> {
    writer: &'w mut Writer,
    slots: &'s dyn Slots,
    /// The text of HOME that the child is going to write.
    home: &'w mut Option<Span>,
}

/// Room for the longest home directory that is taken.
const HOME_SIZE: usize = 511;

fn op(code: Code) -> Op {
    Op {
        code: code as u32,
        ..Op::default()
    }
}

fn numbers(code: Code, n: [u64; 3]) -> Op {
    Op { n, ..op(code) }
}

fn pair((set, clear): (u32, u32)) -> u64 {
    u64::from(set) | u64::from(clear) << 32
}

/// The kernel's device number (`makedev(3)`).
fn device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    minor & 0xff | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

impl Encoder<'_, '_> {
    fn text(&mut self, text: &str) -> Span {
        self.writer.text(text)
    }

    fn slot(&self, slot: Slot) -> u64 {
        u64::try_from(self.slots.descriptor(slot)).unwrap_or(u64::from(u32::MAX))
    }

    fn op(&mut self, act: &ChildAct<'_>) -> Op {
        match act {
            ChildAct::Join { slot, types } => numbers(Code::SetNs, [self.slot(*slot), *types, 0]),
            ChildAct::Unshare { types } => numbers(Code::Unshare, [*types, 0, 0]),
            ChildAct::EnterCgroup { slot, .. } => {
                numbers(Code::EnterCgroup, [self.slot(*slot), 0, 0])
            }
            ChildAct::Ask(answer) => numbers(Code::Request, [u64::from(answer.request()), 0, 0]),
            ChildAct::BeBorn => op(Code::BeBorn),
            ChildAct::WaitStart => numbers(Code::WaitStart, [self.slot(Slot::StartSocket), 0, 0]),
            ChildAct::Root { .. }
            | ChildAct::RootOverlay { .. }
            | ChildAct::Overlay { .. }
            | ChildAct::Mount(_)
            | ChildAct::CopyUp(_)
            | ChildAct::Bind(_)
            | ChildAct::Attributes { .. }
            | ChildAct::Node { .. }
            | ChildAct::Link { .. }
            | ChildAct::Mask { .. }
            | ChildAct::ReadOnly { .. }
            | ChildAct::EnterRoot { .. }
            | ChildAct::Directory { .. } => self.file_system_op(act),
            _ => self.process_op(act),
        }
    }

    fn new_mount(&mut self, code: Code, new: &NewMount<'_>) -> Op {
        let s = [
            self.text(&new.kind),
            self.text(&new.source),
            self.text(&new.target),
            self.text(&new.data),
        ];
        Op {
            flags: new.op_flags,
            n: [new.flags, pair(new.host_attributes), 0],
            s,
            ..op(code)
        }
    }

    fn overlay(&mut self, code: Code, target: &str, options: &str, base: &str) -> Op {
        let s = [
            self.text(target),
            self.text(options),
            self.text(base),
            Span::default(),
        ];
        Op { s, ..op(code) }
    }

    fn on_target(&mut self, base: Op, target: &str) -> Op {
        Op {
            s: [
                Span::default(),
                self.text(target),
                Span::default(),
                Span::default(),
            ],
            ..base
        }
    }

    fn file_system_op(&mut self, act: &ChildAct<'_>) -> Op {
        match act {
            ChildAct::Root {
                path,
                recursive,
                tree,
                apart,
            } => {
                let fd = tree.map_or(0, |slot| self.slot(slot));
                let n = [u64::from(*recursive), fd, u64::from(tree.is_some())];
                Op {
                    s: [
                        self.text(path),
                        Span::default(),
                        Span::default(),
                        Span::default(),
                    ],
                    flags: u32::from(*apart),
                    ..numbers(Code::Root, n)
                }
            }
            ChildAct::RootOverlay {
                target,
                options,
                base,
            } => self.overlay(Code::RootOverlay, target, options, base),
            ChildAct::Overlay {
                target,
                options,
                base,
            } => self.overlay(Code::Overlay, target, options, base),
            ChildAct::Mount(new) => self.new_mount(Code::Mount, new),
            ChildAct::CopyUp(new) => self.new_mount(Code::CopyUp, new),
            ChildAct::Bind(bind) => {
                let tree = bind.tree.map_or(0, |slot| self.slot(slot) + 1);
                let n = [tree, pair(bind.attributes), pair(bind.recursive_attributes)];
                let s = [
                    self.text(&bind.source),
                    self.text(&bind.target),
                    Span::default(),
                    Span::default(),
                ];
                Op {
                    flags: bind.op_flags,
                    n,
                    s,
                    ..op(Code::Bind)
                }
            }
            _ => self.node_op(act),
        }
    }

    fn node_op(&mut self, act: &ChildAct<'_>) -> Op {
        match act {
            ChildAct::Attributes {
                target,
                set,
                clear,
                propagation,
                recursive,
            } => {
                let base = Op {
                    flags: u32::from(*recursive),
                    ..numbers(Code::Attributes, [*set, *clear, *propagation])
                };
                self.on_target(base, target)
            }
            ChildAct::Node {
                path,
                mode,
                major,
                minor,
                uid,
                gid,
                bound,
            } => {
                let owner = u64::from(*uid) << 32 | u64::from(*gid);
                let n = [u64::from(*mode), device(*major, *minor), owner];
                let base = Op {
                    flags: u32::from(*bound),
                    ..numbers(Code::Node, n)
                };
                self.on_target(base, path)
            }
            ChildAct::Link { path, text } => {
                let s = [
                    self.text(text),
                    self.text(path),
                    Span::default(),
                    Span::default(),
                ];
                Op {
                    s,
                    ..op(Code::Link)
                }
            }
            ChildAct::Mask { path } => self.on_target(op(Code::Mask), path),
            ChildAct::ReadOnly { path } => self.on_target(op(Code::ReadOnly), path),
            ChildAct::Directory { path, mode } => {
                self.on_target(numbers(Code::Directory, [u64::from(*mode), 0, 0]), path)
            }
            ChildAct::EnterRoot { how, loosen } => {
                let how = match how {
                    EnterRoot::Pivot => 0,
                    EnterRoot::Move => 1,
                    EnterRoot::Chroot => 2,
                    EnterRoot::Already => 3,
                };
                Op {
                    flags: u32::from(*loosen),
                    ..numbers(Code::EnterRoot, [how, 0, 0])
                }
            }
            // All others were met before; an op that does nothing wrong.
            _ => op(Code::Session),
        }
    }

    fn one_text(&mut self, code: Code, text: &str) -> Op {
        Op {
            s: [
                self.text(text),
                Span::default(),
                Span::default(),
                Span::default(),
            ],
            ..op(code)
        }
    }

    fn one_block(&mut self, base: Op, bytes: &[u8]) -> Op {
        Op {
            s: [
                self.writer.bytes(bytes),
                Span::default(),
                Span::default(),
                Span::default(),
            ],
            ..base
        }
    }

    fn two_texts(&mut self, code: Code, first: &str, second: &str) -> Op {
        let s = [
            self.text(first),
            self.text(second),
            Span::default(),
            Span::default(),
        ];
        Op { s, ..op(code) }
    }

    fn process_op(&mut self, act: &ChildAct<'_>) -> Op {
        match act {
            ChildAct::TimeOffsets { text } => self.one_text(Code::TimeOffsets, text),
            ChildAct::BecomeRoot { uid, gid } => {
                numbers(Code::BecomeRoot, [u64::from(*uid), u64::from(*gid), 0])
            }
            ChildAct::LinkUp { name } => self.one_text(Code::LinkUp, name),
            ChildAct::Propagate { flags } => numbers(Code::Propagation, [*flags, 0, 0]),
            ChildAct::WriteProc { file, value } => self.two_texts(Code::WriteProc, file, value),
            ChildAct::Hostname { name } => self.one_text(Code::Hostname, name),
            ChildAct::Domainname { name } => self.one_text(Code::Domainname, name),
            ChildAct::Terminal {
                rows,
                columns,
                uid,
                console,
            } => {
                let n = [u64::from(*rows), u64::from(*columns), u64::from(*uid)];
                Op {
                    flags: u32::from(*console),
                    ..numbers(Code::Terminal, n)
                }
            }
            ChildAct::Session => op(Code::Session),
            ChildAct::Stream { slot, number } => {
                numbers(Code::Input, [self.slot(*slot), u64::from(*number), 0])
            }
            ChildAct::Keyring { name } => self.one_text(Code::Keyring, name),
            ChildAct::Home { uid } => {
                let room = self.writer.room("HOME=/", HOME_SIZE);
                *self.home = Some(room);
                let mut op = numbers(Code::Home, [u64::from(*uid), 0, 0]);
                op.s[1] = room;
                op
            }
            ChildAct::WorkDir { path, make } => Op {
                flags: u32::from(*make),
                ..self.one_text(Code::WorkDir, path)
            },
            ChildAct::CloseFrom { first } => numbers(Code::CloseFrom, [u64::from(*first), 0, 0]),
            ChildAct::Label { attribute, label } => self.two_texts(Code::Label, label, attribute),
            ChildAct::Find { program, path } => self.two_texts(Code::Find, program, path),
            ChildAct::Init => op(Code::Init),
            ChildAct::Keep => op(Code::Keep),
            ChildAct::Exec {
                arguments,
                environment,
            } => {
                let texts = arguments.iter().map(|text| text.as_ref());
                let arguments = self.writer.list(texts, None);
                let texts = environment.iter().map(|text| text.as_ref());
                let environment = self.writer.list(texts, *self.home);
                let s = [Span::default(), arguments, environment, Span::default()];
                Op {
                    s,
                    ..op(Code::Exec)
                }
            }
            _ => self.attribute_op(act),
        }
    }

    fn attribute_op(&mut self, act: &ChildAct<'_>) -> Op {
        match act {
            ChildAct::Limit {
                number, soft, hard, ..
            } => numbers(Code::Limit, [u64::from(*number), *soft, *hard]),
            ChildAct::OomScore { value } => {
                let text = alloc::format!("{value}");
                self.one_text(Code::OomScore, &text)
            }
            ChildAct::Personality { persona } => numbers(Code::Personality, [*persona, 0, 0]),
            ChildAct::Scheduler { attributes, .. } => {
                self.one_block(op(Code::Scheduler), attributes)
            }
            ChildAct::IoPriority { value, .. } => numbers(Code::IoPriority, [*value, 0, 0]),
            ChildAct::Affinity { mask, may_miss, .. } => {
                let flags = u32::from(*may_miss);
                let act = op(Code::Affinity);
                self.one_block(Op { flags, ..act }, mask)
            }
            ChildAct::MemoryPolicy { mode, nodes, .. } => {
                self.one_block(numbers(Code::MemoryPolicy, [*mode, 0, 0]), nodes)
            }
            ChildAct::Bounding { keep } => numbers(Code::Bounding, [keep.0, 0, 0]),
            ChildAct::Groups { ids } => {
                let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_ne_bytes()).collect();
                self.one_block(op(Code::Groups), &bytes)
            }
            ChildAct::User { uid, gid, umask } => numbers(
                Code::User,
                [u64::from(*uid), u64::from(*gid), u64::from(*umask)],
            ),
            ChildAct::Capabilities {
                effective,
                permitted,
                inheritable,
                ambient,
            } => {
                let base = numbers(Code::Capabilities, [*effective, *permitted, *inheritable]);
                self.one_block(base, &ambient.to_ne_bytes())
            }
            ChildAct::NoNewPrivileges => op(Code::NoNewPrivileges),
            ChildAct::Scope => op(Code::Scope),
            ChildAct::Seccomp {
                program,
                flags,
                listener,
            } => {
                let base = Op {
                    flags: u32::from(*listener),
                    ..numbers(Code::Seccomp, [*flags, 0, 0])
                };
                self.one_block(base, program)
            }
            // All others were met before; an op that does nothing wrong.
            _ => op(Code::Session),
        }
    }
}
