//! Multiples of a point, worked out once, so that `[s]B - [k]A` needs a sixteenth
//! of the doublings.
//!
//! This changes how the point is computed and nothing of what it is: the scalars
//! are taken as the integers they are, so points outside the prime-order group
//! (an author can craft such keys) come out as they do in `verify_strict`, too.
//! Everything here is public, so time may depend on it.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};
use std::sync::LazyLock;

/// A scalar's digits are laid out in so many rows.
const ROWS: usize = 16;
/// Digits a row. The sum is doubled once for each.
const PLACES: usize = 256 / ROWS;
/// Digits of the key's scalar are odd and below 2^4: 8 multiples a row, 20 kB a key.
const KEY_WIDTH: u32 = 5;
const KEY_ODD: usize = 1 << (KEY_WIDTH - 2);
/// Those of the base point's are below 2^7: there is one such table for all.
const BASE_WIDTH: u32 = 8;
const BASE_ODD: usize = 1 << (BASE_WIDTH - 2);

/// For each row `r` the odd multiples of `2^(16 r)` times a point.
type Table<const ODD: usize> = Vec<[EdwardsPoint; ODD]>;

static BASE: LazyLock<Table<BASE_ODD>> = LazyLock::new(|| table(ED25519_BASEPOINT_POINT));

fn table<const ODD: usize>(mut point: EdwardsPoint) -> Table<ODD> {
    let mut rows = Vec::with_capacity(ROWS);
    for _ in 0..ROWS {
        let twice = point + point;
        let mut odd = [point; ODD];
        let mut last = point;
        for place in odd.iter_mut().skip(1) {
            last += twice;
            *place = last;
        }
        rows.push(odd);
        // The rest of the doublings to the next row, three at a time.
        point = twice;
        for _ in 0..(PLACES - 1) / 3 {
            point = point.mul_by_cofactor();
        }
    }
    rows
}

/// A scalar in signed binary digits, the lowest first: each is 0 or odd, and of
/// `width` in a row at most one is not 0 (its width-w non-adjacent form).
struct Digits {
    all: [i8; 256],
    /// For each place the rows in which there is one, a bit a row.
    rows: [u16; PLACES],
}

fn digits(scalar: &Scalar, width: u32) -> Digits {
    let (mut all, mut rows) = ([0; 256], [0; PLACES]);
    let mut words = [0u64; 5];
    for (word, bytes) in words.iter_mut().zip(scalar.as_bytes().as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    // Whether a digit below was negative and so left one more.
    let (mut at, mut carry) = (0usize, 0u64);
    while at < all.len() {
        let pair = u128::from(words[at / 64]) | u128::from(words[at / 64 + 1]) << 64;
        let above = (pair >> (at % 64)) as u64;
        // As long as the bits are those of what was left, the digits are 0.
        let zeros = (above ^ carry.wrapping_neg()).trailing_zeros();
        if zeros > 0 {
            at += zeros as usize;
            continue;
        }
        let value = (above & ((1 << width) - 1)) as i16 + carry as i16;
        carry = u64::from(value >> (width - 1) != 0);
        all[at] = (value - ((carry as i16) << width)) as i8;
        rows[at % PLACES] |= 1 << (at / PLACES);
        at += width as usize;
    }
    Digits { all, rows }
}

impl Digits {
    /// Adds the multiples that the digits at a place stand for.
    fn add<const ODD: usize>(&self, place: usize, table: &Table<ODD>, sum: &mut EdwardsPoint) {
        let mut rows = self.rows[place];
        while rows != 0 {
            let row = rows.trailing_zeros() as usize;
            rows &= rows - 1;
            let digit = self.all[row * PLACES + place];
            // The digit 2i + 1 stands for the multiple at i.
            let multiple = &table[row][usize::from(digit.unsigned_abs() / 2)];
            if digit > 0 {
                *sum += multiple;
            } else {
                *sum -= multiple;
            }
        }
    }
}

/// The multiples of a key, negated.
#[derive(Clone)]
pub(super) struct Multiples(Table<KEY_ODD>);

impl Multiples {
    /// Works them out; takes about as long as one verification.
    pub(super) fn of(key: &EdwardsPoint) -> Self {
        Self(table(-key))
    }

    /// The point of which the first half of the signature has to be the only
    /// spelling; `None` when its second half is no number as it should be. Together
    /// they are what `verify` of dalek does, and not the strict verdict by itself.
    pub(super) fn point(
        &self,
        key: &[u8; 32],
        bytes: &[u8],
        signature: &[u8; 64],
    ) -> Option<EdwardsPoint> {
        let (first, second) = (
            signature.first_chunk::<32>()?,
            signature.last_chunk::<32>()?,
        );
        // Other spellings of the number are refused, as everywhere.
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(*second))?;
        let mut sha = Sha512::new();
        sha.update(first);
        sha.update(key);
        sha.update(bytes);
        let k = Scalar::from_bytes_mod_order_wide(&sha.finalize().into());
        Some(self.sum(&k, &s))
    }

    /// `[s]B - [k]A`
    fn sum(&self, k: &Scalar, s: &Scalar) -> EdwardsPoint {
        let (k, s) = (digits(k, KEY_WIDTH), digits(s, BASE_WIDTH));
        let mut sum = EdwardsPoint::identity();
        for place in (0..PLACES).rev() {
            sum = sum + sum;
            k.add(place, &self.0, &mut sum);
            s.add(place, &BASE, &mut sum);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use proptest::prelude::*;

    fn check_digits(scalar: &Scalar, width: u32) {
        let digits = digits(scalar, width).all;
        let mut value = Scalar::ZERO;
        for digit in digits.iter().rev() {
            assert!(i64::from(*digit).abs() < 1 << (width - 1));
            value = value + value;
            let size = Scalar::from(digit.unsigned_abs());
            value = if *digit < 0 {
                value - size
            } else {
                value + size
            };
            assert!(*digit == 0 || digit % 2 != 0);
        }
        let apart = digits.windows(width as usize);
        assert!(
            apart
                .map(|w| w.iter().filter(|d| **d != 0).count())
                .all(|n| n <= 1)
        );
        assert_eq!(value, *scalar);
    }

    proptest! {
        #[test]
        fn digits_are_their_number(bytes in any::<[u8; 32]>(), width in 2..=8u32) {
            check_digits(&Scalar::from_bytes_mod_order(bytes), width);
        }

        #[test]
        fn the_sum_is_dalek_s(
            a in any::<[u8; 32]>(),
            k in any::<[u8; 32]>(),
            s in any::<[u8; 32]>(),
            torsion in 0..8usize,
        ) {
            let scalar = Scalar::from_bytes_mod_order;
            let key = ED25519_BASEPOINT_POINT * scalar(a) + EIGHT_TORSION[torsion];
            let (k, s) = (scalar(k), scalar(s));
            let dalek = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key, &s);
            prop_assert_eq!(Multiples::of(&key).sum(&k, &s).compress(), dalek.compress());
        }
    }

    #[test]
    fn the_ends_of_the_numbers() {
        let key = ED25519_BASEPOINT_POINT * Scalar::from(77u64) + EIGHT_TORSION[1];
        let multiples = Multiples::of(&key);
        for n in [0, 1, 2, 15, 16, 17, 127, 128, 255, u64::MAX >> 1, u64::MAX] {
            for width in [KEY_WIDTH, BASE_WIDTH] {
                check_digits(&Scalar::from(n), width);
                check_digits(&-Scalar::from(n), width);
            }
        }
        for k in [Scalar::ZERO, Scalar::ONE, -Scalar::ONE] {
            for s in [Scalar::ZERO, Scalar::ONE, -Scalar::ONE] {
                let dalek = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key, &s);
                assert_eq!(multiples.sum(&k, &s), dalek);
            }
        }
    }
}
