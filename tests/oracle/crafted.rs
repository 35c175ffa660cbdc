//! Signatures that only somebody who wants to split the network would make: on
//! these, verifying in batches, or without the strict checks, gives answers of
//! its own.

use crate::ask::Oracle;
use crate::case::{Case, assert_agreement, judge_all};
use crate::generate::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::{Scalar, clamp_integer};
use sha2::{Digest as _, Sha512};

const ROUNDS: usize = 40;

/// The order of the group: what is added to `S` without changing the equation.
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

struct Signer {
    secret: Scalar,
    public: [u8; 32],
}

/// The text that is signed, when the author has these bytes as key.
fn text(public: &[u8; 32], n: usize) -> (String, Vec<u8>) {
    let fields = format!(
        "\"previous\":null,\"sequence\":1,\"author\":\"@{}.ed25519\",\"timestamp\":{n},\
         \"hash\":\"sha256\",\"content\":{{\"type\":\"test\"}}",
        STANDARD.encode(public)
    );
    let signed = studytime_schema::json::signed_form(&format!("{{{fields}}}")).expect("JSON");
    (fields, signed.into_bytes())
}

fn challenge(r: &[u8; 32], public: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(public)
        .chain_update(message)
        .finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// An ordinary signature, but for a point of small order added to `R`.
fn sign(signer: &Signer, message: &[u8], nonce: Scalar, torsion: EdwardsPoint) -> [u8; 64] {
    let r = (EdwardsPoint::mul_base(&nonce) + torsion)
        .compress()
        .to_bytes();
    let s = nonce + challenge(&r, &signer.public, message) * signer.secret;
    join(r, s.to_bytes())
}

fn join(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    std::array::from_fn(|i| if i < 32 { r[i] } else { s[i - 32] })
}

fn plus_order(s: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    std::array::from_fn(|i| {
        let sum = u16::from(s[i]) + u16::from(L[i]) + carry;
        carry = sum >> 8;
        sum as u8
    })
}

fn case(fields: &str, signature: [u8; 64]) -> Case {
    Case {
        text: format!(
            "{{{fields},\"signature\":\"{}.sig.ed25519\"}}",
            STANDARD.encode(signature)
        ),
        seed: None,
        sign_hmac: None,
        hmac: None,
        state: None,
    }
}

/// Encodings of points of small order: the eight, their spellings beyond the
/// field's size, and the same with the sign bit set.
fn small_order() -> Vec<[u8; 32]> {
    let mut all: Vec<[u8; 32]> = EIGHT_TORSION
        .iter()
        .map(|p| p.compress().to_bytes())
        .collect();
    for low in 0xec..=0xff {
        let mut over = [0xff; 32];
        over[0] = low;
        over[31] = 0x7f;
        all.push(over);
    }
    let signed: Vec<[u8; 32]> = all
        .iter()
        .map(|bytes| {
            let mut bytes = *bytes;
            bytes[31] ^= 0x80;
            bytes
        })
        .collect();
    all.extend(signed);
    all
}

#[test]
fn crafted_signatures_are_judged_alike() {
    let mut rng = Rng::new(1);
    let mut cases = Vec::new();
    for n in 0..ROUNDS {
        let secret = Scalar::from_bytes_mod_order(clamp_integer(rng.bytes()));
        let nonce = Scalar::from_bytes_mod_order_wide(&rng.bytes());
        let own = EdwardsPoint::mul_base(&secret);
        for torsion in EIGHT_TORSION {
            // A point of small order in `R`: cofactored equations let it pass.
            let signer = Signer {
                secret,
                public: own.compress().to_bytes(),
            };
            let (fields, message) = text(&signer.public, n);
            let signature = sign(&signer, &message, nonce, torsion);
            cases.push(case(&fields, signature));
            // The same with a second spelling of `S`.
            let (r, s) = signature.split_at(32);
            let (r, s) = (r.try_into().unwrap(), s.try_into().unwrap());
            cases.push(case(&fields, join(r, plus_order(s))));
            // A key with a part of small order: valid for some messages.
            let signer = Signer {
                secret,
                public: (own + torsion).compress().to_bytes(),
            };
            let (fields, message) = text(&signer.public, n);
            cases.push(case(
                &fields,
                sign(&signer, &message, nonce, EIGHT_TORSION[0]),
            ));
            cases.push(case(&fields, sign(&signer, &message, nonce, torsion)));
        }
    }
    let points = small_order();
    for (n, public) in points.iter().enumerate() {
        for r in &points {
            let (fields, _) = text(public, n);
            cases.push(case(&fields, join(*r, [0; 32])));
            cases.push(case(&fields, join(*r, L)));
        }
        // A sound `R` under a key that anyone can sign for.
        let nonce = Scalar::from_bytes_mod_order_wide(&rng.bytes());
        let (fields, message) = text(public, n);
        let signer = Signer {
            secret: Scalar::ZERO,
            public: *public,
        };
        cases.push(case(
            &fields,
            sign(&signer, &message, nonce, EIGHT_TORSION[0]),
        ));
    }

    let mut oracle = Oracle::start();
    let judged = judge_all(&mut oracle, &cases);
    assert_agreement(&mut oracle, "crafted signatures", &cases, &judged);
    let valid = judged.iter().filter(|j| j.theirs.is_ok()).count();
    assert!(
        valid > 2 * ROUNDS,
        "ordinary ones, and some under mixed keys: {valid}"
    );
    assert!(valid < cases.len() / 4, "{valid}");
}
