//! `--format` of lists: `table`, `table TEMPLATE`, `json`, or a template; and of `inspect`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table;
use super::template::{Data, Error, Subject, Template};

/// A line of a list. Its fields, in the order of Docker's JSON, are what templates can name.
pub(crate) trait Row: Serialize {
    /// Each field's heading in a table.
    const HEADINGS: &'static [(&'static str, &'static str)];
    /// The template of the usual table.
    const TABLE: &'static str;

    /// What `.Label "name"` looks into.
    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        None
    }
}

/// How a list is shown.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    /// A line for each row, made by the template.
    Lines(Template),
    /// Headings, and aligned columns.
    Table(Template),
}

impl Format {
    /// Parses `--format`; without one it is the usual table.
    ///
    /// # Errors
    /// The template's first fault.
    pub(crate) fn parse<R: Row>(format: Option<&str>) -> Result<Self, Error> {
        let format = format.unwrap_or("table");
        let after = format.strip_prefix("table").map(str::trim);
        Ok(match (format, after) {
            ("json", _) => Self::Lines(Template::parse("{{json .}}")?),
            (_, Some("")) => Self::Table(Template::parse(R::TABLE)?),
            (_, Some(template)) => Self::Table(Template::parse(&unescape(template))?),
            (_, None) => Self::Lines(Template::parse(&unescape(format))?),
        })
    }

    /// The whole list as text; every row ends its line.
    ///
    /// # Errors
    /// What the template cannot do with a row; also when there is no row but a field is unknown.
    pub(crate) fn render<R: Row>(&self, rows: &[R]) -> Result<String, Error> {
        match self {
            Self::Lines(template) => rows
                .iter()
                .map(|row| Ok(line(template, row, false)? + "\n"))
                .collect(),
            Self::Table(template) => {
                let mut lines = vec![headings::<R>(template)?];
                for row in rows {
                    lines.push(line(template, row, true)?);
                }
                Ok(table::align(&lines))
            }
        }
    }
}

/// `\t` and `\n`, which shells hand over as they are typed.
fn unescape(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

fn line<R: Row>(template: &Template, row: &R, in_table: bool) -> Result<String, Error> {
    let mut data = Data::of(row).map_err(|what| Error {
        position: (1, 1),
        what,
    })?;
    if in_table {
        data = harmless(data);
    }
    template.render_subject(Subject {
        data: &data,
        labels: row.labels(),
        headings: false,
    })
}

fn headings<R: Row>(template: &Template) -> Result<String, Error> {
    let heading =
        |(field, heading): &(&str, &str)| ((*field).to_owned(), Data::Text((*heading).to_owned()));
    let data = Data::Record(R::HEADINGS.iter().map(heading).collect());
    let labels = BTreeMap::new();
    template.render_subject(Subject {
        data: &data,
        labels: Some(&labels),
        headings: true,
    })
}

/// The same, with texts that cannot upset a table or a terminal.
fn harmless(data: Data) -> Data {
    match data {
        Data::Text(text) => Data::Text(table::harmless(&text)),
        Data::List(list) => Data::List(list.into_iter().map(harmless).collect()),
        Data::Record(fields) => Data::Record(
            fields
                .into_iter()
                .map(|(name, value)| (name, harmless(value)))
                .collect(),
        ),
        other => other,
    }
}

/// `inspect`'s output: an array of all objects, or a template's line for each.
///
/// # Errors
/// The template's, or an object that JSON cannot show.
pub(crate) fn inspect<T: Serialize>(format: Option<&str>, objects: &[T]) -> Result<String, Error> {
    let json_fault = |error: serde_json::Error| Error {
        position: (1, 1),
        what: error.to_string(),
    };
    match format {
        None | Some("") => Ok(indented(objects).map_err(json_fault)? + "\n"),
        Some("json") => Ok(serde_json::to_string(objects).map_err(json_fault)? + "\n"),
        Some(template) => {
            let template = Template::parse(template)?;
            objects
                .iter()
                .map(|object| Ok(template.render(object)? + "\n"))
                .collect()
        }
    }
}

/// JSON in lines, each level four spaces in.
fn indented(objects: &(impl Serialize + ?Sized)) -> Result<String, serde_json::Error> {
    let mut out = Vec::new();
    let four = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    objects.serialize(&mut serde_json::Serializer::with_formatter(&mut out, four))?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Pair {
        name: &'static str,
        size: u64,
        #[serde(skip)]
        labels: BTreeMap<String, String>,
    }

    impl Row for Pair {
        const HEADINGS: &'static [(&'static str, &'static str)] =
            &[("Name", "NAME"), ("Size", "SIZE")];
        const TABLE: &'static str = "{{.Name}}\t{{.Size}}";

        fn labels(&self) -> Option<&BTreeMap<String, String>> {
            Some(&self.labels)
        }
    }

    fn rows() -> [Pair; 2] {
        let labels = BTreeMap::from([("com.example.role-name".to_owned(), "db".to_owned())]);
        [
            Pair {
                name: "a",
                size: 1,
                labels,
            },
            Pair {
                name: "b\x1b[2J",
                size: 20,
                labels: BTreeMap::new(),
            },
        ]
    }

    fn show(format: Option<&str>) -> Result<String, String> {
        let format = Format::parse::<Pair>(format).map_err(|error| error.to_string())?;
        format.render(&rows()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form_of_format() {
        let table = "NAME         SIZE\na            1\nb\\u{1b}[2J   20\n";
        assert_eq!(show(None).unwrap(), table);
        assert_eq!(show(Some("table")).unwrap(), table);
        assert_eq!(
            show(Some(r"table {{.Size}}\t{{upper .Name}}"))
                .unwrap()
                .lines()
                .next(),
            Some("SIZE      NAME")
        );
        assert_eq!(
            show(Some("json")).unwrap().lines().next(),
            Some(r#"{"Name":"a","Size":1}"#)
        );
        assert_eq!(
            show(Some(r"{{.Name}}\t{{.Size}}")).unwrap(),
            "a\t1\nb\x1b[2J\t20\n"
        );
    }

    #[test]
    fn labels_have_columns() {
        let shown = show(Some(
            r#"table {{.Name}}\t{{.Label "com.example.role-name"}}"#,
        ))
        .unwrap();
        assert_eq!(
            shown,
            "NAME         role name\na            db\nb\\u{1b}[2J   \n"
        );
    }

    #[test]
    fn unknown_fields_are_faults_even_without_rows() {
        let format = Format::parse::<Pair>(Some("table {{.Nmae}}")).unwrap();
        let error = format.render::<Pair>(&[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "template:1:3: there is no field .Nmae; hint: .Name .Size"
        );
    }

    #[test]
    fn inspect_is_an_array_or_a_line_each() {
        assert_eq!(
            inspect(None, &rows()[..1]).unwrap(),
            "[\n    {\n        \"Name\": \"a\",\n        \"Size\": 1\n    }\n]\n"
        );
        assert_eq!(
            inspect(Some("json"), &rows()[..1]).unwrap(),
            "[{\"Name\":\"a\",\"Size\":1}]\n"
        );
        assert_eq!(inspect(Some("{{.Size}}"), &rows()).unwrap(), "1\n20\n");
        assert_eq!(inspect::<Pair>(None, &[]).unwrap(), "[]\n");
    }
}
