//! Our verdict is `verify_strict`'s on everything an author can craft.

use super::*;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;
use sha2::{Digest as _, Sha512};

/// How often each kind of verdict came up.
#[derive(Debug, Default)]
struct Seen {
    valid: usize,
    only_loosely_valid: usize,
    invalid: usize,
}

impl Seen {
    /// Both verdicts, which must be one.
    fn compare(&mut self, key: &[u8; 32], text: &[u8], signature: &[u8; 64]) {
        let Ok(dalek) = ed25519_dalek::VerifyingKey::from_bytes(key) else {
            return;
        };
        let Ok(mut ours) = VerifyingKey::new(FeedId::from_bytes(*key)) else {
            // Refused once for the feed: nothing else may refuse it less.
            let strict = dalek.verify_strict(text, &Signature::from_bytes(signature));
            let canonical = dalek.to_edwards().compress().to_bytes() == *key;
            assert!(strict.is_err() || !canonical);
            return;
        };
        let signed = Signature::from_bytes(signature);
        let strict = dalek.verify_strict(text, &signed).is_ok();
        assert_eq!(ours.verify(text, signature), strict, "{signature:?}");
        let slow = ours.begin(text, signature);
        ours.prepare();
        assert_eq!(ours.verify(text, signature), strict, "{signature:?}");
        // In company with a good one, and with one that is not.
        let good = Keypair::from_seed(&[9; 32]);
        let mut friend = VerifyingKey::new(good.id()).unwrap();
        friend.prepare();
        let theirs = good.sign(text);
        let all = [
            slow,
            friend.begin(text, &theirs),
            ours.begin(text, signature),
            friend.begin(b"another text", &theirs),
        ];
        assert_eq!(Verdict::settle(&all), [strict, true, strict, false]);
        match (strict, dalek.verify(text, &signed).is_ok()) {
            (true, _) => self.valid += 1,
            (false, true) => self.only_loosely_valid += 1,
            (false, false) => self.invalid += 1,
        }
    }
}

fn hash(r: &CompressedEdwardsY, a: &CompressedEdwardsY, text: &[u8]) -> Scalar {
    let mut sha = Sha512::new();
    sha.update(r.as_bytes());
    sha.update(a.as_bytes());
    sha.update(text);
    Scalar::from_bytes_mod_order_wide(&sha.finalize().into())
}

fn joined(r: &CompressedEdwardsY, s: &Scalar) -> [u8; 64] {
    let mut out = [0; 64];
    out[..32].copy_from_slice(r.as_bytes());
    out[32..].copy_from_slice(s.as_bytes());
    out
}

/// Signs with a secret scalar under a public point that may hide a torsion part,
/// with a first half that may hide one too.
fn craft(
    a: Scalar,
    key: EdwardsPoint,
    r: Scalar,
    nonce: EdwardsPoint,
    text: &[u8],
) -> ([u8; 32], [u8; 64]) {
    let (key, nonce) = (key.compress(), nonce.compress());
    let s = r + hash(&nonce, &key, text) * a;
    (key.to_bytes(), joined(&nonce, &s))
}

#[test]
fn the_spellings_are_those_of_the_points_of_small_order() {
    let mut listed: Vec<_> = SMALL_ORDER.to_vec();
    let mut points: Vec<_> = EIGHT_TORSION
        .iter()
        .map(|p| p.compress().to_bytes())
        .collect();
    listed.sort_unstable();
    points.sort_unstable();
    assert_eq!(listed, points);
}

#[test]
fn crafted_signatures_get_the_strict_verdict() {
    let mut seen = Seen::default();
    for n in 0..40u64 {
        let (a, r) = (Scalar::from(n * 7 + 3), Scalar::from(n * 11 + 5));
        let text = n.to_le_bytes();
        for key_part in EIGHT_TORSION {
            let key = ED25519_BASEPOINT_POINT * a + key_part;
            for nonce_part in EIGHT_TORSION {
                for r in [r, Scalar::ZERO] {
                    let nonce = ED25519_BASEPOINT_POINT * r + nonce_part;
                    let (key, signature) = craft(a, key, r, nonce, &text);
                    seen.compare(&key, &text, &signature);
                    // The second half once around the group's order.
                    let mut over = signature;
                    add_order(&mut over);
                    seen.compare(&key, &text, &over);
                }
            }
        }
        // Keys and first halves that are nothing but torsion.
        for key in SMALL_ORDER {
            for first in SMALL_ORDER {
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&first);
                seen.compare(&key, &text, &signature);
            }
        }
    }
    assert!(seen.valid > 100, "{seen:?}");
    assert!(seen.only_loosely_valid > 20, "{seen:?}");
    assert!(seen.invalid > 1_000, "{seen:?}");
}

/// Adds the order of the group to the second half: another spelling of the same number.
fn add_order(signature: &mut [u8; 64]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
}

proptest! {
    #[test]
    fn damaged_signatures_get_the_strict_verdict(
        seed in any::<[u8; 32]>(),
        text in prop::collection::vec(any::<u8>(), 0..80),
        flips in prop::collection::vec((0..96usize, 0..8u8), 0..3),
        small in prop::option::of(0..8usize),
    ) {
        let keys = Keypair::from_seed(&seed);
        let mut signature = keys.sign(&text);
        let mut key = *keys.id().as_bytes();
        if let Some(small) = small {
            signature[..32].copy_from_slice(&SMALL_ORDER[small]);
        }
        for (at, bit) in &flips {
            match at.checked_sub(64) {
                Some(at) => key[at] ^= 1 << bit,
                None => signature[*at] ^= 1 << bit,
            }
        }
        let mut seen = Seen::default();
        seen.compare(&key, &text, &signature);
        let untouched = signature == keys.sign(&text) && key == *keys.id().as_bytes();
        prop_assert_eq!(seen.valid == 1, untouched);
    }
}
