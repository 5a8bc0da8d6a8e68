//! The objects that templates see, made of anything serialisable.
//!
//! Unlike a JSON value it keeps the order of a struct's fields, and knows structs, whose missing
//! fields are faults, from maps, whose missing keys are not: as Go does.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::{self, Serialize, SerializeMap, Serializer};

/// An object or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// Nothing: `null`, or a key that is not there.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Data>),
    /// A map: any key may be asked for.
    Map(BTreeMap<String, Data>),
    /// A struct: only its own fields may be asked for.
    Record(Vec<(String, Data)>),
}

impl Data {
    /// The object as templates see it.
    ///
    /// # Errors
    /// In one line, when it holds what templates cannot show, such as map keys that are not texts.
    pub(crate) fn of(object: &impl Serialize) -> Result<Self, String> {
        object.serialize(Collector).map_err(|error| error.0)
    }

    /// What the value counts as in a condition.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(bool) => *bool,
            Self::Int(int) => *int != 0,
            Self::Float(float) => *float != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Record(_) => true,
        }
    }

    /// What kind of value this is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nothing",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Record(_) => "an object",
        }
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => to.serialize_unit(),
            Self::Bool(bool) => to.serialize_bool(*bool),
            Self::Int(int) => to.serialize_i128(*int),
            // A whole number has no fraction in Go's JSON; below 2^53 the cast is exact.
            Self::Float(float) if float.fract() == 0.0 && float.abs() < 9e15 => {
                to.serialize_i64(*float as i64)
            }
            Self::Float(float) => to.serialize_f64(*float),
            Self::Text(text) => to.serialize_str(text),
            Self::List(list) => to.collect_seq(list),
            Self::Map(map) => to.collect_map(map),
            Self::Record(fields) => {
                let mut map = to.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// Why an object cannot be shown.
#[derive(Debug)]
struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl ser::Error for Unfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Takes any object apart.
struct Collector;

/// Integers of every size, and the other plain values.
macro_rules! plain {
    ($($method:ident($type:ty) $variant:ident),* $(,)?) => {
        $(fn $method(self, value: $type) -> Result<Data, Unfit> {
            Ok(Data::$variant(value.into()))
        })*
    };
}

impl Serializer for Collector {
    type Ok = Data;
    type Error = Unfit;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Wrapped<Items>;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Wrapped<Fields>;

    plain! {
        serialize_bool(bool) Bool,
        serialize_i8(i8) Int, serialize_i16(i16) Int, serialize_i32(i32) Int, serialize_i64(i64) Int,
        serialize_u8(u8) Int, serialize_u16(u16) Int, serialize_u32(u32) Int, serialize_u64(u64) Int,
        serialize_i128(i128) Int, serialize_f32(f32) Float, serialize_f64(f64) Float,
        serialize_char(char) Text, serialize_str(&str) Text,
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Data, Unfit> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<Data, Unfit> {
        Ok(Data::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Data, Unfit> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Data, Unfit> {
        Ok(Data::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Data, Unfit> {
        Ok(Data::Nil)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<Data, Unfit> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Data, Unfit> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Data, Unfit> {
        Ok(Data::Map(BTreeMap::from([(
            name.to_owned(),
            value.serialize(self)?,
        )])))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items, Unfit> {
        Ok(Items(Vec::with_capacity(length.unwrap_or(0).min(1024))))
    }

    fn serialize_tuple(self, length: usize) -> Result<Items, Unfit> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Items, Unfit> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        length: usize,
    ) -> Result<Wrapped<Items>, Unfit> {
        Ok(Wrapped(name, self.serialize_seq(Some(length))?))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Unfit> {
        Ok(Entries {
            map: BTreeMap::new(),
            key: String::new(),
        })
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Fields, Unfit> {
        Ok(Fields(Vec::with_capacity(length)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        length: usize,
    ) -> Result<Wrapped<Fields>, Unfit> {
        Ok(Wrapped(name, Fields(Vec::with_capacity(length))))
    }
}

/// A list that is being collected.
struct Items(Vec<Data>);

impl Items {
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.0.push(value.serialize(Collector)?);
        Ok(())
    }
}

/// The traits of things with elements differ in their methods' names only.
macro_rules! elements {
    ($($trait:ident $method:ident),* $(,)?) => {
        $(impl ser::$trait for Items {
            type Ok = Data;
            type Error = Unfit;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
                self.add(value)
            }

            fn end(self) -> Result<Data, Unfit> {
                Ok(Data::List(self.0))
            }
        })*
    };
}

elements! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
}

/// A map that is being collected.
struct Entries {
    map: BTreeMap<String, Data>,
    key: String,
}

impl SerializeMap for Entries {
    type Ok = Data;
    type Error = Unfit;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unfit> {
        self.key = match key.serialize(Collector)? {
            Data::Text(text) => text,
            Data::Int(int) => int.to_string(),
            other => return Err(Unfit(format!("{} is no key of a map", other.kind()))),
        };
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        let key = std::mem::take(&mut self.key);
        self.map.insert(key, value.serialize(Collector)?);
        Ok(())
    }

    fn end(self) -> Result<Data, Unfit> {
        Ok(Data::Map(self.map))
    }
}

/// A struct that is being collected.
struct Fields(Vec<(String, Data)>);

impl ser::SerializeStruct for Fields {
    type Ok = Data;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        self.0.push((name.to_owned(), value.serialize(Collector)?));
        Ok(())
    }

    fn end(self) -> Result<Data, Unfit> {
        Ok(Data::Record(self.0))
    }
}

/// The content of an enum's variant, below the variant's name.
struct Wrapped<Inner>(&'static str, Inner);

impl ser::SerializeTupleVariant for Wrapped<Items> {
    type Ok = Data;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unfit> {
        self.1.add(value)
    }

    fn end(self) -> Result<Data, Unfit> {
        Ok(Data::Map(BTreeMap::from([(
            self.0.to_owned(),
            Data::List(self.1.0),
        )])))
    }
}

impl ser::SerializeStructVariant for Wrapped<Fields> {
    type Ok = Data;
    type Error = Unfit;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unfit> {
        ser::SerializeStruct::serialize_field(&mut self.1, name, value)
    }

    fn end(self) -> Result<Data, Unfit> {
        Ok(Data::Map(BTreeMap::from([(
            self.0.to_owned(),
            Data::Record(self.1.0),
        )])))
    }
}
