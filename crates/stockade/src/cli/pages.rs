//! Man pages and shell completions, made from the table when they are asked for.

use std::fs;
use std::io::{Error, Write};
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{examples, refuse, table};

/// Writes the completion script of `shell` to `out`.
///
/// # Errors
/// Those of writing.
pub(crate) fn completion(shell: Shell, out: &mut dyn Write) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut table::table(), "stockade", &mut script);
    out.write_all(&script)
}

/// Writes stockade(1) and a page for each command, such as stockade-run(1), into `dir`.
///
/// # Errors
/// Those of making the directory and the files.
pub(crate) fn man(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir)?;
    let mut table = table::table().disable_help_subcommand(true);
    table.build();
    page(&table, "stockade", dir)?;
    for command in table
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        page(command, &format!("stockade-{}", command.get_name()), dir)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str, dir: &Path) -> Result<(), Error> {
    let shown = command
        .clone()
        .mut_args(refuse::hide_rest)
        .after_help(None::<&str>)
        .subcommand_help_heading("COMMANDS")
        .display_name(name.to_owned());
    let man = Man::new(shown)
        .title(name.to_owned())
        .source(concat!("stockade ", env!("CARGO_PKG_VERSION")))
        .manual("Stockade");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut text)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    last_sections(command.get_name(), &mut text)?;
    fs::write(dir.join(format!("{name}.1")), text)
}

fn last_sections(command: &str, out: &mut dyn Write) -> Result<(), Error> {
    let mut roff = Roff::new();
    list(&mut roff, "ROOTS", "", examples::operands(command));
    list(&mut roff, "EXAMPLES", "stockade ", examples::of(command));
    roff.to_writer(out)
}

/// A section of tagged paragraphs; nothing when there are none.
fn list(roff: &mut Roff, title: &str, prefix: &str, items: &[examples::Example]) {
    if !items.is_empty() {
        roff.control("SH", [title]);
    }
    for (tag, what) in items {
        roff.control("TP", []);
        roff.text([bold(format!("{prefix}{tag}"))]);
        roff.text([roman(*what)]);
    }
}
