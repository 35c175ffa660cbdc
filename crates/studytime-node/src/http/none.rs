//! In the place of the client in builds without HTTP.

use super::{HttpError, HttpOptions};
use serde_json::Value;

/// Answers every question with the reason why it cannot be asked.
pub(crate) struct Http;

impl Http {
    pub(crate) fn new(_: &HttpOptions) -> Result<Self, HttpError> {
        Err(HttpError::Absent)
    }

    pub(crate) async fn get_json(&self, _: &str) -> Result<Value, HttpError> {
        Err(HttpError::Absent)
    }

    pub(crate) async fn post_json(&self, _: &str, _: &Value) -> Result<Value, HttpError> {
        Err(HttpError::Absent)
    }
}
