//! The grammar of mounts, case by case.

use super::*;

fn bind(parsed: Parsed<MountRequest>) -> (String, String, Bind) {
    let request = parsed.unwrap();
    match request.what {
        What::Bind(bind) => (bind.source.clone(), request.destination, bind),
        other => panic!("not a bind: {other:?}"),
    }
}

fn tmpfs_options(parsed: Parsed<MountRequest>) -> String {
    match parsed.unwrap().what {
        What::Tmpfs(options) => options.join(","),
        other => panic!("not a tmpfs: {other:?}"),
    }
}

#[test]
fn volumes() {
    let (source, destination, bind) = bind(volume("/a:/b"));
    assert_eq!((source.as_str(), destination.as_str()), ("/a", "/b"));
    assert!(!bind.read_only && bind.propagation == Propagation::RPrivate);
    let (source, destination, bind) = self::bind(volume("./a:/b/:ro,rshared,Z"));
    assert_eq!((source.as_str(), destination.as_str()), ("./a", "/b"));
    assert!(bind.read_only && bind.propagation == Propagation::RShared);
    assert_eq!(volume("/a:/b:z").unwrap().idle, ["z"]);
    assert_eq!(
        volume("/data").unwrap().what,
        What::Volume(VolumeMount::ANONYMOUS)
    );
}

#[test]
fn what_is_not_a_volume() {
    for text in [
        "",
        ":",
        "/a:",
        ":/b",
        "/a:b",
        "/a:/",
        "/a:/b:c",
        "/a:/b:ro:x",
        "/a:/b:ro,rw",
        "/a:/b:ro,ro",
        "/a:/b:shared,rslave",
        "/a:/b:runbindable",
        "a",
        "/a:/b/../c",
        "/a:/b:,",
        "/a\0:/b",
    ] {
        assert!(volume(text).is_err(), "{text:?}");
    }
}

#[test]
fn volumes_with_names() {
    let named = |text| match volume(text).map(|request| request.what) {
        Ok(What::Volume(volume)) => (volume.name.unwrap(), volume.read_only, volume.copy),
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(named("data:/b"), ("data".to_owned(), false, true));
    assert_eq!(
        named("d.1_-:/b:ro,nocopy"),
        ("d.1_-".to_owned(), true, false)
    );
    for text in [
        "d:/b",
        "-d:/b",
        "_d:/b",
        "a b:/b",
        "a/b:/b",
        "data:/b:rshared",
        "data:b",
    ] {
        assert!(volume(text).is_err(), "{text}");
    }
    let long = mount("type=volume,src=data,dst=/b,ro,volume-nocopy");
    let short = volume("data:/b:ro,nocopy");
    assert_eq!(long.unwrap().what, short.unwrap().what);
    assert!(mount("src=/data,dst=/b").is_err());
}

#[test]
fn bind_mounts() {
    let (source, destination, bind) = bind(mount(
        "type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave",
    ));
    assert_eq!((source.as_str(), destination.as_str()), ("/a", "/b"));
    assert!(bind.read_only && bind.propagation == Propagation::RSlave);
    let (.., bind) = self::bind(mount(
        "type=bind,source=/a,target=/b,ro=false,bind-recursive=disabled",
    ));
    assert!(!bind.read_only && bind.recursion == Recursion::Disabled);
    let (source, ..) = self::bind(mount("type=bind,\"source=/a,\"\"b\",target=/b"));
    assert_eq!(source, "/a,\"b");
}

#[test]
fn tmpfs_mounts() {
    assert_eq!(
        tmpfs_options(mount("type=tmpfs,dst=/b")),
        "noexec,nosuid,nodev"
    );
    assert_eq!(
        tmpfs_options(mount("type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=700,ro")),
        "noexec,nosuid,nodev,ro,size=1048576,mode=700"
    );
    assert_eq!(tmpfs_options(tmpfs("/x")), "noexec,nosuid,nodev");
    assert_eq!(
        tmpfs_options(tmpfs("/x:exec,size=64k")),
        "nosuid,nodev,exec,size=65536"
    );
    assert_eq!(
        tmpfs_options(tmpfs("/x:size=1k,size=50%,rw")),
        "noexec,nosuid,nodev,size=50%,rw"
    );
    assert_eq!(
        tmpfs_options(tmpfs("/x:mode=1770,uid=5,gid=6")),
        "noexec,nosuid,nodev,mode=1770,uid=5,gid=6"
    );
}

#[test]
fn what_is_not_a_mount() {
    for text in [
        "",
        "type=bind",
        "type=bind,src=/a",
        "type=bind,dst=/a",
        "type=x,dst=/b",
        "dst",
        "type=bind,src=/a,dst=b",
        "type=tmpfs,dst=/b,src=/a",
        "type=bind,src=/a,dst=/b,tmpfs-size=1m",
        "type=bind,src=/a,dst=/b,x=y",
        "type=tmpfs,dst=/b,bind-propagation=rslave",
        "type=bind,src=/a,dst=/b,bind-recursive=readonly",
        "type=bind,src=/a,dst=/b,ro=maybe",
        "type=bind,\"src=/a,dst=/b",
        "type=bind,s\"rc=/a,dst=/b",
        "type=tmpfs,dst=/b,tmpfs-mode=9",
        "type=bind,src=/a,dst=/b,volume-nocopy=true",
        "type=image,src=x,dst=/b",
    ] {
        assert!(mount(text).is_err(), "{text:?}");
    }
    for text in [
        "",
        "x",
        "/",
        "/x:foo",
        "/x:size=",
        "/x:size=101%",
        "/x:mode=9",
        "/x:uid=root",
        "/x:ro,",
        "/x:size",
    ] {
        assert!(tmpfs(text).is_err(), "{text:?}");
    }
}
