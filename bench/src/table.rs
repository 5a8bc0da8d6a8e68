//! What is printed: one table for each measurement, or one JSON object a row.

use crate::options::Format;
use serde_json::{Map, Value, json};

/// A column: its heading, and the digits after its numbers' point.
pub(crate) type Column = (&'static str, usize);

/// Rows of numbers under a title.
pub(crate) struct Table {
    title: String,
    columns: Vec<Column>,
    rows: Vec<(String, Vec<Option<f64>>)>,
    notes: Vec<String>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(title: String, columns: &[Column]) -> Self {
        Self {
            title,
            columns: columns.to_vec(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row; a missing number is printed as a dash.
    pub(crate) fn row(&mut self, name: &str, values: Vec<Option<f64>>) {
        debug_assert_eq!(values.len(), self.columns.len());
        self.rows.push((name.to_owned(), values));
    }

    /// Adds a line below the table.
    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Prints the table.
    pub(crate) fn print(&self, format: Format) {
        match format {
            Format::Table => print!("{}", self.text()),
            Format::Json => print!("{}", self.json()),
        }
    }

    fn text(&self) -> String {
        let width = self
            .rows
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(0);
        let mut text = format!("\n{}\n{:width$}", self.title, "");
        for (heading, _) in &self.columns {
            text += &format!("  {heading:>10}");
        }
        text.push('\n');
        for (name, values) in &self.rows {
            text += &format!("{name:width$}");
            for ((heading, digits), value) in self.columns.iter().zip(values) {
                let width = heading.len().max(10);
                match value {
                    Some(value) => text += &format!("  {value:>width$.digits$}"),
                    None => text += &format!("  {:>width$}", "-"),
                }
            }
            text.push('\n');
        }
        for note in &self.notes {
            text += &format!("{note}\n");
        }
        text
    }

    fn json(&self) -> String {
        let mut text = String::new();
        for (name, values) in &self.rows {
            let mut object = Map::new();
            object.insert("measurement".to_owned(), json!(self.title));
            object.insert("contender".to_owned(), json!(name));
            for ((heading, _), value) in self.columns.iter().zip(values) {
                object.insert((*heading).to_owned(), json!(value));
            }
            text += &format!("{}\n", Value::Object(object));
        }
        for note in &self.notes {
            text += &format!("{}\n", json!({ "measurement": self.title, "note": note }));
        }
        text
    }
}

/// `value / base` when both are there.
pub(crate) fn ratio(value: Option<f64>, base: Option<f64>) -> Option<f64> {
    Some(value? / base?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_number_is_a_dash_or_null() {
        let mut table = Table::new("t".to_owned(), &[("ms", 2), ("calls", 0)]);
        table.row("crun", vec![Some(1.5), None]);
        let words: Vec<String> = table.text().split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["t", "ms", "calls", "crun", "1.50", "-"]);
        assert!(table.json().contains("\"calls\":null"));
    }
}
