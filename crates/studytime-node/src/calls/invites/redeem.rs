//! Invites of others, redeemed: at pubs, at rooms, and aliases.

use crate::api::{ApiError, ErrorKind, PeerInfo, Redeemed};
use crate::clock::now_ms;
use crate::http::{Http, HttpError};
use crate::invite::alias::Alias;
use crate::invite::answer::{self, AnswerError, Page};
use crate::invite::{Claim, Invitation, InvitationError};
use crate::net::{Address, Multiserver, Target, once};
use crate::node::Node;
use serde_json::{Value, json};
use std::time::Duration;
use studytime_schema::FeedId;
use studytime_schema::content::{Content, Pub, PubAddress};

/// How long the connection after an invite may take.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a room may take to say that it is one.
const ROOM: Duration = Duration::from_secs(15);

impl Node {
    pub(crate) async fn peer_invite(&self, code: &str) -> Result<Redeemed, ApiError> {
        let invitation = Invitation::parse(code).map_err(|e| unreadable(&e))?;
        match invitation {
            Invitation::Pub(addresses) => self.redeem_pub(&addresses).await,
            Invitation::OpenRoom(addresses) => {
                let text: Vec<String> = addresses.iter().map(Address::to_string).collect();
                let room = self.join_room(&text.join(";")).await?;
                self.entered(room, "this node enters the open room").await
            }
            Invitation::Claim(claim) => self.claim(&self.http_client()?, &claim).await,
            Invitation::Alias(alias) => self.meet(&alias).await,
            Invitation::Link(link) => {
                let http = self.http_client()?;
                let found = http.get_json(&link).await.map_err(|e| unanswered(&e))?;
                match answer::page(&found).map_err(|e| bad_answer(&e))? {
                    Page::Invite(claim) => self.claim(&http, &claim).await,
                    Page::Alias(alias) => self.meet(&alias).await,
                }
            }
        }
    }

    fn http_client(&self) -> Result<Http, ApiError> {
        Http::new(&self.inner().builder.http).map_err(|e| unanswered(&e))
    }

    /// Asks a pub to follow us, follows it, and stays connected.
    async fn redeem_pub(&self, addresses: &[Address]) -> Result<Redeemed, ApiError> {
        let address = addresses
            .first()
            .ok_or_else(|| ApiError::refused("the invite has no address"))?;
        // Before the invite is used up: we have to follow the pub as well.
        self.check_unlocked(&self.id())?;
        if self.inner().policy.is_blocked(&address.key) {
            return Err(ApiError::refused(format!(
                "you have blocked {}",
                address.key
            )));
        }
        let used = self.use_invite(addresses).await?;
        let new = self.follow_pub(used).await?;
        let all: Vec<String> = addresses.iter().map(|a| a.plain().to_string()).collect();
        let done = match new {
            true => "the pub follows you, and you follow it",
            false => "you and this pub followed each other already",
        };
        let connected = self.connect_any(&all.join(";"), CONNECT).await;
        let peer = match connected {
            Ok(id) => self.peer_info(id).await?,
            // The invite is used all the same, and the pub is remembered.
            Err(error) => {
                let plain = used.plain();
                let shown = plain.to_string();
                self.blocking(move |n| {
                    let known = n.inner().state.know_peer(&shown, &plain.key, true);
                    known.map_err(|e| crate::calls::state_error(&e))
                })
                .await?;
                self.inner().hub.choose(used.key);
                not_connected(used, error.message)
            }
        };
        Ok(Redeemed {
            peer,
            invite: "pub".into(),
            done: done.into(),
        })
    }

    /// Uses an invite at the first address that answers.
    async fn use_invite<'a>(&self, addresses: &'a [Address]) -> Result<&'a Address, ApiError> {
        let args = json!([{ "feed": self.id() }]);
        let mut first = None;
        for address in addresses {
            let Some(keys) = address.invite_keys() else {
                continue;
            };
            match once::call(self, address, &keys, &["invite", "use"], &args).await {
                Ok(_) => return Ok(address),
                // Redeemed before: all the better.
                Err(once::OnceError::Remote(text)) if text.contains("already follow") => {
                    return Ok(address);
                }
                // It answered: another address of the same pub would say the same.
                Err(once::OnceError::Remote(text)) => return Err(refused(&text)),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(match first {
            Some(error) => ApiError::failed("the invite could not be redeemed", &error)
                .hint("if the pub is running, the invite may be used up or have expired: some pubs just hang up then; ask for a new one"),
            None => ApiError::refused("this is an address, not an invite"),
        })
    }

    /// Follows a pub and tells others where it is; `false` when it is followed
    /// already.
    async fn follow_pub(&self, address: &Address) -> Result<bool, ApiError> {
        let follows = {
            let shared = self.inner().policy.lock_graph();
            shared.graph.follows(&self.id()).any(|f| f == address.key)
        };
        if follows {
            return Ok(false);
        }
        let mut contents = vec![
            json!({ "type": "contact", "contact": address.key, "following": true, "autofollow": true }),
        ];
        // An address with a zone means nothing on another machine.
        if !address.host.contains('%') {
            let place = Content::Pub(Pub {
                address: PubAddress::Parts {
                    host: address.host.clone(),
                    port: address.port,
                    key: address.key,
                },
            });
            contents.push(place.to_value());
        }
        self.publish_values(self.id(), contents).await?;
        Ok(true)
    }

    /// Hands in the invite of a room, and enters it.
    async fn claim(&self, http: &Http, claim: &Claim) -> Result<Redeemed, ApiError> {
        let body = json!({ "id": self.id(), "invite": claim.invite });
        let found: Value = http
            .post_json(&claim.post_to, &body)
            .await
            .map_err(|e| unanswered(&e))?;
        let address = answer::claimed(&found).map_err(|e| bad_answer(&e))?;
        let room = self.join_room(address).await.map_err(|mut e| {
            e.message = format!("the room took the invite, but {}", e.message);
            e
        })?;
        self.entered(room, "this node is a member of the room now")
            .await
    }

    /// Connects to a room, which is remembered.
    async fn join_room(&self, address: &str) -> Result<FeedId, ApiError> {
        let room = self.connect_any(address, CONNECT).await?;
        self.enter_room(room, ROOM).await?;
        Ok(room)
    }

    async fn entered(&self, room: FeedId, done: &str) -> Result<Redeemed, ApiError> {
        Ok(Redeemed {
            peer: self.peer_info(room).await?,
            invite: "room".into(),
            done: done.into(),
        })
    }

    /// Meets somebody in a room by their alias.
    async fn meet(&self, alias: &Alias) -> Result<Redeemed, ApiError> {
        if alias.user == self.id() {
            return Err(ApiError::refused("this is an alias of your own"));
        }
        if alias
            .address
            .targets()
            .all(|t| matches!(t, Target::Tunnel(_)))
        {
            let why = Multiserver::why_not(&alias.address);
            return Err(ApiError::refused(format!(
                "the room cannot be reached: {why}"
            )));
        }
        self.join_room(&alias.address.to_string()).await?;
        let id = self.connect_tunnel(&alias.tunnel(), CONNECT).await?;
        Ok(Redeemed {
            peer: self.peer_info(id).await?,
            invite: "alias".into(),
            done: format!("connected to {} through the room", alias.alias),
        })
    }
}

fn not_connected(address: &Address, reason: String) -> PeerInfo {
    PeerInfo {
        id: Some(address.key),
        address: address.plain().to_string(),
        kind: "typed".into(),
        state: "failed".into(),
        reason: Some(reason),
        outgoing: true,
        since: now_ms(),
        ..PeerInfo::default()
    }
}

fn unreadable(error: &InvitationError) -> ApiError {
    let hint = match error {
        InvitationError::NoSeed => "use `studytime peer connect ADDRESS`",
        _ => "copy the whole code or link, from its first to its last character",
    };
    ApiError::refused(error.to_string()).hint(hint)
}

/// What a pub said, in words and with what to do.
fn refused(text: &str) -> ApiError {
    let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    if text.contains("not in list of allowed methods") {
        return ApiError::refused("the other side knows no such invite, or hands out none")
            .hint("ask for a new one");
    }
    let error = ApiError::refused(format!("the pub refused the invite: {text}"));
    match text.contains("expired") {
        true => error.hint("it was used up or is too old: ask for a new one"),
        false => error,
    }
}

fn unanswered(error: &HttpError) -> ApiError {
    let kind = match error {
        HttpError::NotUrl(_)
        | HttpError::NotHttps(_)
        | HttpError::Absent
        | HttpError::NotJson(_)
        | HttpError::Status { .. } => ErrorKind::Refused,
        _ => ErrorKind::Failed,
    };
    let mut said = ApiError::failed("the link could not be followed", error);
    said.kind = kind;
    said
}

fn bad_answer(error: &AnswerError) -> ApiError {
    ApiError::refused(error.to_string())
}
