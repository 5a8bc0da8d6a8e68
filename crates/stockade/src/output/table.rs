//! Columns of text, three spaces apart.

use unicode_width::UnicodeWidthStr;

/// Spaces between a column and the next.
const GAP: usize = 3;
/// The least distance from the start of a column to the start of the next.
const NARROWEST: usize = 10;

/// Aligns lines whose cells are separated by tabs; the last cell of a line is not padded.
pub(crate) fn align(lines: &[String]) -> String {
    let lines: Vec<Vec<&str>> = lines
        .iter()
        .map(|line| line.split('\t').collect())
        .collect();
    let widths = widths(&lines);
    let mut out = String::new();
    for line in &lines {
        let Some((last, others)) = line.split_last() else {
            continue;
        };
        for (cell, width) in others.iter().zip(&widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
        }
        out.push_str(last);
        out.push('\n');
    }
    out
}

/// The distance between the starts of columns; a line's last cell does not count.
fn widths(lines: &[Vec<&str>]) -> Vec<usize> {
    let mut widths = Vec::new();
    for line in lines {
        for (i, cell) in line.iter().take(line.len() - 1).enumerate() {
            if i == widths.len() {
                widths.push(NARROWEST);
            }
            widths[i] = widths[i].max(cell.width() + GAP);
        }
    }
    widths
}

/// A text that cannot move the cursor, change colours or break a line: control characters are
/// written as escapes.
pub(crate) fn harmless(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let escaped = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> String {
        align(
            &lines
                .iter()
                .map(|line| (*line).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn columns_are_as_docker_prints_them() {
        assert_eq!(
            lines(&["CONTAINER ID\tIMAGE\tCOMMAND\tCREATED\tSTATUS\tPORTS\tNAMES"]),
            "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
        );
        assert_eq!(
            lines(&["NAMES\tS", "a-long-name\tx"]),
            "NAMES         S\na-long-name   x\n"
        );
    }

    #[test]
    fn wide_characters_count_twice_and_the_last_column_not() {
        assert_eq!(
            lines(&["a\tb", "日本語日本\tc", "x"]),
            "a            b\n日本語日本   c\nx\n"
        );
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(harmless("a\x1b[31m\tb\n"), "a\\u{1b}[31m\\tb\\n");
        assert_eq!(harmless("é"), "é");
    }
}
