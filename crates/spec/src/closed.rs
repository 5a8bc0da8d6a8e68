//! Values that the specification closes: a list of names, and nothing else.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{Deserializer, Error, Visitor};

use crate::text::Short;

/// A kind of value with a closed list of names.
pub(crate) trait Closed: Copy + 'static {
    /// What the values are, in messages.
    const WHAT: &'static str;
    /// All of them.
    const ALL: &'static [Self];

    /// The specification's name.
    fn text(self) -> &'static str;
}

/// The value of a name.
pub(crate) fn find<T: Closed>(name: &str) -> Option<T> {
    T::ALL.iter().copied().find(|value| value.text() == name)
}

/// Reads a value; a name that is not listed is refused.
pub(crate) fn read<'de, T: Closed, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_str(ClosedVisitor(PhantomData))
}

/// Reads a value that may be absent, `null` or `""`, which is how encoders in Go write "absent".
pub(crate) fn optional<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: Closed,
    D: Deserializer<'de>,
{
    from.deserialize_any(OptionalVisitor(PhantomData))
}

struct ClosedVisitor<T>(PhantomData<T>);

impl<T: Closed> Visitor<'_> for ClosedVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", T::WHAT)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        find(name).ok_or_else(|| E::custom(Unknown::<T>(name, PhantomData)))
    }
}

struct OptionalVisitor<T>(PhantomData<T>);

impl<T: Closed> Visitor<'_> for OptionalVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", T::WHAT)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<T>, E> {
        if name.is_empty() {
            Ok(None)
        } else {
            ClosedVisitor(PhantomData).visit_str(name).map(Some)
        }
    }
}

/// The words for a name that is not listed; made only when somebody reads them.
struct Unknown<'n, T>(&'n str, PhantomData<T>);

impl<T: Closed> fmt::Display for Unknown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown {} `{}`, expected one of ",
            T::WHAT,
            Short(self.0)
        )?;
        for (index, value) in T::ALL.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(value.text())?;
        }
        Ok(())
    }
}

/// Defines an enum with a closed list of names; the first is its default, which only matters to
/// programs that fill in a structure.
macro_rules! closed {
    (
        $(#[$meta:meta])*
        pub enum $name:ident ($what:literal) {
            $($(#[$first_meta:meta])* $first:ident = $first_text:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$first_meta])* $first,)+
        }

        impl $name {
            /// All of them, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$first),+];

            /// The specification's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$first => $first_text,)+ }
            }

            /// The value with this name, if there is one.
            pub fn from_name(name: &str) -> Option<Self> {
                $crate::closed::find(name)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ALL[0]
            }
        }

        impl $crate::closed::Closed for $name {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = Self::ALL;

            fn text(self) -> &'static str {
                self.name()
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::closed::read(from)
            }
        }
    };
}
pub(crate) use closed;
