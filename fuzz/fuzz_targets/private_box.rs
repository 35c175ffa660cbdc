//! Private messages: rubbish, hostile senders, and what we seal ourselves.
#![no_main]
use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dryoc::classic::crypto_core::{crypto_scalarmult, crypto_scalarmult_base};
use dryoc::classic::crypto_secretbox::crypto_secretbox_easy;
use dryoc::classic::crypto_sign_ed25519::crypto_sign_ed25519_pk_to_curve25519;
use libfuzzer_sys::fuzz_target;
use studytime_fuzz::{feeds::keys, within};
use studytime_schema::private::{MAX_RECIPIENTS, Randomness, SealError, open, seal};
use studytime_schema::{FeedId, Message};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// Any text.
    Rubbish(&'a str),
    /// Any bytes in the right clothes.
    Shaped(&'a [u8]),
    /// A sender who knows our key and lies.
    Hostile {
        before: Vec<Slot>,
        count: u8,
        body: &'a [u8],
        random: [u8; 3],
    },
    /// Our own.
    Own {
        recipients: Vec<Recipient>,
        text: &'a [u8],
        padding: u32,
        random: [u8; 3],
        damage: Vec<(u16, u8)>,
    },
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Slot {
    Noise(u8),
    Ours,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Recipient {
    Known(u8),
    Any([u8; 32]),
}

impl Recipient {
    fn id(self) -> FeedId {
        match self {
            Self::Known(n) => keys(n % 4).id(),
            Self::Any(bytes) => FeedId::from_bytes(bytes),
        }
    }
}

fuzz_target!(|input: Input<'_>| within(32 << 20, || run(input)));

fn run(input: Input<'_>) {
    let ours = keys(0);
    match input {
        Input::Rubbish(text) => {
            let _ = open(text, &ours);
            let _ = open(&format!("{text}.box"), &ours);
        }
        Input::Shaped(bytes) => {
            assert!(open(&format!("{}.box", STANDARD.encode(bytes)), &ours).is_none());
        }
        Input::Hostile {
            before,
            count,
            body,
            random,
        } => hostile(&before, count, body, random),
        Input::Own {
            recipients,
            text,
            padding,
            random,
            damage,
        } => {
            let mut plain = text.to_vec();
            plain.resize(text.len() + (padding % 80_000) as usize, b'x');
            own(&recipients, &plain, random, &damage);
        }
    }
}

fn randomness([nonce, key, onetime]: [u8; 3]) -> Randomness {
    Randomness {
        nonce: [nonce; 24],
        key: [key; 32],
        onetime: [onetime; 32],
    }
}

fn hostile(before: &[Slot], count: u8, body: &[u8], random: [u8; 3]) {
    let ours = keys(0);
    let random = randomness(random);
    let (mut public, mut curve, mut shared) = ([0; 32], [0; 32], [0; 32]);
    crypto_scalarmult_base(&mut public, &random.onetime);
    crypto_sign_ed25519_pk_to_curve25519(&mut curve, ours.id().as_bytes()).expect("a good key");
    if crypto_scalarmult(&mut shared, &random.onetime, &curve).is_err() {
        return;
    }
    let mut bytes = [&random.nonce[..], &public].concat();
    for slot in before.iter().take(20) {
        match slot {
            Slot::Noise(n) => bytes.extend([*n; 49]),
            Slot::Ours => {
                let mut sealed = [0; 49];
                let plain = [&[count][..], &random.key].concat();
                crypto_secretbox_easy(&mut sealed, &plain, &random.nonce, &shared).expect("fits");
                bytes.extend(sealed);
            }
        }
    }
    let mut sealed = vec![0; body.len() + 16];
    crypto_secretbox_easy(&mut sealed, body, &random.nonce, &random.key).expect("fits");
    bytes.extend(sealed);
    let opened = open(&format!("{}.box", STANDARD.encode(bytes)), &ours);
    let slots = before.len().min(20);
    let named = before
        .iter()
        .take(20)
        .any(|slot| matches!(slot, Slot::Ours));
    let expected = named && usize::from(count) == slots;
    assert_eq!(opened.as_deref(), expected.then_some(body));
}

fn own(recipients: &[Recipient], plain: &[u8], random: [u8; 3], damage: &[(u16, u8)]) {
    let ids: Vec<FeedId> = recipients.iter().map(|r| r.id()).collect();
    let sealed = match seal(plain, &ids, &randomness(random)) {
        Ok(sealed) => sealed,
        Err(SealError::NoRecipient) => return assert!(ids.is_empty()),
        Err(SealError::TooManyRecipients(n)) => return assert!(n > MAX_RECIPIENTS),
        Err(SealError::BadRecipient(id)) => return assert!(!(0..4).any(|n| keys(n).id() == id)),
        Err(_) => return assert!(plain.len() > 8192),
    };
    assert!((1..=MAX_RECIPIENTS).contains(&ids.len()));
    for n in 0..5 {
        let keys = keys(n);
        let opened = open(&sealed, &keys);
        assert_eq!(
            opened.as_deref(),
            ids.contains(&keys.id()).then_some(plain),
            "reader {n}"
        );
    }
    if let Ok(message) = Message::sign_private(&keys(1), None, 1, &sealed, None) {
        assert_eq!(message.private_content(), Some(sealed.as_str()));
    }
    // Damaged, it opens to the same or not at all.
    let base = sealed.strip_suffix(".box").expect("its suffix");
    let mut bytes = STANDARD.decode(base).expect("its base64");
    for (at, xor) in damage {
        let at = usize::from(*at) % bytes.len();
        bytes[at] ^= xor;
    }
    let damaged = format!("{}.box", STANDARD.encode(bytes));
    for n in 0..5 {
        assert!(open(&damaged, &keys(n)).is_none_or(|opened| opened == plain));
    }
}
