//! Where in a configuration a value stands.

use core::fmt;

/// A place in a configuration, such as `linux.resources.memory.limit` or `mounts[6].options`.
///
/// It is plain data, so that every step of a plan can carry one at no cost; text is made of it only
/// when somebody reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The dotted path from the root of the document.
    pub field: &'static str,
    /// The element, where `field` is a list.
    pub index: Option<u32>,
    /// What stands below that element, without its leading dot; often empty.
    pub rest: &'static str,
}

impl Place {
    /// A field of the document, by its dotted path.
    pub const fn field(field: &'static str) -> Self {
        Self {
            field,
            index: None,
            rest: "",
        }
    }

    /// The element `index` of the list `field`.
    pub fn item(field: &'static str, index: usize) -> Self {
        Self {
            field,
            index: u32::try_from(index).ok(),
            rest: "",
        }
    }

    /// The same place, one field further down.
    pub const fn at(self, rest: &'static str) -> Self {
        Self { rest, ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field)?;
        if let Some(index) = self.index {
            write!(f, "[{index}]")?;
        }
        if !self.rest.is_empty() {
            write!(f, ".{}", self.rest)?;
        }
        Ok(())
    }
}
