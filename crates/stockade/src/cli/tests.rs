use super::*;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn verb_of(line: &str) -> Verb {
    parse(&words(line))
        .unwrap_or_else(|refusal| panic!("{line}: {refusal:?}"))
        .command
}

fn run_of(line: &str) -> front::app::RunOptions {
    match verb_of(line) {
        Verb::Run(options) | Verb::Create(options) => *options,
        other => panic!("{line}: {other:?}"),
    }
}

fn mistake(line: &str) -> String {
    match parse(&words(line)) {
        Err(Refusal::Mistake(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn page(line: &str) -> String {
    match parse(&words(line)) {
        Err(Refusal::Page(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

/// Compares with a file under `tests/golden`; `STOCKADE_BLESS=1` writes the file instead.
fn golden(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("STOCKADE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text, wanted,
        "{name}: run with STOCKADE_BLESS=1 when this is what you want"
    );
}

#[test]
fn the_table_is_sound() {
    table::table().debug_assert();
    flags::accept_values(table::table()).debug_assert();
}

/// What is parsed with a part of the table is parsed with all of it, too.
#[test]
fn a_part_of_the_table_is_enough() {
    for line in [
        "run x",
        "--root /x ps",
        "list",
        "plan run x",
        "plan --format json oci x",
        "--root=/x plan rm x",
    ] {
        let part = table::part(&words(line));
        assert!(
            part.clone()
                .no_binary_name(true)
                .try_get_matches_from(words(line))
                .is_ok(),
            "{line}"
        );
        assert_eq!(part.get_subcommands().count(), 1, "{line}");
    }
    for line in ["", "--help", "help run", "rum x", "--root"] {
        assert!(
            table::part(&words(line)).get_subcommands().count() > 20,
            "{line}"
        );
    }
    assert!(
        table::part(&words("plan rum"))
            .find_subcommand("plan")
            .unwrap()
            .get_subcommands()
            .count()
            > 10
    );
}

#[test]
fn clusters_and_repeated_options_are_dockers() {
    let run = run_of("run -it --rm -e A=1 --env=B=2 -eC=3 -m 512m --cpus=1.5 host bash -c true");
    assert!(run.interactive && run.tty && run.rm && !run.detach);
    assert_eq!(run.env, ["A=1", "B=2", "C=3"]);
    assert_eq!(run.memory.as_deref(), Some("512m"));
    assert_eq!(
        (run.root.as_str(), run.command),
        ("host", words("bash -c true"))
    );
}

#[test]
fn what_follows_root_belongs_to_the_command() {
    let run = run_of("run host --rm -it -- --name x");
    assert!(!run.rm && !run.tty && run.name.is_none());
    assert_eq!(run.command, words("--rm -it -- --name x"));
    let run = run_of("run -- host -x");
    assert_eq!((run.root.as_str(), run.command), ("host", words("-x")));
}

#[test]
fn the_last_one_given_counts() {
    let run = run_of("run --name a --name b --rm --rm --rm=false --memory 1g -m 2g host");
    assert_eq!(
        (run.name.as_deref(), run.memory.as_deref(), run.rm),
        (Some("b"), Some("2g"), false)
    );
}

#[test]
fn values_may_begin_with_a_dash() {
    let run = run_of("run --memory-swap -1 --pids-limit -1 -e -x host");
    assert_eq!(run.memory_swap.as_deref(), Some("-1"));
    assert_eq!(run.env, ["-x"]);
}

#[test]
fn values_may_be_empty() {
    for options in [
        &["--entrypoint", "", "--detach-keys="][..],
        &["--entrypoint=", "--detach-keys", ""],
    ] {
        let words: Vec<_> = ["run"]
            .iter()
            .chain(options)
            .chain(&["host"])
            .map(|word| (*word).to_owned())
            .collect();
        let Ok(Request {
            command: Verb::Run(run),
            ..
        }) = parse(&words)
        else {
            panic!("{words:?}")
        };
        assert_eq!(
            (run.entrypoint.as_deref(), run.detach_keys.as_deref()),
            (Some(""), Some(""))
        );
    }
}

#[test]
fn aliases_and_switches() {
    let run = run_of("run --network none --sig-proxy=false -h name host");
    assert_eq!(
        (run.net.as_deref(), run.sig_proxy.as_deref()),
        (Some("none"), Some("false"))
    );
    assert_eq!(run.hostname.as_deref(), Some("name"));
    assert_eq!(
        run_of("run --sig-proxy host").sig_proxy.as_deref(),
        Some("true")
    );
    assert!(matches!(
        verb_of("list -q"),
        Verb::List(List { quiet: true, .. })
    ));
}

/// Gives every option of every command once, which fails for one that no field stands for.
#[test]
fn every_option_of_the_table_has_its_field() {
    for command in table::table()
        .get_subcommands()
        .filter(|c| !matches!(c.get_name(), "plan" | "help"))
    {
        for arg in command
            .get_arguments()
            .filter(|arg| arg.get_long().is_some_and(|long| long != "help"))
        {
            let value = match arg.get_id().as_str() {
                "type" => "container",
                "sig-proxy" => "true",
                _ => "1",
            };
            let value = if arg.get_action().takes_values() {
                format!("={value}")
            } else {
                String::new()
            };
            let rest = match command.get_name() {
                "exec" | "rename" => "a b",
                "ps" => "",
                _ => "a",
            };
            verb_of(&format!(
                "{} --{}{value} {rest}",
                command.get_name(),
                arg.get_long().unwrap()
            ));
        }
    }
}

/// The other way round: every field of `RunOptions` can be given.
#[test]
fn every_field_of_run_has_an_option() {
    let fields = serde_json::to_value(front::app::RunOptions::default()).unwrap();
    let run = run::run();
    for field in fields
        .as_object()
        .unwrap()
        .keys()
        .filter(|field| !matches!(field.as_str(), "root" | "command"))
    {
        let id = field.replace('_', "-");
        assert!(
            run.get_arguments().any(|arg| arg.get_id() == id.as_str()),
            "no option --{id}"
        );
    }
}

#[test]
fn no_option_is_both_built_and_refused() {
    let run = run::run();
    for option in front::app::NOT_BUILT {
        assert!(
            run.get_arguments()
                .all(|arg| arg.get_long() != Some(option.long)),
            "{}",
            option.long
        );
        assert!(
            option.short.is_none()
                || run
                    .get_arguments()
                    .all(|arg| arg.get_short() != option.short)
        );
    }
}

#[test]
fn mistakes_are_one_line_with_a_hint() {
    assert_eq!(
        mistake("run --memry 1g host"),
        "stockade run: unknown option --memry; hint: --memory"
    );
    assert_eq!(
        mistake("rum host"),
        "stockade: unknown command 'rum'; hint: run"
    );
    assert_eq!(
        mistake("run -p 80:80 host"),
        "stockade run: --publish: not built yet; hint: networks come later; --net host shares the host's network"
    );
    assert!(
        mistake("create --gpus all host").starts_with("stockade create: --gpus: not built yet")
    );
    assert!(mistake("rm --link x").starts_with("stockade rm: --link: not built yet"));
    assert_eq!(
        mistake("stop -t soon web"),
        "stockade stop: --time <SECONDS>: 'soon': invalid digit found in string"
    );
    assert_eq!(
        mistake("run --name"),
        "stockade run: --name <NAME>: a value is missing"
    );
    assert_eq!(
        mistake("run --rm=maybe host"),
        "stockade run: --rm[=<rm>]: 'maybe': expected true or false"
    );
    assert_eq!(
        mistake("run"),
        "stockade run: ROOT is missing; see `stockade run --help`"
    );
    assert_eq!(
        mistake("rename"),
        "stockade rename: CONTAINER and NAME are missing; see `stockade rename --help`"
    );
    assert!(mistake("exec web").contains("COMMAND is missing"));
    assert!(mistake("plan").starts_with("stockade plan: which command?"));
    assert!(mistake("").starts_with("stockade: which command?"));
    for line in [
        "run",
        "ps extra",
        "inspect --type image x",
        "plan --format yaml run host",
        "rename a",
        "exec",
    ] {
        let text = mistake(line);
        assert!(
            !text.contains('\n') && text.starts_with("stockade"),
            "{text}"
        );
    }
}

#[test]
fn plan_goes_before_other_commands() {
    let Verb::Plan(plan) = verb_of("plan --format json run --rm host true") else {
        panic!()
    };
    assert!(plan.json);
    assert!(
        matches!(*plan.command, Verb::Run(options) if options.rm && options.command == ["true"])
    );
    let Verb::Plan(plan) = verb_of("plan oci --root /x create --bundle . c1") else {
        panic!()
    };
    assert!(!plan.json);
    assert!(matches!(*plan.command, Verb::Oci(w) if w == words("--root /x create --bundle . c1")));
}

#[test]
fn a_mistake_below_plan_names_both() {
    assert!(
        mistake("plan run --memry 1 host").starts_with("stockade plan run: unknown option --memry")
    );
}

#[test]
fn the_rest_of_the_verbs() {
    assert!(matches!(
        verb_of("--root /x stop -t -1 a b"),
        Verb::Stop(Stop { time: Some(-1), .. })
    ));
    assert!(matches!(verb_of("top web -o pid"), Verb::Top(top) if top.ps_options == ["-o", "pid"]));
    assert!(
        matches!(verb_of("exec -it web ls -l"), Verb::Exec(e) if e.tty && e.command == ["ls", "-l"])
    );
    assert!(matches!(verb_of("update -m 1g a b"), Verb::Update(u)
        if u.limits.memory.as_deref() == Some("1g") && u.containers == ["a", "b"]));
    assert!(
        matches!(verb_of("oci --root /x list -q"), Verb::Oci(w) if w == words("--root /x list -q"))
    );
    assert!(matches!(verb_of("rename a b"), Verb::Rename(r) if r.name == "b"));
    assert!(
        matches!(verb_of("ps -aq --filter a=b -f c=d"), Verb::List(l) if l.filter == ["a=b", "c=d"])
    );
    assert_eq!(verb_of("plan exec a b").failure_code(), 125);
    assert_eq!(verb_of("ps").failure_code(), 1);
}

#[test]
fn help_of_run_is_as_agreed() {
    golden("help-run.txt", &page("run --help"));
    assert_eq!(page("help run"), page("run --help"));
}

#[test]
fn help_of_the_program_is_as_agreed() {
    golden("help.txt", &page("--help"));
    assert_eq!(page("-h"), page("--help"));
    golden("help-ps.txt", &page("ps -h"));
    golden("help-plan-exec.txt", &page("plan exec --help"));
}

#[test]
fn every_command_has_examples_but_the_plainest() {
    for command in table::table().get_subcommands() {
        let name = command.get_name();
        let plain = matches!(name, "help" | "man" | "version");
        assert!(plain || !examples::of(name).is_empty(), "{name}");
    }
}

#[test]
fn completions_and_man_pages_know_the_options() {
    for shell in [
        clap_complete::Shell::Bash,
        clap_complete::Shell::Zsh,
        clap_complete::Shell::Fish,
    ] {
        let mut script = Vec::new();
        completion(shell, &mut script).unwrap();
        assert!(
            String::from_utf8(script).unwrap().contains("cpuset-cpus"),
            "{shell}"
        );
    }
    let dir = std::env::temp_dir().join(format!("stockade-man-{}", std::process::id()));
    man(&dir).unwrap();
    let run = std::fs::read_to_string(dir.join("stockade-run.1")).unwrap();
    let page = std::fs::read_to_string(dir.join("stockade.1")).unwrap();
    let pages = std::fs::read_dir(&dir).unwrap().count();
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(run.contains("EXAMPLES") && run.contains("cpuset"), "{run}");
    assert!(page.contains("stockade\\-run(1)"), "{page}");
    assert!(pages > 20);
}
