//! What other programs write is read, passes the checks, and comes back as it was; a second
//! implementation of the types, `oci-spec`, reads the same.

mod common;

use serde_json::Value;
use spec::Spec;

/// Without what says nothing: `null`, empty lists, empty strings, `false` flags that default to it.
fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| (key, without_empty(value)))
                .filter(|(key, value)| {
                    !is_empty(value) || key == "disableOOMKiller" || key == "allow"
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_empty).collect()),
        other => other,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn value(text: &[u8]) -> Value {
    serde_json::from_slice(text).expect("JSON")
}

#[test]
fn what_others_write_passes_and_comes_back() {
    for (name, text) in common::REAL {
        let spec = Spec::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        spec.check()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let back = without_empty(value(&spec.to_json()));
        assert_eq!(back, without_empty(value(text.as_bytes())), "{name}");
    }
}

#[test]
fn every_field_passes_and_comes_back() {
    let text = common::everything().to_string();
    let spec = Spec::parse(text.as_bytes()).unwrap();
    spec.check().unwrap();
    assert_eq!(value(&spec.to_json()), common::everything());
}

#[test]
fn another_implementation_reads_what_we_write() {
    for text in common::REAL
        .map(|(_, text)| text.to_owned())
        .into_iter()
        .chain([common::everything().to_string()])
    {
        let mut ours = value(&Spec::parse(text.as_bytes()).unwrap().to_json());
        mistakes_of_oci_spec(&mut ours);
        let theirs: oci_spec::runtime::Spec =
            serde_json::from_value(ours.clone()).expect("oci-spec reads it");
        let mut theirs = serde_json::to_value(theirs).unwrap();
        in_one_order(&mut ours);
        in_one_order(&mut theirs);
        assert_eq!(without_empty(ours), without_empty(theirs));
    }
}

/// Removes what `oci-spec` 0.10 does not know, or knows by another name than the specification's.
fn mistakes_of_oci_spec(document: &mut Value) {
    for (parent, field) in [("/process/scheduler", "flags")] {
        if let Some(Value::Object(fields)) = document.pointer_mut(parent) {
            fields.remove(field);
        }
    }
}

/// `oci-spec` has capabilities in a set without order.
fn in_one_order(document: &mut Value) {
    for set in [
        "bounding",
        "effective",
        "inheritable",
        "permitted",
        "ambient",
    ] {
        if let Some(Value::Array(names)) =
            document.pointer_mut(&format!("/process/capabilities/{set}"))
        {
            names.sort_by_key(ToString::to_string);
        }
    }
}

#[test]
fn podman_s_fields_are_understood() {
    let spec = Spec::parse(common::PODMAN.as_bytes()).unwrap();
    let linux = spec.linux.as_ref().unwrap();
    let resources = linux.resources.as_ref().unwrap();
    assert_eq!(resources.memory.unwrap().limit, Some(64 << 20));
    assert_eq!(resources.pids.unwrap().limit, Some(100));
    assert_eq!(resources.cpu.as_ref().unwrap().quota, Some(50_000));
    assert_eq!(
        linux.sysctl.get("net.ipv4.ip_forward").map(|v| v.as_str()),
        Some("1")
    );
    let caps = spec
        .process
        .as_ref()
        .unwrap()
        .capabilities
        .as_ref()
        .unwrap();
    assert!(
        caps.bounding
            .contains(spec::CapSet::from_name("CAP_NET_ADMIN").unwrap())
    );
    assert!(caps.ignored.is_empty());
    assert!(
        linux
            .devices
            .iter()
            .any(|device| device.path == "/dev/xnull" && device.permissions() == 0o666)
    );
}

#[test]
fn the_default_is_runc_s() {
    let mut ours = value(&spec::default_spec().to_json());
    let runc = value(common::RUNC.as_bytes());
    spec::default_spec().check().unwrap();
    let mut runc = runc;
    // Newer versions of runc make nothing ambient.
    let caps = runc.pointer_mut("/process/capabilities").unwrap();
    caps.as_object_mut().unwrap().remove("ambient");
    ours["ociVersion"] = runc["ociVersion"].clone();
    assert_eq!(ours, runc);
    let text = String::from_utf8(spec::default_spec().to_json_pretty()).unwrap();
    assert!(text.starts_with(
        "{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"terminal\": true,\n"
    ));
    assert!(text.ends_with("\n\t}\n}"));
}

#[test]
fn strings_are_borrowed() {
    let spec = Spec::parse(common::PODMAN.as_bytes()).unwrap();
    let process = spec.process.as_ref().unwrap();
    assert!(
        process
            .args
            .iter()
            .chain(&process.env)
            .all(spec::Str::is_borrowed)
    );
    assert!(
        spec.mounts
            .iter()
            .all(|mount| mount.source.as_ref().is_some_and(spec::Str::is_borrowed))
    );
    assert!(
        spec.annotations
            .iter()
            .all(|(key, value)| key.is_borrowed() && value.is_borrowed())
    );
    let text = br#"{"ociVersion":"1.0.0","process":{"cwd":"\u002f","args":["a"]}}"#;
    let process = Spec::parse(text).unwrap().process.unwrap();
    assert!(process.cwd == "/" && !process.cwd.is_borrowed() && process.args[0].is_borrowed());
}
