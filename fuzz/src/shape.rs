//! Lists and bytes that share the input well.
//!
//! The ones of `arbitrary` end after two elements on the average, and a slice
//! of bytes takes half of what is left: a list of operations would be a stub.

use arbitrary::{Arbitrary, Result, Unstructured};

/// As many as the input holds, up to `MOST`.
#[derive(Debug)]
pub struct Many<T, const MOST: usize>(pub Vec<T>);

impl<'a, T: Arbitrary<'a>, const MOST: usize> Arbitrary<'a> for Many<T, MOST> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut list = Vec::new();
        while !u.is_empty() && list.len() < MOST {
            list.push(u.arbitrary()?);
        }
        Ok(Self(list))
    }
}

/// At most 255 bytes, of the length that the first one says.
#[derive(Debug)]
pub struct Few(pub Vec<u8>);

impl<'a> Arbitrary<'a> for Few {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let len = usize::from(u.arbitrary::<u8>()?).min(u.len());
        Ok(Self(u.bytes(len)?.to_vec()))
    }
}
