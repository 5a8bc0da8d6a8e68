//! An error names the field, wherever in the document the mistake is.

mod common;

use common::{Step, everything, paths, place, replace};
use serde_json::{Value, json};
use spec::{Kind, Spec};

/// No field of ours is a fraction.
#[test]
fn a_value_of_the_wrong_type_is_found_everywhere() {
    let document = everything();
    for path in paths(&document) {
        let mut wrong = document.clone();
        replace(&mut wrong, &path, json!(1.5));
        for text in [
            wrong.to_string(),
            serde_json::to_string_pretty(&wrong).unwrap(),
        ] {
            let error = Spec::parse(text.as_bytes()).expect_err(&place(&path));
            assert_eq!(error.place, place(&path), "{error}");
            assert_eq!(error.kind, Kind::Invalid, "{error}");
            assert!(error.message.ends_with("not 1.5"), "{error}");
        }
    }
}

/// serde's own structures are lists, too, and its enums objects.
#[test]
fn a_list_is_no_object_and_an_object_no_name() {
    let document = everything();
    for path in paths(&document) {
        let mut wrong = document.clone();
        let swapped = match at(&document, &path) {
            Value::Object(fields) => fields.values().cloned().collect(),
            Value::String(name) => json!({name: null}),
            _ => json!({}),
        };
        replace(&mut wrong, &path, swapped);
        let error = Spec::parse(wrong.to_string().as_bytes()).expect_err(&place(&path));
        assert_eq!(
            (error.place, error.kind),
            (place(&path), Kind::Invalid),
            "{}",
            error.message
        );
    }
}

#[test]
fn a_nul_is_found_in_every_string() {
    let document = everything();
    for path in paths(&document) {
        let mut wrong = document.clone();
        let Value::String(_) = at(&document, &path) else {
            continue;
        };
        replace(&mut wrong, &path, json!("a\0b"));
        let closed = path
            .iter()
            .any(|step| matches!(step, Step::Key(key) if key == "capabilities"));
        let error = Spec::parse(wrong.to_string().as_bytes()).expect_err(&place(&path));
        assert_eq!(error.place, place(&path), "{error}");
        assert!(
            closed
                || error.message.contains("NUL")
                || error.kind == Kind::Unknown
                || error.message.contains("\\0")
        );
    }
}

#[test]
fn a_name_that_is_not_listed_is_refused_everywhere() {
    for (path, name) in [
        ("/linux/namespaces/1/type", "namespace"),
        ("/linux/rootfsPropagation", "propagation"),
        ("/linux/personality/domain", "personality domain"),
        ("/linux/devices/0/type", "device type"),
        ("/linux/resources/devices/1/type", "device type"),
        ("/linux/resources/devices/1/access", "device access"),
        ("/linux/memoryPolicy/mode", "memory policy"),
        ("/linux/memoryPolicy/flags/0", "memory policy flag"),
        ("/linux/seccomp/defaultAction", "value"),
        ("/linux/seccomp/architectures/1", "value"),
        ("/linux/seccomp/flags/0", "value"),
        ("/linux/seccomp/syscalls/0/action", "value"),
        ("/linux/seccomp/syscalls/0/args/0/op", "value"),
        ("/process/rlimits/0/type", "resource limit"),
        ("/process/scheduler/policy", "scheduling policy"),
        ("/process/scheduler/flags/0", "scheduler flag"),
        ("/process/ioPriority/class", "I/O priority class"),
    ] {
        let mut wrong = everything();
        *wrong.pointer_mut(path).unwrap() = json!("no such");
        let error = Spec::parse(wrong.to_string().as_bytes()).expect_err(path);
        assert_eq!(error.kind, Kind::Unknown, "{error}");
        assert!(
            error.message.contains("no such") && error.message.contains(name),
            "{error}"
        );
        assert_eq!(
            error.place.replace(['[', '.'], "/").replace(']', ""),
            path[1..],
            "{error}"
        );
    }
}

#[test]
fn unknown_capabilities_are_kept_for_a_warning() {
    let mut document = everything();
    *document
        .pointer_mut("/process/capabilities/bounding")
        .unwrap() = json!(["CAP_KILL", "CAP_NEW", "cap_kill"]);
    *document
        .pointer_mut("/process/capabilities/ambient")
        .unwrap() = json!(["CAP_NEW"]);
    let text = document.to_string();
    let capabilities = Spec::parse(text.as_bytes())
        .unwrap()
        .process
        .unwrap()
        .capabilities
        .unwrap();
    assert_eq!(capabilities.ignored, ["CAP_NEW", "cap_kill"]);
    assert_eq!(
        capabilities.bounding.names().collect::<Vec<_>>(),
        ["CAP_KILL"]
    );
    assert!(capabilities.ambient.is_empty());
}

#[test]
fn absent_is_written_in_several_ways() {
    let text = br#"{"ociVersion":"1.0.0","process":{"cwd":"/","args":null,"rlimits":null,"terminal":null,
        "apparmorProfile":"","capabilities":{"bounding":null}},"hostname":"","mounts":null,"annotations":null,
        "hooks":null,"linux":{"rootfsPropagation":"","cgroupsPath":"","namespaces":null,"sysctl":null,
        "timeOffsets":null,"resources":{"devices":[{"allow":true,"type":"","access":"m"}],"unified":null}},
        "windows":{"a":[1]},"unknown":{"deep":[[{}]]}}"#;
    let spec = Spec::parse(text).unwrap();
    let back = spec.to_json();
    let short = br#"{"ociVersion":"1.0.0","process":{"user":{"uid":0,"gid":0},"cwd":"/","capabilities":{}},"linux":{"resources":{"devices":[{"allow":true,"access":"m"}]}}}"#;
    assert_eq!(
        String::from_utf8_lossy(&back),
        String::from_utf8_lossy(short)
    );
}

fn at<'v>(mut value: &'v Value, path: &[Step]) -> &'v Value {
    for step in path {
        value = match step {
            Step::Key(key) => &value[key.as_str()],
            Step::Index(index) => &value[*index],
        };
    }
    value
}
