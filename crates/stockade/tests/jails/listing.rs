//! `jls`.

use crate::yard::Yard;

#[test]
fn the_usual_columns() {
    let yard = Yard::new();
    assert_eq!(
        yard.jls(&[]),
        "   JID  IP Address      Hostname                      Path\n"
    );
    yard.persists("web", &["host.hostname=web.example"]);
    let root = yard.root();
    let wanted = format!(
        "   JID  IP Address      Hostname                      Path\n     1                  web.example                   {root}\n"
    );
    assert_eq!(yard.jls(&[]), wanted);
    let wanted = format!(
        " JID               IP Address      Hostname                      Path\n web                               web.example                   {root}\n"
    );
    assert_eq!(yard.jls(&["-N"]), wanted);
    let verbose = yard.jls(&["-v"]);
    assert!(
        verbose.contains("        web                           ACTIVE\n"),
        "{verbose}"
    );
}

#[test]
fn parameters_by_name() {
    let yard = Yard::new();
    yard.persists("web", &["meta=a b", "allow.raw_sockets"]);
    assert_eq!(
        yard.jls(&["-h", "jid", "name", "meta"]),
        "jid name meta\n1 web a b\n"
    );
    assert_eq!(
        yard.jls(&[
            "-nq",
            "name",
            "meta",
            "allow.raw_sockets",
            "allow.mlock",
            "env"
        ]),
        "name=web meta='a b' allow.raw_sockets allow.nomlock env=''\n"
    );
    assert_eq!(yard.jls(&["env", "ip4.addr"]), "- -\n");
    let all = yard.jls(&["-n"]);
    for word in [
        "jid=1",
        "persist",
        "children.max=0",
        "ip4=disable",
        "parent=0",
        "allow.nomount",
        "securelevel=-1",
        "vnet=inherit",
    ] {
        assert!(
            all.split_whitespace().any(|one| one == word),
            "{word}: {all}"
        );
    }
    assert_eq!(
        yard.ran(&["jls", "nosuch"]).err,
        "stockade: jls: unknown parameter nosuch\n"
    );
    assert_eq!(yard.ran(&["jls", "-j", "nosuch"]).code, 1);
}

#[test]
fn json() {
    let yard = Yard::new();
    yard.persists("web", &[]);
    let plain: serde_json::Value = serde_json::from_str(&yard.jls(&["--libxo", "json"])).unwrap();
    assert_eq!(plain["__version"], "2");
    let jail = &plain["jail-information"]["jail"][0];
    assert_eq!(
        (&jail["jid"], &jail["hostname"]),
        (&1.into(), &"web".into())
    );
    let pretty = yard.jls(&["--libxo=json,pretty", "-n", "jid", "persist", "ip4.addr"]);
    assert!(pretty.lines().count() > 5);
    let pretty: serde_json::Value = serde_json::from_str(&pretty).unwrap();
    let jail = &pretty["jail-information"]["jail"][0];
    assert_eq!(jail["persist"], true);
    assert_eq!(jail["ip4.addr"], serde_json::json!([]));
}

#[test]
fn what_s_prints_makes_the_jail_again() {
    let yard = Yard::new();
    yard.persists(
        "web",
        &[
            "host.hostname=h.example",
            "allow.raw_sockets",
            "allow.noreserved_ports",
            "securelevel=2",
            "children.max=3",
            "meta=it's a 'test'",
            "mount.devfs",
            "exec.stop=echo bye",
            "exec.stop+=echo again",
            "sysvshm=new",
        ],
    );
    let printed = yard.jls(&["-s"]);
    let before = yard.jls(&["-n"]);
    yard.jail(&["-qR", "web"]);
    let script = format!(
        "exec {} --root {} jail -qc {}",
        env!("CARGO_BIN_EXE_stockade"),
        yard.path("store"),
        printed.trim()
    );
    let again = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert!(
        again.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&again.stderr)
    );
    assert_eq!(yard.jls(&["-s"]), printed);
    assert_eq!(yard.jls(&["-n"]).replace("jid=2", "jid=1"), before);
    assert_eq!(yard.jail(&["-r", "web"]), "bye\nagain\nweb: removed\n");
}
