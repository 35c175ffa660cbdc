//! Invites: redeemed at others in all their forms, and handed out.

mod give;
mod redeem;
#[cfg(test)]
mod tests;

pub(crate) use give::{complete, redeemed};
