//! A StudyTime node: what another client embeds.

pub mod api;
