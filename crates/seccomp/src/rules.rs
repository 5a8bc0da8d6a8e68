//! What rules mean together: for each number of each ABI, one outcome.

use alloc::vec::Vec;

use spec::Place;
use spec::seccomp::{Op, Seccomp, SyscallArg};

use crate::abi::Abi;
use crate::compare::always_holds;
use crate::multiplex::{self, Door};
use crate::numbers::find;
use crate::outcome::Verdict;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The same, whatever its arguments.
    Always(Verdict),
    /// It depends: an index into [`Outcomes::conditional`].
    Depends(usize),
}

/// A verdict on the calls of one number that depends on their arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Conditional<'p> {
    /// The first that holds decides.
    pub(crate) checks: Vec<Check<'p>>,
    /// What decides if none does.
    pub(crate) otherwise: Verdict,
    /// Whether arguments have 64 bits.
    pub(crate) wide: bool,
}

/// Conditions that must all hold for a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check<'p> {
    pub(crate) verdict: Verdict,
    /// Which call of a multiplexed one it is.
    pub(crate) door: Option<SyscallArg>,
    pub(crate) args: &'p [SyscallArg],
}

/// A number of an ABI that a rule names.
#[derive(Clone, Copy, Debug)]
struct Named {
    number: u32,
    rule: usize,
    /// Set if the number is not that of the call itself, but of one that it can be made through.
    door: Option<Door>,
}

/// A profile's rules with their verdicts, in the profile's order.
pub(crate) struct Rules<'p> {
    profile: &'p Seccomp<'p>,
    verdicts: Vec<Verdict>,
    pub(crate) default: Verdict,
    /// Names that no ABI known here has.
    pub(crate) unknown: Vec<&'p str>,
    /// For each ABI, what its rules name.
    named: Vec<(Abi, Vec<Named>)>,
}

impl<'p> Rules<'p> {
    /// Looks up the names of a profile that has been checked.
    pub(crate) fn new(
        profile: &'p Seccomp<'p>,
        abis: impl Iterator<Item = Abi>,
    ) -> Result<Self, spec::Error> {
        let place = Place::field("linux.seccomp.defaultErrnoRet");
        let default = Verdict::of(profile.default_action, profile.default_errno_ret, place)?;
        let verdict = |(index, rule): (usize, &spec::seccomp::SyscallRule<'_>)| {
            let place = Place::item("linux.seccomp.syscalls", index).at("errnoRet");
            Verdict::of(rule.action, rule.errno_ret, place)
        };
        let mut rules = Self {
            profile,
            verdicts: profile
                .syscalls
                .iter()
                .enumerate()
                .map(verdict)
                .collect::<Result<_, _>>()?,
            default,
            unknown: Vec::new(),
            named: abis.map(|abi| (abi, Vec::with_capacity(512))).collect(),
        };
        rules.look_up();
        Ok(rules)
    }

    fn look_up(&mut self) {
        for (rule, names) in self.profile.syscalls.iter().enumerate() {
            for name in &names.names {
                let Some(index) = find(name) else {
                    self.unknown.push(name);
                    continue;
                };
                for (abi, named) in &mut self.named {
                    if let Some(number) = abi.number(index) {
                        named.push(Named {
                            number,
                            rule,
                            door: None,
                        });
                    }
                    if *abi == Abi::X86
                        && let Some(door) = multiplex::door(index)
                    {
                        named.push(Named {
                            number: door.number(),
                            rule,
                            door: Some(door),
                        });
                    }
                }
            }
        }
    }

    /// The outcomes of one of the ABIs that the rules were looked up for: each number that has one of its
    /// own, in order.
    pub(crate) fn outcomes(
        &mut self,
        abi: Abi,
        shared: &mut Vec<Conditional<'p>>,
    ) -> Vec<(u32, Outcome)> {
        let mut named = match self.named.iter_mut().find(|(one, _)| *one == abi) {
            Some((_, named)) => core::mem::take(named),
            None => Vec::new(),
        };
        // Rules about the same number stay in the profile's order.
        named.sort_unstable_by_key(|one| (one.number, one.rule));
        let wide = !abi.is_32_bit();
        let groups = named.chunk_by(|a, b| a.number == b.number);
        groups
            .map(|group| (group[0].number, self.settle(group, wide, shared)))
            .collect()
    }

    /// What becomes of the calls of one number, which `group` names.
    fn settle(&self, group: &[Named], wide: bool, shared: &mut Vec<Conditional<'p>>) -> Outcome {
        let always = group.iter().filter(|one| one.door.is_none());
        let base = always
            .filter(|one| self.is_unconditional(one.rule, wide))
            .map(|one| self.verdicts[one.rule])
            .find(|verdict| *verdict != self.default);
        let mut checks = self.checks(group, wide, base.is_some());
        let otherwise = base.unwrap_or(self.default);
        if base.is_some() {
            checks.retain(|check| check.verdict.rank() < otherwise.rank());
        }
        checks.sort_by_key(|check| check.verdict.rank());
        while checks.last().is_some_and(|last| last.verdict == otherwise) {
            checks.pop();
        }
        if checks.is_empty() {
            return Outcome::Always(otherwise);
        }
        let conditional = Conditional {
            checks,
            otherwise,
            wide,
        };
        let known = shared.iter().position(|other| *other == conditional);
        Outcome::Depends(known.unwrap_or_else(|| {
            shared.push(conditional);
            shared.len() - 1
        }))
    }

    /// The conditional rules of a group.
    fn checks(&self, group: &[Named], wide: bool, settled: bool) -> Vec<Check<'p>> {
        let mut checks = Vec::new();
        let mut doors = multiplex::Seen::default();
        for one in group {
            let verdict = self.verdicts[one.rule];
            let args: &'p [SyscallArg] = &self.profile.syscalls[one.rule].args;
            let unconditional = self.is_unconditional(one.rule, wide);
            match one.door {
                // A rule about the multiplexed call itself settles all calls through it.
                Some(_) if settled => {}
                Some(door) => {
                    let applies = if unconditional {
                        verdict != self.default && doors.is_first(door)
                    } else {
                        // The arguments are in memory, out of a filter's sight: a rule that would
                        // loosen the default does not count, one that would tighten it always does.
                        verdict.rank() <= self.default.rank()
                    };
                    if applies {
                        checks.push(Check {
                            verdict,
                            door: Some(door.condition()),
                            args: &[],
                        });
                    }
                }
                None if unconditional => {}
                None if names_one_twice(args) => {
                    let each = args.chunks(1).filter(|arg| !always_holds(&arg[0], wide));
                    checks.extend(each.map(|args| Check {
                        verdict,
                        door: None,
                        args,
                    }));
                }
                None => checks.push(Check {
                    verdict,
                    door: None,
                    args,
                }),
            }
        }
        checks
    }

    /// Whether a rule matches whatever the arguments are.
    fn is_unconditional(&self, rule: usize, wide: bool) -> bool {
        let args = &self.profile.syscalls[rule].args;
        if names_one_twice(args) {
            args.iter().any(|arg| always_holds(arg, wide))
        } else {
            args.iter().all(|arg| always_holds(arg, wide))
        }
    }
}

/// Whether two conditions are about the same argument. Runtimes have always read such a rule as one rule
/// for each condition, since libseccomp cannot express it.
fn names_one_twice(args: &[SyscallArg]) -> bool {
    args.iter()
        .enumerate()
        .any(|(at, arg)| args[..at].iter().any(|other| other.index == arg.index))
}

/// The condition `argument index & mask == value`.
pub(crate) const fn masked(index: u32, mask: u64, value: u64) -> SyscallArg {
    SyscallArg {
        index,
        value: mask,
        value_two: value,
        op: Op::MaskedEqual,
    }
}
