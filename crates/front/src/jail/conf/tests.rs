//! The rules of jail.conf(5), one after the other.

use std::collections::BTreeMap;

use super::*;
use crate::error::Parsed;

/// Files that are in memory alone.
struct Shelf(BTreeMap<&'static str, String>);

impl Files for Shelf {
    fn text(&self, path: &str) -> Parsed<String> {
        let found = self.0.get(path).cloned();
        found.ok_or_else(|| Fault::not_found("No such file or directory (ENOENT)"))
    }

    fn matching(&self, pattern: &str) -> Vec<String> {
        let (start, end) = pattern.split_once('*').unwrap();
        let meant = self
            .0
            .keys()
            .filter(|path| path.starts_with(start) && path.ends_with(end));
        meant.map(|path| (*path).to_owned()).collect()
    }
}

fn read(files: &[(&'static str, &str)]) -> Result<Conf> {
    let shelf = Shelf(
        files
            .iter()
            .map(|(path, text)| (*path, (*text).to_owned()))
            .collect(),
    );
    Conf::read(files[0].0, &shelf)
}

fn conf(text: &str) -> Result<Conf> {
    read(&[("jail.conf", text)])
}

/// A jail's parameters as `name=a|b`.
fn told(text: &str, jail: &str) -> String {
    let values = conf(text).and_then(|conf| conf.values(jail));
    match values {
        Ok(values) => values
            .iter()
            .map(|(name, value)| format!("{name}={}", value.words.join("|")))
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn blocks_have_names_and_parameters() {
    let text = "web { path = /srv/web; persist; }\ndb { path = \"/srv/db\"; }";
    assert_eq!(conf(text).unwrap().jails(), ["web", "db"]);
    assert_eq!(told(text, "web"), "name=web path=/srv/web persist=true");
    assert_eq!(told(text, "db"), "name=db path=/srv/db");
    assert_eq!(told("7 { path = /; }", "7"), "jid=7 path=/");
}

#[test]
fn flags_are_negated_before_their_last_part() {
    let text = "a { persist; nopersist; mount.devfs; allow.nomount; allow.raw_sockets = true;
        exec.clean = 0; mount.nodevfs; }";
    let wanted = "name=a persist=false allow.mount=false allow.raw_sockets=true exec.clean=false mount.devfs=false";
    assert_eq!(told(text, "a"), wanted);
}

#[test]
fn lists_are_set_and_added_to() {
    let text = "ip4.addr = 10.0.0.1, 10.0.0.2;\na { ip4.addr += \"10.0.0.3\"; ip4.addr += 10.0.0.4, 10.0.0.5; }
        b { ip4.addr = 10.0.1.1; } c { exec.start += one; exec.start += two; }";
    assert_eq!(
        told(text, "a"),
        "name=a ip4.addr=10.0.0.1|10.0.0.2|10.0.0.3|10.0.0.4|10.0.0.5"
    );
    assert_eq!(told(text, "b"), "name=b ip4.addr=10.0.1.1");
    assert_eq!(
        told(text, "c"),
        "name=c ip4.addr=10.0.0.1|10.0.0.2 exec.start=one|two"
    );
    assert_eq!(told("a { exec.start = ''; }", "a"), "name=a exec.start=");
    assert_eq!(
        told("a { path = /;\n path += /b; }", "a"),
        "jail.conf:2: path: has one value, to which nothing can be added"
    );
}

#[test]
fn strings_are_quoted_in_two_ways() {
    let text = r#"$x = "v"; a { exec.start = "a b;{}=,#'$x'", 'a "b" $x', a\ b\;, pre"mid $x"'post $x'$x, "";
        path = a//b/*c; }"#;
    let wanted = "name=a exec.start=a b;{}=,#'v'|a \"b\" $x|a b;|premid vpost $xv| path=a//b/*c";
    assert_eq!(told(text, "a"), wanted);
}

#[test]
fn escapes_are_those_of_c() {
    let text = "a { exec.start = \"\\a\\b\\f\\n\\r\\t\\v\\\\\\\"\\'\\q\\101\\60x\\x41\\x7e\\x\", 'one \\\n two', \"\\$x\"; }";
    let words = conf(text).unwrap().values("a").unwrap();
    let words: Vec<&str> = words.list("exec.start").collect();
    assert_eq!(words[0], "\x07\x08\x0c\n\r\t\x0b\\\"'qA0xA~x");
    assert_eq!(words[1], "one  two");
    assert_eq!(words[2], "$x");
    assert_eq!(
        told("a { path =\n'\\377'; }", "a"),
        "jail.conf:2: character 255 cannot be in a string"
    );
}

#[test]
fn comments_are_of_three_kinds() {
    let text = "# shell's\na { // C++'s\n path /* C's\n of two lines */ = /* another */ /srv; // end\n#}\n}";
    assert_eq!(told(text, "a"), "name=a path=/srv");
    assert_eq!(told("a { path = http://x; }", "a"), "name=a path=http://x");
}

#[test]
fn variables_are_replaced_for_each_jail() {
    let text = "$parent = /var/jail; path = \"$parent/$name\"; host.hostname = $name.example.org;
        a { } b { $parent = '/mnt'; host.hostname = other; exec.start = \"echo ${host.hostname} ${parent}s\"; }";
    assert_eq!(
        told(text, "a"),
        "name=a path=/var/jail/a host.hostname=a.example.org"
    );
    let wanted = "name=b path=/mnt/b host.hostname=other exec.start=echo other /mnts";
    assert_eq!(told(text, "b"), wanted);
}

#[test]
fn a_list_is_replaced_as_a_whole() {
    let text = "$all = 10.0.0.1, 10.0.0.2; a { ip4.addr = $all, 10.0.0.3; $all += 10.0.0.9; }";
    assert_eq!(
        told(text, "a"),
        "name=a ip4.addr=10.0.0.1|10.0.0.2|10.0.0.9|10.0.0.3"
    );
    assert_eq!(
        told("$all = a, b;\na {\n path = \"/$all\"; }", "a"),
        "jail.conf:3: $all is a list, which cannot be part of a string"
    );
}

#[test]
fn wildcards_are_for_many_and_later_ones_count() {
    let text = "* { path = /one; securelevel = 1; } a { path = /two; } b { } * { securelevel = 2; }
        foo { } foo.bar { } foo.bar.baz { } foo.* { children.max = 3; }";
    assert_eq!(told(text, "a"), "name=a path=/two securelevel=2");
    assert_eq!(told(text, "b"), "name=b path=/one securelevel=2");
    assert_eq!(told(text, "foo"), "name=foo path=/one securelevel=2");
    assert_eq!(
        told(text, "foo.bar.baz"),
        "name=foo.bar.baz path=/one securelevel=2 children.max=3"
    );
    assert_eq!(
        conf(text).unwrap().jails(),
        ["a", "b", "foo", "foo.bar", "foo.bar.baz"]
    );
}

#[test]
fn a_jail_may_have_several_blocks() {
    let text = "a { path = /one; persist; } b { } a { path = /two; }";
    assert_eq!(told(text, "a"), "name=a persist=true path=/two");
    assert_eq!(conf(text).unwrap().jails(), ["a", "b"]);
}

#[test]
fn files_are_included_where_it_is_said() {
    let files = [
        (
            "/etc/jail.conf",
            "path = /one;\n.include \"jail.conf.d/*.conf\";\n.include '/srv/x';\na { .include inner; }",
        ),
        ("/etc/jail.conf.d/b.conf", "b { path = /b; }"),
        ("/etc/jail.conf.d/a.conf", "a { persist; }"),
        ("/etc/jail.conf.d/other", "c { path"),
        ("/srv/x", "x { }"),
        ("/etc/inner", "securelevel = 3;"),
    ];
    let conf = read(&files).unwrap();
    assert_eq!(conf.jails(), ["a", "b", "x"]);
    assert_eq!(conf.values("a").unwrap().number("securelevel"), Some(3));
    assert_eq!(conf.values("x").unwrap().text("path"), Some("/one"));
    assert_eq!(conf.values("x").unwrap().number("securelevel"), None);
    let text = [(
        "/etc/jail.conf",
        ".include \"none/*\";\n\n.include \"gone\";",
    )];
    assert_eq!(
        read(&text).unwrap_err().to_string(),
        "/etc/jail.conf:3: /etc/gone: No such file or directory (ENOENT)"
    );
    let itself = [("/etc/jail.conf", "\n.include '/etc/jail.conf';")];
    let error = read(&itself).unwrap_err().to_string();
    assert_eq!(
        error,
        "/etc/jail.conf:2: files include each other more than 16 deep"
    );
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    for (text, wanted) in [
        (
            "a {\n path = /;\n",
            "jail.conf:1: jail a without its closing brace",
        ),
        (
            "a {\n path = / persist; }",
            "jail.conf:2: `;` is missing after path",
        ),
        (
            "a {\n path = ,; }",
            "jail.conf:2: `,` where a value is expected",
        ),
        ("a { b\n{ } }", "jail.conf:2: a jail inside of jail a"),
        (
            "a { path = \"x\n\n;",
            "jail.conf:1: a string without its closing \"",
        ),
        (
            "a { path = 'x",
            "jail.conf:1: a string without its closing '",
        ),
        ("\n/* x", "jail.conf:2: a comment that does not end"),
        (
            "}",
            "jail.conf:1: `}` where a parameter or a jail is expected",
        ),
        (
            "= x;",
            "jail.conf:1: `=` where a parameter or a jail is expected",
        ),
        ("path", "jail.conf:1: `;` is missing after path"),
        (
            "path =",
            "jail.conf:1: the file ends where a value is expected",
        ),
        ("path = ${x;", "jail.conf:1: ${x without its closing brace"),
        (
            "path = $;",
            "jail.conf:1: a dollar sign without the name of a variable",
        ),
        ("$x;", "jail.conf:1: $x is given no value"),
        ("a$x { }", "jail.conf:1: a jail's name has no variables"),
        (
            "path = \\",
            "jail.conf:1: a backslash at the end of the file",
        ),
    ] {
        assert_eq!(conf(text).unwrap_err().to_string(), wanted, "{text:?}");
    }
    for (text, wanted) in [
        (
            "a {\n\n path = $nosuch; }",
            "jail.conf:3: there is no variable or parameter nosuch",
        ),
        (
            "$x = $y;\n$y = $x; a { path = $x; }",
            "jail.conf:1: the value of x is made of itself",
        ),
        (
            "a { path = \"$path/x\"; }",
            "jail.conf:1: the value of path is made of itself",
        ),
        ("a {\n nosuch; }", "jail.conf:2: nosuch: unknown parameter"),
        (
            "a {\n persist = 3; }",
            "jail.conf:2: persist: \"3\" is neither true nor false",
        ),
    ] {
        assert_eq!(told(text, "a"), wanted, "{text:?}");
    }
}

#[test]
fn patterns_of_the_machines_files() {
    let place = crate::scratch::tempdir().unwrap();
    let base = place.path().to_str().unwrap().to_owned();
    for name in ["b.conf", "a.conf", "c9.conf", ".hidden.conf", "a.txt"] {
        std::fs::write(format!("{base}/{name}"), "").unwrap();
    }
    let found = |pattern: &str| {
        let found = Folder.matching(&format!("{base}/{pattern}"));
        let names = found
            .iter()
            .map(|path| path.rsplit('/').next().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("*.conf"), "a.conf b.conf c9.conf");
    assert_eq!(found("?.*"), "a.conf a.txt b.conf");
    assert_eq!(found("c[0-9].conf"), "c9.conf");
    assert_eq!(found("[!a].conf"), "b.conf");
    assert_eq!(found("a.conf"), "a.conf");
    assert_eq!(found("nosuch/*"), "");
}

/// Whatever is written, the answer is a configuration or a line that says what is wrong.
#[test]
fn garbage_is_refused_and_no_more() {
    let good = "$p = \"/j\"; * { path = \"$p/${name}\"; exec.start += 'a', b\\x41; } a { persist; } // c\n";
    let bits = [
        "{", "}", ";", "=", "+=", ",", "$", "${", "\"", "'", "\\", "#", "/*", "*/", "//", "a", "*",
        "\n", " ", ".include", "é", "\u{0}", "\\x", "\\777", "$p",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for _ in 0..20_000 {
        let mut text: Vec<char> = good.chars().collect();
        for _ in 0..=random(4) {
            let at = random(text.len());
            let end = (at + random(4)).min(text.len());
            let put: Vec<char> = bits[random(bits.len())].chars().collect();
            text.splice(at..end, put);
        }
        let text: String = text.into_iter().collect();
        let told = match conf(&text) {
            Ok(conf) => conf
                .jails()
                .iter()
                .filter_map(|jail| conf.values(jail).err())
                .next(),
            Err(error) => Some(error),
        };
        if let Some(error) = told {
            assert_eq!(error.to_string().lines().count(), 1, "{text:?}: {error}");
        }
    }
}

/// Nothing that is short takes long: each line doubles what the line before it comes to.
#[test]
fn what_would_grow_without_end_is_refused() {
    let doubled = |bottom: &str| {
        let lines = (1..60).map(|n| format!("$v{n} = \"${{v{0}}}${{v{0}}}\";\n", n - 1));
        let lines: String = lines.collect();
        format!("$v0 = \"{bottom}\";\n{lines}web {{ path = \"${{v59}}\"; }}")
    };
    assert!(told(&doubled(""), "web").contains("is made of too many others"));
    let long = doubled(&"x".repeat(100));
    assert!(told(&long, "web").contains("is too long"));
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];
    let text = |next: &str| format!(".include \"{next}\";\n").repeat(2);
    let texts = names.map(|name| text(&(name.parse::<u32>().unwrap() + 1).to_string()));
    let mut files: Vec<_> = names
        .into_iter()
        .zip(texts.iter().map(String::as_str))
        .collect();
    files.push(("12", ""));
    let error = read(&files).unwrap_err().to_string();
    assert!(
        error.contains("more than 1000 files are included"),
        "{error}"
    );
}
