//! What the test files share.
#![allow(dead_code, unreachable_pub)]

use studytime_muxrpc::{Event, Mux};

/// A packet, written by hand rather than by the code under test.
pub fn frame(flags: u8, request: i32, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut out = vec![flags];
    out.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    out.extend_from_slice(&request.to_be_bytes());
    out.extend_from_slice(body);
    out
}

pub const GOODBYE: [u8; 9] = [0; 9];

/// Everything there is to send.
pub fn transmit(mux: &mut Mux) -> Vec<u8> {
    let mut out = Vec::new();
    while mux.poll_transmit(&mut out, 64 << 10) > 0 {}
    out
}

/// Everything there is to send, cut into packets: flags, request number, body.
pub fn packets(mux: &mut Mux) -> Vec<(u8, i32, Vec<u8>)> {
    cut(&transmit(mux))
}

pub fn cut(mut bytes: &[u8]) -> Vec<(u8, i32, Vec<u8>)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(9);
        let len = u32::from_be_bytes(head[1..5].try_into().unwrap()) as usize;
        let request = i32::from_be_bytes(head[5..9].try_into().unwrap());
        out.push((head[0], request, rest[..len].to_vec()));
        bytes = &rest[len..];
    }
    out
}

pub fn events(mux: &mut Mux) -> Vec<Event> {
    std::iter::from_fn(|| mux.poll_event()).collect()
}

/// Numbers that look random and are the same every time.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            None
        } else {
            Some(from[self.below(from.len())])
        }
    }
}
