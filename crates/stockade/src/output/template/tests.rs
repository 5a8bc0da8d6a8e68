use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use super::*;

fn object() -> Value {
    json!({
        "Name": "web", "Empty": "", "On": true, "Off": false, "Zero": 0, "Int": 42, "Float": 1.5, "Nil": null,
        "List": ["a", "b", "c"], "None": [], "Map": {"k1": "v1", "k2": "v2"}, "Deep": {"A": {"B": "x"}},
        "Mounts": [{"Source": "/a", "RW": true}, {"Source": "/b", "RW": false}],
        "Matrix": [[1, 2], [3]],
    })
}

fn shown(template: &str) -> String {
    match Template::parse(template).and_then(|parsed| parsed.render(&object())) {
        Ok(text) => text,
        Err(error) => panic!("{template}: {error}"),
    }
}

fn error(template: &str) -> String {
    match Template::parse(template).and_then(|parsed| parsed.render(&object())) {
        Ok(text) => panic!("{template} gave {text:?}"),
        Err(error) => error.to_string(),
    }
}

/// Checked against Go's text/template with Docker's functions.
#[test]
fn what_go_prints() {
    for (template, text) in [
        ("plain", "plain"),
        ("{{.Name}}", "web"),
        ("a{{.Deep.A.B}}b", "axb"),
        ("{{.Deep.A}}", "map[B:x]"),
        (
            "{{.List}} {{.Map}} {{.None}}",
            "[a b c] map[k1:v1 k2:v2] []",
        ),
        ("{{.Missing}}|{{.Nil}}", "<no value>|<no value>"),
        ("{{.On}} {{.Int}} {{.Float}}", "true 42 1.5"),
        ("{{json .}}", &serde_json::to_string(&object()).unwrap()),
        ("{{json .Name}} {{.List | json}}", r#""web" ["a","b","c"]"#),
        ("{{ .Name -}}  x  {{- .Name }}", "webxweb"),
        ("a {{- /* note */ -}} b", "ab"),
        ("a {{/* note */}} b", "a  b"),
        ("{{- .Name}}", "web"),
        ("{{-3}}", "-3"),
        ("{{3 -}} x", "3x"),
        ("{{range .List}}<{{.}}>{{end}}", "<a><b><c>"),
        ("{{range $i, $e := .List}}{{$i}}{{$e}}{{end}}", "0a1b2c"),
        ("{{range $e := .List}}{{$e}}{{end}}", "abc"),
        (
            "{{range $k, $v := .Map}}{{$k}}={{$v}} {{end}}",
            "k1=v1 k2=v2 ",
        ),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ("{{range .Missing}}x{{else}}none{{end}}", "none"),
        (
            "{{range .Mounts}}{{.Source}}{{if .RW}} rw{{end}};{{end}}",
            "/a rw;/b;",
        ),
        ("{{range .Matrix}}{{range .}}{{.}}{{end}};{{end}}", "12;3;"),
        (
            "{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}",
            "ac",
        ),
        (
            "{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}",
            "a",
        ),
        ("{{range .List}}{{$.Name}} {{end}}", "web web web "),
        ("{{if .On}}yes{{else}}no{{end}}", "yes"),
        (
            "{{if .Off}}a{{else if .Empty}}b{{else if .Int}}c{{else}}d{{end}}",
            "c",
        ),
        (
            "{{if .Zero}}a{{else}}b{{end}}{{if .None}}a{{else}}b{{end}}{{if .Nil}}a{{else}}b{{end}}",
            "bbb",
        ),
        ("{{with .Deep}}{{.A.B}}{{else}}no{{end}}", "x"),
        ("{{with .Empty}}x{{else}}no{{end}}", "no"),
        ("{{with .Empty}}x{{else with .Name}}{{.}}{{end}}", "web"),
        ("{{with $x := .Name}}{{$x}}{{end}}", "web"),
        ("{{if $x := .Name}}{{$x}}{{end}}", "web"),
        ("{{$x := .Int}}{{$x}}{{$x = .Name}}{{$x}}", "42web"),
        (
            "{{$x := \"\"}}{{range .List}}{{$x = print $x .}}{{end}}{{$x}}",
            "abc",
        ),
        ("{{$x := 1}}{{if .On}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21"),
        ("{{$x := .Deep}}{{$x.A.B}}", "x"),
        ("{{(index .Mounts 1).Source}}", "/b"),
        (
            "{{index .List 1}}{{index .Map \"k2\"}}{{index .Matrix 0 1}}",
            "bv22",
        ),
        ("{{index .Map \"none\"}}|", "|"),
        ("{{len .List}}{{len .Name}}{{len .Map}}", "332"),
        (
            "{{slice .Name 1}} {{slice .Name 0 2}} {{slice .List 1 2}}",
            "eb we [b]",
        ),
        ("{{join .List \", \"}}", "a, b, c"),
        (
            "{{split \"a:b\" \":\"}} {{index (split \"a:b\" \":\") 1}}",
            "[a b] b",
        ),
        (
            "{{upper .Name}} {{.Name | upper | lower}} {{title \"two words\"}}",
            "WEB web Two Words",
        ),
        (
            "{{truncate .Name 2}}{{pad .Name 1 2}}|{{pad \"\" 1 1}}",
            "we web  |",
        ),
        ("{{print 1 2 \"x\" 3}} {{print .Nil}}", "1 2x3 <nil>"),
        ("{{println .Name 1}}", "web 1\n"),
        ("{{printf \"%s-%d\" .Name .Int}}", "web-42"),
        (
            "{{printf \"%5s|%-5s|%05d|%+d|%x|%X\" .Name .Name .Int .Int .Int 255}}",
            "  web|web  |00042|+42|2a|FF",
        ),
        (
            "{{printf \"%v %q %t %c %%\" .List .Name .On 65}}",
            "[a b c] \"web\" true A %",
        ),
        (
            "{{printf \"%.2f %6.1f %g %e\" .Float .Float .Float .Float}}",
            "1.50    1.5 1.5 1.500000e+00",
        ),
        ("{{.Int | printf \"%d %d\" 1}}", "1 42"),
        (
            "{{eq .Name \"web\"}} {{eq .Int 1 2 42}} {{ne .Int 1}}",
            "true true true",
        ),
        (
            "{{lt 1 2}} {{le 2 2}} {{gt \"b\" \"a\"}} {{ge 1 2}}",
            "true true true false",
        ),
        ("{{eq .Nil nil}} {{eq .Float 1.5}}", "true true"),
        (
            "{{and .On .Name}} {{and .Off .Missing.X}} {{or .Empty .Name}} {{or .On .Missing.X}}",
            "web false web true",
        ),
        ("{{not .On}} {{not .Empty}}", "false true"),
        ("{{if and (eq .Name \"web\") (gt .Int 40)}}y{{end}}", "y"),
        (
            "{{`raw\\n`}} {{\"tab\\tend\"}} {{\"\\u00e9\\x41\"}}",
            "raw\\n tab\tend éA",
        ),
        ("{{0x1F}} {{1e3}} {{-2.5}}", "31 1000 -2.5"),
        ("{{true}} {{false}}", "true false"),
        (
            "{{1e6}} {{123456.0}} {{1234567.0}} {{json 1e6}}",
            "1e+06 123456 1.234567e+06 1000000",
        ),
        ("{{\"a\" | printf \"%s%s\" \"b\"}}", "ba"),
        ("{{range .List -}}\n  {{.}}\n{{- end}}", "abc"),
        ("}} is text", "}} is text"),
    ] {
        assert_eq!(shown(template), text, "{template}");
    }
}

#[test]
fn faults_have_a_position_and_a_reason() {
    for (template, text) in [
        ("{{.Name", "template:1:1: this action is not closed by }}"),
        ("ab\nc{{nope .}}", "template:2:4: there is no function nope"),
        ("{{$x}}", "template:1:3: variable $x is not declared"),
        ("{{$x = 1}}", "template:1:3: variable $x is not declared"),
        ("{{if .On}}x", "template:1:3: if without end"),
        ("{{range .List}}{{else}}", "template:1:3: range without end"),
        ("x{{end}}", "template:1:4: end without if, range or with"),
        ("{{else}}", "template:1:3: else without if, range or with"),
        (
            "{{if .On}}{{else}}{{else}}{{end}}",
            "template:1:21: else after the last else of if",
        ),
        ("{{}}", "template:1:3: a value is missing here"),
        ("{{if}}x{{end}}", "template:1:5: a value is missing here"),
        ("{{.Name | }}", "template:1:11: a value is missing here"),
        (
            "{{.Name | 3}}",
            "template:1:11: after | a function is expected",
        ),
        ("{{3 4}}", "template:1:5: this value cannot take arguments"),
        ("{{(3}}", "template:1:3: this parenthesis is not closed"),
        ("{{\"x}}", "template:1:3: this text is not closed by \""),
        ("{{\"\\z\"}}", "template:1:4: unknown escape in a text"),
        (
            "{{/* x }}",
            "template:1:1: this comment is not closed by */",
        ),
        ("{{ä ü}}", "template:1:3: there is no function ä"),
        ("{{!}}", "template:1:3: unexpected '!'"),
        ("{{1x}}", "template:1:3: \"1x\" is not a number"),
        ("{{break}}", "template:1:3: break outside of range"),
        (
            "{{template \"x\"}}",
            "template:1:3: template is not supported",
        ),
        ("{{html .}}", "template:1:3: function html is not supported"),
        ("{{.Name.X}}", "template:1:8: a text has no field .X"),
        ("{{.Nil.X}}", "template:1:7: nothing has no field .X"),
        (
            "{{range .Name}}{{end}}",
            "template:1:9: range cannot go through a text",
        ),
        (
            "{{index .List 3}}",
            "template:1:3: index: 3 is beyond the list's 3 elements",
        ),
        (
            "{{index .List -1}}",
            "template:1:3: index: -1 is out of range",
        ),
        ("{{len .Int}}", "template:1:3: len: a number has no length"),
        ("{{len}}", "template:1:3: len: takes 1 argument(s), not 0"),
        (
            "{{join .Name \",\"}}",
            "template:1:3: join: wants a list, not a text",
        ),
        (
            "{{lt .Name 1}}",
            "template:1:3: lt: a text and a number cannot be compared",
        ),
        (
            "{{eq .List .List}}",
            "template:1:3: eq: a list and a list cannot be compared",
        ),
        (
            "{{printf \"%d\" .Name}}",
            "template:1:3: printf: %d does not fit a text",
        ),
        (
            "{{printf \"%d\"}}",
            "template:1:3: printf: no value is left for %d",
        ),
        (
            "{{printf \"%d\" 1 2}}",
            "template:1:3: printf: 1 value(s) too many",
        ),
        (
            "{{printf \"%99999999999d\" 1}}",
            "template:1:3: printf: width 99999999999 is more than 4096",
        ),
        (
            "{{slice .Name 2 1}}",
            "template:1:3: slice: 2 to 1 is out of range",
        ),
        (
            "{{.Label \"x\"}}",
            "template:1:3: .Label cannot take arguments",
        ),
    ] {
        assert_eq!(error(template), text, "{template}");
    }
}

#[derive(Serialize)]
struct Sample {
    zulu: u8,
    alpha: Option<u8>,
    map: BTreeMap<String, String>,
    kind: Kind,
}

#[derive(Serialize)]
enum Kind {
    Plain,
}

#[test]
fn structs_keep_their_order_and_know_their_fields() {
    let sample = Sample {
        zulu: 1,
        alpha: None,
        map: BTreeMap::new(),
        kind: Kind::Plain,
    };
    let shown = |template: &str| Template::parse(template).unwrap().render(&sample);
    assert_eq!(
        shown("{{json .}}").unwrap(),
        r#"{"zulu":1,"alpha":null,"map":{},"kind":"Plain"}"#
    );
    assert_eq!(
        shown("{{.map.x}} {{.kind}} {{.}}").unwrap(),
        "<no value> Plain {1 <nil> map[] Plain}"
    );
    assert_eq!(
        shown("{{.beta}}").unwrap_err().to_string(),
        "template:1:3: there is no field .beta; hint: .zulu .alpha .map .kind"
    );
}

#[test]
fn nesting_is_bounded() {
    let deep = |n: usize| format!("{}x{}", "{{if .On}}".repeat(n), "{{end}}".repeat(n));
    assert_eq!(shown(&deep(64)), "x");
    assert!(error(&deep(65)).contains("nested deeper"));
    assert!(
        error(&format!(
            "{{{{{}1{}}}}}",
            "(".repeat(100_000),
            ")".repeat(100_000)
        ))
        .contains("nested deeper")
    );
    assert!(error(&deep(20_000)).contains("nested deeper"));
}

#[test]
fn long_chains_of_else_are_not_nesting() {
    let chain = "{{else if .Off}}y".repeat(10_000);
    assert_eq!(
        shown(&format!("{{{{if .Off}}}}x{chain}{{{{else}}}}z{{{{end}}}}")),
        "z"
    );
}

#[test]
fn work_is_bounded() {
    let nested = format!("{}x{}", "{{range $.List}}".repeat(30), "{{end}}".repeat(30));
    assert!(error(&nested).contains("runs too long"));
    let growing = format!(
        "{{{{$x := \"0123456789abcdef\"}}}}{}",
        "{{$x = print $x $x}}".repeat(40)
    );
    assert!(error(&growing).contains("the text is too long"));
}

/// Pieces that templates are made of, so that random ones often parse.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{{-",
        "-}}",
        " ",
        ".",
        ".Name",
        ".List",
        ".Map",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "|",
        "(",
        ")",
        "if",
        "else",
        "end",
        "range",
        "with",
        "break",
        "json",
        "index",
        "printf",
        "\"%v%5d%-q\"",
        "print",
        "len",
        "eq",
        "and",
        "slice",
        "1",
        "-1",
        "1e9",
        "\"a\"",
        "`b`",
        "/*",
        "*/",
        "text",
        "é",
        "\n",
        "nil",
        "true",
        "{{end}}",
        "{{range .List}}",
        "{{if .On}}",
        "{{.}}",
        "{{$x := 1}}",
        "\\",
        "\"",
        "split",
        "truncate",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_template_panics(template in pieces()) {
        if let Ok(template) = Template::parse(&template) {
            let _ = template.render(&object());
        }
    }

    #[test]
    fn no_text_panics(template in any::<String>(), inside in any::<String>()) {
        let _ = Template::parse(&template);
        let _ = Template::parse(&format!("{{{{{inside}}}}}"));
    }

    #[test]
    fn text_without_actions_is_itself(text in "[^{]*") {
        prop_assert_eq!(Template::parse(&text).unwrap().render(&object()).unwrap(), text);
    }

    #[test]
    fn quoted_texts_come_back(text in any::<String>()) {
        let quoted = text::quoted(&text);
        let back = Template::parse(&format!("{{{{{quoted}}}}}")).unwrap().render(&object()).unwrap();
        prop_assert_eq!(back, text);
    }
}
