use super::reply::BlobCount;
use serde::{Deserialize, Serialize};
use studytime_schema::BlobId;

/// Another place where blobs lie by their hash: below its address, as in the
/// folder `blobs` of a data directory.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MirrorSpec {
    /// What to call it; unique.
    pub name: String,
    /// `https://HOST/FOLDER`, `s3+https://HOST/BUCKET/FOLDER` (an S3-compatible
    /// store), or an absolute path (a folder, for example on a stick).
    /// `http://` and `s3+http://` are possible, too.
    pub url: String,
    /// The region that an S3 store wants in signatures; `us-east-1` when empty.
    pub region: String,
    /// The key of an account that an S3 store knows; without one it is asked openly.
    pub access_key: Option<String>,
    /// Its secret. Kept in `state.db`, which only its owner can read; never told again.
    pub secret_key: Option<String>,
    /// Whether it may lie in a private network, or on this machine.
    pub private: bool,
}

impl std::fmt::Debug for MirrorSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MirrorSpec")
            .field("name", &self.name)
            .field("url", &shown(&self.url))
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

/// An address without the name and password that may stand in it.
pub(crate) fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// A mirror that is known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorInfo {
    /// Its name.
    pub name: String,
    /// Its address, without passwords.
    pub url: String,
    /// `http`, `s3` or `folder`.
    pub kind: String,
    /// Whether it may lie in a private network.
    pub private: bool,
    /// Files it gave since the start.
    pub gave: BlobCount,
    /// What last went wrong, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Whether it is not asked for a moment, because it failed.
    #[serde(default)]
    pub resting: bool,
}

/// What was wrong with one blob at a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorProblem {
    /// The blob.
    pub blob: BlobId,
    /// What, for a person.
    pub problem: String,
}

/// What was brought to a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MirrorPushed {
    /// Were there already.
    pub there: BlobCount,
    /// Were sent.
    pub sent: BlobCount,
    /// Files of the courses that are not here, so that they could not be sent.
    pub absent: u64,
    /// Those that could not be sent, a thousand at most.
    pub problems: Vec<MirrorProblem>,
}

/// What a mirror has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MirrorChecked {
    /// Are there: by what the mirror says, or by their hashes when they were read.
    pub there: BlobCount,
    /// How many it does not have.
    pub missing: u64,
    /// Whether every one was read.
    pub read: bool,
    /// Those that are missing or wrong, a thousand at most.
    pub problems: Vec<MirrorProblem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown("https://me:secret@host/a@b"), "https://host/a@b");
        assert_eq!(shown("s3+https://host/bucket"), "s3+https://host/bucket");
        assert_eq!(shown("/media/stick"), "/media/stick");
        let spec = MirrorSpec {
            url: "https://me:hidden@host".into(),
            secret_key: Some("hidden".into()),
            ..MirrorSpec::default()
        };
        assert!(!format!("{spec:?}").contains("hidden"));
    }
}
