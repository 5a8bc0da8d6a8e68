//! `rctl`: limits of jails, live.

use crate::yard::Yard;

#[test]
fn rules_hold_at_once_and_for_jails_to_come() {
    let yard = Yard::new();
    let rctl = |words: &[&str]| yard.ran(&[&["rctl"], words].concat());
    yard.persists("a", &["mount.devfs"]);
    let hog = "head -c 50000000 /dev/zero | tail -c 40000000 | wc -c";
    assert_eq!(yard.exec("a", hog).out, "40000000\n");
    let rules = ["-a", "jail:a:memoryuse:deny=16m", "jail:a:swapuse:deny=0"];
    assert_eq!(rctl(&rules).err, "");
    assert_ne!(yard.exec("a", hog).out, "40000000\n");
    let listed = "jail:a:memoryuse:deny=16777216\njail:a:swapuse:deny=0\n";
    assert_eq!(rctl(&[]).out, listed);
    assert_eq!(
        rctl(&["-h", "jail:a:memoryuse"]).out,
        "jail:a:memoryuse:deny=16M\n"
    );
    assert!(rctl(&["-u", "jail:a"]).out.contains("memoryuse="));
    // Rules are for the name: they hold for the next jail that has it.
    yard.jail(&["-qR", "a"]);
    yard.persists("a", &["mount.devfs"]);
    assert_ne!(yard.exec("a", hog).out, "40000000\n");
    yard.persists("b", &["mount.devfs"]);
    assert_eq!(yard.exec("b", hog).out, "40000000\n");
    assert_eq!(rctl(&["-r", "jail:a"]).err, "");
    assert_eq!(yard.exec("a", hog).out, "40000000\n");
    assert_eq!(
        rctl(&["-r", "jail:a"]).err,
        "stockade: rctl: no such rule\n"
    );
    yard.jail(&["-qR", "*"]);
    yard.assert_empty();
}

#[test]
fn processes_are_counted_without_the_keeper() {
    let yard = Yard::new();
    assert_eq!(yard.ran(&["rctl", "-a", "jail:p:maxproc:deny=3"]).err, "");
    yard.persists("p", &[]);
    // The shell and two more.
    let script = "sleep 0.2 & sleep 0.2 & wait; echo ok";
    assert_eq!(yard.exec("p", script).out, "ok\n");
    let ran = yard.exec("p", "sleep 5 & sleep 5 & sleep 5 & echo no");
    assert!(ran.err.contains("fork") && ran.code != 0, "{ran:?}");
    let refused = yard.ran(&["rctl", "-a", "jail:p:openfiles:deny=3"]).err;
    let why = "openfiles: Linux limits it for each process alone";
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn a_share_of_the_processors() {
    let yard = Yard::new();
    yard.persists("c", &[]);
    assert_eq!(yard.ran(&["rctl", "-a", "jail:c:pcpu:deny=10"]).err, "");
    let ran = yard.exec(
        "c",
        "timeout 1 sh -c 'while :; do :; done'; times | tail -1",
    );
    // Of one second the children have had a tenth, and a little.
    let user = ran.out.split(['m', 's']).nth(1).unwrap();
    assert!(user.parse::<f64>().unwrap() < 0.5, "{}", ran.out);
}
