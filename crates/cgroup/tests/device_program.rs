//! Device policies on random rules: the BPF program, the v1 writes, and the plain meaning of the rules
//! must say the same of every access.

use cgroup::bpf::device_program;
use cgroup::devices::Policy;
use spec::{Access, DeviceRule, DeviceRuleType};
use sys::bpf::Insn;

/// What a process asks of the kernel.
#[derive(Clone, Copy, Debug)]
struct Ask {
    char: bool,
    major: u32,
    minor: u32,
    /// `BPF_DEVCG_ACC_*`: 1 mknod, 2 read, 4 write.
    bits: u32,
}

/// A small xorshift, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn number(&mut self) -> Option<i64> {
        [None, Some(-1), Some(0), Some(1), Some(2), Some(3)]
            [usize::try_from(self.below(6)).unwrap()]
    }

    fn rule(&mut self) -> DeviceRule {
        let letters = ["r", "w", "m", "rw", "rm", "wm", "rwm", "rwm", "rwm"];
        DeviceRule {
            allow: self.below(2) == 0,
            kind: [
                DeviceRuleType::All,
                DeviceRuleType::Char,
                DeviceRuleType::Block,
            ][usize::try_from(self.below(3)).unwrap()],
            major: self.number(),
            minor: self.number(),
            access: Access::from_letters(letters[usize::try_from(self.below(9)).unwrap()]).unwrap(),
        }
    }
}

fn asks() -> impl Iterator<Item = Ask> {
    [true, false].into_iter().flat_map(|char| {
        (0..6).flat_map(move |major| {
            (0..10).flat_map(move |minor| {
                (1..8).map(move |bits| Ask {
                    char,
                    major,
                    minor,
                    bits,
                })
            })
        })
    })
}

/// The meaning: each kind of access is as the last rule says that speaks of it; before all rules
/// everything is denied, after them come those that every container gets.
fn meaning(rules: &[DeviceRule], ask: Ask) -> bool {
    let bits = [(1, Access::MKNOD), (2, Access::READ), (4, Access::WRITE)];
    bits.into_iter()
        .filter(|(bit, _)| ask.bits & bit != 0)
        .all(|(_, access)| {
            if everybody_may(ask, access) {
                return true;
            }
            let speaks = |rule: &&DeviceRule| {
                let number =
                    |n: Option<i64>, asked| n.is_none_or(|n| n == -1 || n == i64::from(asked));
                let kind = match rule.kind {
                    DeviceRuleType::All => true,
                    DeviceRuleType::Char => ask.char,
                    DeviceRuleType::Block => !ask.char,
                };
                kind && number(rule.major, ask.major)
                    && number(rule.minor, ask.minor)
                    && rule.access.contains(access)
            };
            rules
                .iter()
                .rev()
                .find(speaks)
                .is_some_and(|rule| rule.allow)
        })
}

fn everybody_may(ask: Ask, access: Access) -> bool {
    let listed = [
        (1, 3),
        (1, 5),
        (1, 7),
        (1, 8),
        (1, 9),
        (5, 0),
        (5, 1),
        (5, 2),
    ]
    .contains(&(ask.major, ask.minor));
    access == Access::MKNOD || ask.char && (listed || ask.major == 136)
}

/// Runs a program as the kernel would: the few instructions that device programs have.
fn run(program: &[Insn], ask: Ask) -> bool {
    let context = [
        if ask.char { 2 } else { 1 } | (ask.bits << 16),
        ask.major,
        ask.minor,
    ];
    let mut registers = [0u64; 11];
    let mut at = 0;
    for _ in 0..=program.len() {
        let insn = program[at];
        let (to, from) = (
            usize::from(insn.registers & 15),
            usize::from(insn.registers >> 4),
        );
        let constant = i64::from(insn.constant).cast_unsigned();
        let target = at.strict_add_signed(isize::from(insn.offset)) + 1;
        at += 1;
        match insn.code {
            0x61 => registers[to] = context[usize::try_from(insn.offset / 4).unwrap()].into(),
            0xb7 => registers[to] = constant,
            0xbf => registers[to] = registers[from],
            0x57 => registers[to] &= constant,
            0x77 => registers[to] >>= constant,
            0x05 => at = target,
            0x15 => {
                at = if registers[to] == constant {
                    target
                } else {
                    at
                }
            }
            0x55 => {
                at = if registers[to] != constant {
                    target
                } else {
                    at
                }
            }
            0x45 => {
                at = if registers[to] & constant != 0 {
                    target
                } else {
                    at
                }
            }
            0x95 => return registers[0] == 1,
            code => panic!("instruction {code:#x}"),
        }
        assert!(target > 0, "a jump goes back");
    }
    panic!("the program does not end");
}

/// What the kernel's v1 device controller keeps: a default, and exceptions by exact numbers.
#[derive(Default)]
struct V1 {
    allow: bool,
    exceptions: Vec<(char, String, String)>,
}

impl V1 {
    fn write(&mut self, file: &str, line: &str) {
        let allow = file == "devices.allow";
        if line == "a" {
            *self = Self {
                allow,
                exceptions: Vec::new(),
            };
            return;
        }
        assert_ne!(allow, self.allow, "only exceptions follow");
        let words: Vec<&str> = line.split(' ').collect();
        let [kind, numbers, access] = words[..] else {
            panic!("{line:?}")
        };
        self.exceptions
            .push((kind.chars().next().unwrap(), numbers.into(), access.into()));
    }

    fn allows(&self, ask: Ask) -> bool {
        let bits = [(1, 'm'), (2, 'r'), (4, 'w')];
        let hit = |letter| {
            self.exceptions.iter().any(|(kind, numbers, access)| {
                let (major, minor) = numbers.split_once(':').unwrap();
                let number = |text: &str, asked: u32| text == "*" || text == asked.to_string();
                (*kind == 'c') == ask.char
                    && number(major, ask.major)
                    && number(minor, ask.minor)
                    && access.contains(letter)
            })
        };
        bits.into_iter()
            .filter(|(bit, _)| ask.bits & bit != 0)
            .all(|(_, letter)| hit(letter) != self.allow)
    }
}

#[test]
fn programs_mean_what_the_rules_say() {
    let mut random = Random(0x5eed);
    for _ in 0..1500 {
        let rules: Vec<DeviceRule> = (0..random.below(8)).map(|_| random.rule()).collect();
        let policy = Policy::of_container(&rules).unwrap();
        let program = device_program(&policy).unwrap();
        for ask in asks() {
            let expected = meaning(&rules, ask);
            assert_eq!(run(&program, ask), expected, "{ask:?}\n{rules:#?}");
            assert!(expected || !policy.allows_everything(), "{rules:#?}");
        }
    }
}

#[test]
fn v1_writes_mean_what_the_rules_say_or_are_refused() {
    let mut random = Random(0xface);
    let mut refused = 0;
    for _ in 0..1500 {
        let rules: Vec<DeviceRule> = (0..random.below(6)).map(|_| random.rule()).collect();
        let Ok(writes) = Policy::of_container(&rules).unwrap().v1_writes() else {
            refused += 1;
            continue;
        };
        let mut v1 = V1::default();
        for write in &writes {
            v1.write(write.file, &write.value);
        }
        for ask in asks() {
            assert_eq!(
                v1.allows(ask),
                meaning(&rules, ask),
                "{ask:?}\n{rules:#?}\n{writes:#?}"
            );
        }
    }
    assert!(refused < 1000, "{refused} of 1500 were refused");
}

#[test]
fn the_kernel_takes_random_programs() {
    use sys::bpf::{ProgramType, load};
    let mut random = Random(0xb0b);
    for _ in 0..40 {
        let rules: Vec<DeviceRule> = (0..random.below(30)).map(|_| random.rule()).collect();
        let program = device_program(&Policy::of_container(&rules).unwrap()).unwrap();
        load(ProgramType::CgroupDevice, "stockade_test", &program)
            .unwrap_or_else(|e| panic!("{e}\n{rules:#?}"));
    }
}

#[test]
fn privileged_needs_no_program() {
    let all = DeviceRule {
        allow: true,
        access: Access::ALL,
        ..DeviceRule::default()
    };
    assert!(Policy::of_container(&[all]).unwrap().allows_everything());
    assert!(!Policy::of_container(&[]).unwrap().allows_everything());
}

#[test]
fn numbers_that_no_device_has_are_refused_by_name() {
    for (major, minor, field) in [
        (Some(4096), None, "linux.resources.devices[1].major"),
        (None, Some(1 << 20), "linux.resources.devices[1].minor"),
        (Some(-2), None, "linux.resources.devices[1].major"),
    ] {
        let rule = DeviceRule {
            allow: true,
            major,
            minor,
            access: Access::ALL,
            ..DeviceRule::default()
        };
        let error = Policy::of_container(&[DeviceRule::default(), rule])
            .expect_err("refused")
            .to_string();
        assert!(error.starts_with(field), "{error}");
    }
}
