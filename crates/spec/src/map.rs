//! JSON objects whose keys are data.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::Str;

/// An object whose keys are data, such as `annotations`, in the order of its keys.
///
/// A key that is there twice is refused: parsers differ in which of the two they believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<'a, V>(BTreeMap<Str<'a>, V>);

impl<V> Map<'_, V> {
    /// An empty map.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> Default for Map<'_, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, V> Deref for Map<'a, V> {
    type Target = BTreeMap<Str<'a>, V>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<V> DerefMut for Map<'_, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<'a, V> FromIterator<(Str<'a>, V)> for Map<'a, V> {
    fn from_iter<I: IntoIterator<Item = (Str<'a>, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<'m, 'a, V> IntoIterator for &'m Map<'a, V> {
    type Item = (&'m Str<'a>, &'m V);
    type IntoIter = btree_map::Iter<'m, Str<'a>, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<V: Serialize> Serialize for Map<'_, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Map<'a, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<'a, V>(PhantomData<Map<'a, V>>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<'a, V> {
    type Value = Map<'a, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = access.next_key::<Str<'a>>()? {
            match entries.entry(key) {
                btree_map::Entry::Vacant(vacant) => _ = vacant.insert(access.next_value()?),
                btree_map::Entry::Occupied(there) => {
                    return Err(A::Error::custom(format_args!(
                        "duplicate key `{}`",
                        there.key()
                    )));
                }
            }
        }
        Ok(Map(entries))
    }
}
