//! Whatever comes in: no panic, and what passes comes back as it was.

mod common;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use spec::{
    Access, CapSet, Capabilities, Device, DeviceRule, DeviceRuleType, DeviceType, Hook, Hooks,
    IdMap, Linux, Map, Memory, Mount, Namespace, NamespaceType, Process, Propagation, Resources,
    Rlimit, RlimitKind, Root, Spec, Str, User,
};

/// Any text that the kernel can be given, with what JSON must escape.
fn text() -> impl Strategy<Value = Str<'static>> {
    prop_oneof![
        "[a-z/._=-]{1,12}",
        "[^\0]{1,8}",
        "[\"\\\\\n\t\u{7f}\u{2028}\u{1F600}]{1,4}"
    ]
    .prop_map(Str::from)
}

fn maybe<T: Strategy>(strategy: T) -> impl Strategy<Value = Option<T::Value>> {
    proptest::option::of(strategy)
}

fn texts() -> impl Strategy<Value = Vec<Str<'static>>> {
    vec(text(), 0..4)
}

fn map() -> impl Strategy<Value = Map<'static, Str<'static>>> {
    vec((text(), text()), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

fn id_maps() -> impl Strategy<Value = Vec<IdMap>> {
    vec(
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(container, host, size)| IdMap {
            container,
            host,
            size,
        }),
        0..3,
    )
}

fn capabilities() -> impl Strategy<Value = Capabilities<'static>> {
    let set = || any::<u64>().prop_map(|bits| CapSet(bits).intersection(CapSet::ALL));
    (set(), set(), set(), set(), set()).prop_map(
        |(bounding, effective, inheritable, permitted, ambient)| Capabilities {
            bounding,
            effective,
            inheritable,
            permitted,
            ambient,
            ignored: Vec::new(),
        },
    )
}

fn process() -> impl Strategy<Value = Process<'static>> {
    let rlimit = (select(RlimitKind::ALL), any::<u64>(), any::<u64>());
    let user = (
        any::<u32>(),
        any::<u32>(),
        maybe(any::<u32>()),
        vec(any::<u32>(), 0..3),
    );
    (
        any::<bool>(),
        user,
        texts(),
        texts(),
        text(),
        maybe(capabilities()),
        vec(rlimit, 0..3),
        maybe(any::<i32>()),
        maybe(text()),
    )
        .prop_map(
            |(
                terminal,
                user,
                args,
                env,
                cwd,
                capabilities,
                rlimits,
                oom_score_adj,
                selinux_label,
            )| Process {
                terminal,
                user: User {
                    uid: user.0,
                    gid: user.1,
                    umask: user.2,
                    additional_gids: user.3,
                },
                args,
                env,
                cwd,
                capabilities,
                rlimits: rlimits
                    .into_iter()
                    .map(|(kind, hard, soft)| Rlimit { kind, hard, soft })
                    .collect(),
                no_new_privileges: terminal,
                oom_score_adj,
                selinux_label,
                ..Process::default()
            },
        )
}

fn mount() -> impl Strategy<Value = Mount<'static>> {
    let words = select(vec![
        "ro", "rw", "rbind", "noatime", "rro", "idmap", "size=1m", "rslave", "remount",
    ]);
    (
        text(),
        maybe(text()),
        maybe(text()),
        vec(words.prop_map(Str::new), 0..5),
        id_maps(),
        id_maps(),
    )
        .prop_map(
            |(destination, fstype, source, options, uid_mappings, gid_mappings)| Mount {
                destination,
                fstype,
                source,
                options,
                uid_mappings,
                gid_mappings,
            },
        )
}

fn hooks() -> impl Strategy<Value = Hooks<'static>> {
    let hook = || {
        (text(), texts(), texts(), maybe(any::<u32>())).prop_map(|(path, args, env, timeout)| {
            Hook {
                path,
                args,
                env,
                timeout,
            }
        })
    };
    (vec(hook(), 0..2), vec(hook(), 0..2)).prop_map(|(prestart, poststop)| Hooks {
        prestart,
        poststop,
        ..Hooks::default()
    })
}

fn resources() -> impl Strategy<Value = Resources<'static>> {
    let access = subsequence(vec!['r', 'w', 'm'], 0..=3).prop_map(|letters| {
        Access::from_letters(&letters.into_iter().collect::<String>()).expect("letters")
    });
    let rule = (
        any::<bool>(),
        select(DeviceRuleType::ALL),
        maybe(any::<i64>()),
        maybe(any::<i64>()),
        access,
    )
        .prop_map(|(allow, kind, major, minor, access)| DeviceRule {
            allow,
            kind,
            major,
            minor,
            access,
        });
    (
        vec(rule, 0..3),
        maybe((maybe(any::<i64>()), maybe(any::<i64>()))),
        map(),
    )
        .prop_map(|(devices, memory, unified)| {
            let memory = memory.map(|(limit, swap)| Memory {
                limit,
                swap,
                ..Memory::default()
            });
            Resources {
                devices,
                memory,
                unified,
                ..Resources::default()
            }
        })
}

fn linux() -> impl Strategy<Value = Linux<'static>> {
    let namespace = (select(NamespaceType::ALL), maybe(text()))
        .prop_map(|(kind, path)| Namespace { kind, path });
    let device = (
        text(),
        select(DeviceType::ALL),
        any::<u32>(),
        any::<u32>(),
        maybe(any::<u32>()),
    )
        .prop_map(|(path, kind, major, minor, file_mode)| Device {
            path,
            kind,
            major,
            minor,
            file_mode,
            ..Device::default()
        });
    (
        id_maps(),
        map(),
        maybe(resources()),
        maybe(text()),
        vec(namespace, 0..4),
        vec(device, 0..3),
        maybe(select(Propagation::ALL)),
        texts(),
    )
        .prop_map(
            |(
                uid_mappings,
                sysctl,
                resources,
                cgroups_path,
                namespaces,
                devices,
                rootfs_propagation,
                masked_paths,
            )| Linux {
                uid_mappings,
                sysctl,
                resources,
                cgroups_path,
                namespaces,
                devices,
                rootfs_propagation,
                masked_paths,
                ..Linux::default()
            },
        )
}

fn any_spec() -> impl Strategy<Value = Spec<'static>> {
    (
        text(),
        maybe(process()),
        maybe((text(), any::<bool>())),
        vec(mount(), 0..4),
        maybe(hooks()),
        map(),
        maybe(linux()),
    )
        .prop_map(
            |(oci_version, process, root, mounts, hooks, annotations, linux)| Spec {
                oci_version,
                process,
                root: root.map(|(path, readonly)| Root { path, readonly }),
                mounts,
                hooks,
                annotations,
                linux,
                ..Spec::default()
            },
        )
}

/// A change of a document's text: at a place, so many bytes are replaced by these.
type Edit = (prop::sample::Index, usize, Vec<u8>);

const TOKENS: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-1",
    "18446744073709551616",
    "1e99",
    "\\u0000",
    "\\ud800",
    "\"\"",
    "true",
    "[[[[",
    "{\"a\":",
];

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..4),
        select(TOKENS.to_vec()).prop_map(|token| token.as_bytes().to_vec()),
    ];
    vec((any::<prop::sample::Index>(), 0_usize..6, bytes), 1..4)
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(spec in any_spec()) {
        let text = spec.to_json();
        prop_assert_eq!(&Spec::parse(&text).unwrap(), &spec);
        let text = spec.to_json_pretty();
        prop_assert_eq!(&Spec::parse(&text).unwrap(), &spec);
        // Whatever it is, checking it ends, with words.
        if let Err(error) = spec.check() {
            prop_assert!(!error.message.is_empty() && !error.place.is_empty());
        }
    }

    #[test]
    fn damage_is_an_error_or_nothing(which in 0..common::REAL.len(), edits in edits()) {
        let mut text = common::REAL[which].1.as_bytes().to_vec();
        for (at, length, bytes) in edits {
            let at = at.index(text.len());
            text.splice(at..(at + length).min(text.len()), bytes);
        }
        match Spec::parse(&text).and_then(|spec| spec.check().map(|()| spec)) {
            Ok(spec) => prop_assert_eq!(&Spec::parse(&spec.to_json()).unwrap().to_json(), &spec.to_json()),
            Err(error) => {
                prop_assert!(!error.message.is_empty());
                prop_assert!(error.to_string().len() < 1000, "{}", error);
                prop_assert!(!error.to_string().contains(char::is_control), "{}", error);
            }
        }
    }
}

#[test]
fn control_characters_stay_out_of_messages() {
    let text = r#"{"ociVersion":"1.0.0","linux":{"seccomp":{"defaultAction":"SCMP\u0000\u001b"}}}"#;
    let message = Spec::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(message.contains(r"SCMP\u{0}\u{1b}"), "{message}");
}

#[test]
fn depth_is_no_problem() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = open.repeat(1 << 20) + "1" + &close.repeat(1 << 20);
        let ignored = format!("{{\"ociVersion\":\"1.0.0\",\"unknown\":{deep}}}");
        assert!(Spec::parse(ignored.as_bytes()).is_ok());
        let wrong = format!("{{\"ociVersion\":\"1.0.0\",\"mounts\":{deep}}}");
        assert!(Spec::parse(wrong.as_bytes()).is_err());
        let unfinished = format!(
            "{{\"ociVersion\":\"1.0.0\",\"unknown\":{}",
            open.repeat(1 << 20)
        );
        assert!(Spec::parse(unfinished.as_bytes()).is_err());
    }
}
