//! What runs, as whom, where, and with which rights.

use spec::{Capabilities, Process, Str, User};

use super::namespaces::Spaces;
use super::{Asked, Extras, Origins, env, rlimits, security};
use crate::app::accounts::Identity;
use crate::app::value::namespace::Userns;
use crate::app::value::{name, number, user};
use crate::error::{About, Fault, Result};

/// The umask that the process starts with.
const UMASK: u32 = 0o022;

pub(super) fn lower(
    asked: &Asked<'_>,
    spaces: &Spaces,
    extras: &mut Extras,
    origins: &mut Origins,
) -> Result<Process<'static>> {
    let identity = identity(asked, origins)?;
    let capabilities = security::capabilities(asked, spaces, &mut extras.notes, origins)?;
    Ok(Process {
        terminal: terminal(asked, origins),
        env: env::lower(asked, spaces, &identity.home, origins)?,
        user: match spaces.userns {
            Userns::Own { .. } => only_root(asked, identity)?,
            _ => self::user(asked, identity, origins)?,
        },
        args: args(asked, origins)?,
        cwd: cwd(asked, origins)?.into(),
        capabilities: Some(Capabilities {
            bounding: capabilities,
            effective: capabilities,
            permitted: capabilities,
            ..Capabilities::default()
        }),
        rlimits: rlimits::lower(asked, spaces, origins)?,
        no_new_privileges: security::no_new_privileges(asked, origins)?,
        oom_score_adj: oom_score_adj(asked, origins)?,
        ..Process::default()
    })
}

fn terminal(asked: &Asked<'_>, origins: &mut Origins) -> bool {
    if asked.options.tty {
        origins.flag("process.terminal", "--tty");
    }
    asked.options.tty
}

/// The command, by Docker's rules: COMMAND takes the place of the image's Cmd, and `--entrypoint` that
/// of Entrypoint and Cmd both; `--entrypoint ""` is no entry point.
fn args(asked: &Asked<'_>, origins: &mut Origins) -> Result<Vec<Str<'static>>> {
    let none = Vec::new();
    let image = asked
        .image
        .map_or((&none, &none), |image| (&image.entrypoint, &image.cmd));
    let given = &asked.options.command;
    let mut args: Vec<String> = match asked.options.entrypoint.as_deref() {
        Some("") => Vec::new(),
        Some(program) => {
            origins.option("process.args", "--entrypoint", program);
            vec![program.to_owned()]
        }
        None => image.0.clone(),
    };
    let own_tail = !given.is_empty() || asked.options.entrypoint.is_some();
    args.extend(if own_tail { given } else { image.1 }.iter().cloned());
    if asked.options.entrypoint.is_none() {
        match (image.0.is_empty(), given.is_empty()) {
            (_, true) => origins.image("process.args", "Entrypoint and Cmd"),
            (false, false) => origins.text(
                "process.args".to_owned(),
                "image config Entrypoint, COMMAND".to_owned(),
            ),
            (true, false) => origins.text("process.args".to_owned(), "COMMAND".to_owned()),
        }
    }
    checked(args)
}

fn checked(args: Vec<String>) -> Result<Vec<Str<'static>>> {
    match args.first() {
        None => Err(Fault::usage("no command given, and the root names none")
            .hint("stockade run ROOT COMMAND")
            .at("COMMAND")),
        Some(program) if program.is_empty() => {
            Err(Fault::usage("the program's name is empty").at("COMMAND"))
        }
        Some(_) => args
            .into_iter()
            .map(|arg| {
                crate::app::value::env::no_nul(&arg)
                    .of("COMMAND", &arg)
                    .map(|()| arg.into())
            })
            .collect(),
    }
}

/// `--user`, else the image's, else number 0; names are the root's.
fn identity(asked: &Asked<'_>, origins: &mut Origins) -> Result<Identity> {
    let image = asked
        .image
        .map(|image| image.user.as_str())
        .filter(|user| !user.is_empty());
    let (option, text) = match (&asked.options.user, image) {
        (Some(text), _) => {
            origins.option("process.user", "--user", text);
            ("--user", text.as_str())
        }
        (None, Some(text)) => {
            origins.image("process.user", "User");
            ("image config User", text)
        }
        (None, None) => ("--user", ""),
    };
    let request = user::user(text).of(option, text)?;
    asked.accounts.identity(&request).of(option, text)
}

/// Where root is the only one there is, there are no supplementary groups, and nobody may set any.
fn only_root(asked: &Asked<'_>, identity: Identity) -> Result<User> {
    if let Some(text) = asked.options.group_add.first() {
        return Err(
            Fault::unsupported("no group but root's is there without root")
                .hint("--userns with maps of your ranges"),
        )
        .of("--group-add", text);
    }
    Ok(User {
        uid: identity.uid,
        gid: identity.gid,
        umask: Some(UMASK),
        additional_gids: Vec::new(),
    })
}

/// The ids; the primary group is among the supplementary ones, so that dropping it gives nothing.
fn user(asked: &Asked<'_>, identity: Identity, origins: &mut Origins) -> Result<User> {
    let mut groups = vec![identity.gid];
    groups.extend(identity.groups);
    for text in &asked.options.group_add {
        let who = user::who(text).of("--group-add", text)?;
        groups.push(asked.accounts.gid(&who).of("--group-add", text)?);
        origins.option("process.user.additionalGids", "--group-add", text);
    }
    let mut seen = Vec::new();
    groups.retain(|gid| {
        !seen.contains(gid) && {
            seen.push(*gid);
            true
        }
    });
    Ok(User {
        uid: identity.uid,
        gid: identity.gid,
        umask: Some(UMASK),
        additional_gids: groups,
    })
}

fn cwd(asked: &Asked<'_>, origins: &mut Origins) -> Result<String> {
    if let Some(text) = &asked.options.workdir {
        origins.option("process.cwd", "--workdir", text);
        return name::absolute(text).of("--workdir", text);
    }
    match asked
        .image
        .map(|image| image.working_dir.as_str())
        .filter(|dir| !dir.is_empty())
    {
        Some(text) => {
            origins.image("process.cwd", "WorkingDir");
            // Old images have relative ones; Docker takes them from the root.
            name::absolute(&format!("/{text}")).of("image config WorkingDir", text)
        }
        None => Ok("/".to_owned()),
    }
}

fn oom_score_adj(asked: &Asked<'_>, origins: &mut Origins) -> Result<Option<i32>> {
    let Some(text) = &asked.options.oom_score_adj else {
        return Ok(None);
    };
    origins.option("process.oomScoreAdj", "--oom-score-adj", text);
    let score = number::integer(text, -1000, 1000).of("--oom-score-adj", text)?;
    Ok(i32::try_from(score).ok())
}
