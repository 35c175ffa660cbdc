//! A mirror in an S3-compatible store.
//!
//! Addresses are signed as a whole (presigned), so that what asks web servers
//! asks these as well; `rusty-s3` signs, without any I/O.

use super::web::Web;
use crate::api::MirrorSpec;
use crate::http::HttpOptions;
use reqwest::Url;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use std::io::Read;
use std::time::Duration;
use studytime_blobs::mirror::{Mirror, MirrorError, path_of};
use studytime_schema::BlobId;

/// How long a signed address is good for.
const GOOD_FOR: Duration = Duration::from_secs(900);

/// Blobs below a prefix of a bucket.
pub(super) struct S3 {
    web: Web,
    bucket: Bucket,
    prefix: String,
    credentials: Option<Credentials>,
    name: String,
}

fn refused(reason: impl Into<String>) -> MirrorError {
    MirrorError::Refused {
        reason: reason.into(),
    }
}

impl S3 {
    /// `url` is `https://HOST/BUCKET/FOLDER`.
    pub(super) fn new(
        spec: &MirrorSpec,
        url: &str,
        options: &HttpOptions,
    ) -> Result<Self, MirrorError> {
        let web = Web::new(spec.private, options)?;
        let mut endpoint = web.url(url)?;
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(refused(
                "the keys of an S3 store do not stand in its address",
            ));
        }
        let path = endpoint.path().trim_matches('/').to_owned();
        let (bucket, folder) = path.split_once('/').unwrap_or((&path, ""));
        if bucket.is_empty() {
            return Err(refused(
                "the address of an S3 store names a bucket: s3+https://HOST/BUCKET/FOLDER",
            ));
        }
        endpoint.set_path("/");
        endpoint.set_query(None);
        endpoint.set_fragment(None);
        let region = match spec.region.as_str() {
            "" => "us-east-1".to_owned(),
            region => region.to_owned(),
        };
        let name = format!("{} at {}", bucket, super::web::host(&endpoint));
        let bucket = Bucket::new(endpoint, UrlStyle::Path, bucket.to_owned(), region);
        let bucket = bucket.map_err(|e| refused(e.to_string()))?;
        let prefix = match folder.trim_matches('/') {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let credentials = spec
            .access_key
            .as_ref()
            .zip(spec.secret_key.as_ref())
            .map(|(key, secret)| Credentials::new(key, secret));
        Ok(Self {
            web,
            bucket,
            prefix,
            credentials,
            name,
        })
    }

    fn key(&self, id: &BlobId) -> String {
        format!("{}{}", self.prefix, path_of(id))
    }

    fn sign<'a>(action: &impl S3Action<'a>) -> Url {
        action.sign(GOOD_FOR)
    }
}

impl Mirror for S3 {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&self, id: &BlobId, max: u64) -> Result<Box<dyn Read + Send>, MirrorError> {
        let key = self.key(id);
        let url = Self::sign(&self.bucket.get_object(self.credentials.as_ref(), &key));
        self.web.get(id, url, None, max)
    }

    fn claims(&self, id: &BlobId) -> Result<Option<u64>, MirrorError> {
        let key = self.key(id);
        let url = Self::sign(&self.bucket.head_object(self.credentials.as_ref(), &key));
        self.web.head(id, url)
    }

    fn put(&self, id: &BlobId, bytes: &[u8]) -> Result<(), MirrorError> {
        let key = self.key(id);
        let url = Self::sign(&self.bucket.put_object(self.credentials.as_ref(), &key));
        self.web.put(id, url, bytes)
    }
}
