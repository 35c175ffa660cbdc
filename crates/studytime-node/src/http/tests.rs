//! The client against real servers, over TLS as well.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use super::*;
use crate::api::{ErrorKind, PeerInvite};
use crate::{Builder, Node};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use studytime_schema::NetworkKey;
use tokio::net::TcpListener;

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    at
}

fn plain() -> Http {
    let options = HttpOptions {
        plain_loopback: true,
        ..HttpOptions::default()
    };
    Http::new(&options).unwrap()
}

/// The router behind TLS with a certificate made now; answers it with the address.
async fn serve_tls(router: Router) -> (SocketAddr, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let der = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let behind = serve(router).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut tls) = acceptor.accept(stream).await {
                    let mut inner = tokio::net::TcpStream::connect(behind).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut tls, &mut inner).await;
                }
            });
        }
    });
    (at, der.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_within_the_rules() {
    let router = Router::new()
        .route("/end", get(async || axum::Json(json!({"at": "end"}))))
        .route("/once", get(async || Redirect::to("/end")))
        .route("/round", get(async || Redirect::to("/round")))
        .route("/nowhere", get(async || StatusCode::FOUND))
        .route("/file", get(async || Redirect::to("file:///etc/passwd")))
        .route("/away", get(async || Redirect::to("http://192.0.2.1/")))
        .route("/post", post(async || Redirect::permanent("/again")))
        .route("/again", post(async |body: String| body))
        .route("/lost", post(async || Redirect::to("/end")));
    let at = serve(router).await;
    let http = plain();
    let ask = async |path: &str| http.get_json(&format!("http://{at}{path}")).await;
    assert_eq!(ask("/once").await.unwrap()["at"], "end");
    assert!(matches!(ask("/round").await, Err(HttpError::Redirects(_))));
    assert!(matches!(
        ask("/nowhere").await,
        Err(HttpError::BadRedirect(_))
    ));
    assert!(matches!(ask("/file").await, Err(HttpError::NotUrl(_))));
    assert!(matches!(ask("/away").await, Err(HttpError::NotHttps(_))));
    let body = json!({"id": "me"});
    let send = async |path: &str| http.post_json(&format!("http://{at}{path}"), &body).await;
    assert_eq!(send("/post").await.unwrap(), body);
    // A redirect that would turn the post into a question is not followed.
    assert!(matches!(
        send("/lost").await,
        Err(HttpError::Status { status: 303, .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_secure_addresses_are_asked_and_only_so_much_is_read() {
    let router = Router::new()
        .route("/long", get(async || "1".repeat(MAX_BODY + 1)))
        .route("/page", get(async || "<html>"))
        .route(
            "/no",
            get(async || {
                (
                    StatusCode::NOT_FOUND,
                    axum::Json(json!({"status": "failed", "error": "no such invite"})),
                )
            }),
        )
        .route("/bare", get(async || (StatusCode::BAD_GATEWAY, "x")))
        .route(
            "/hang",
            get(async || std::future::pending::<String>().await),
        );
    let at = serve(router).await;
    let http = plain();
    let ask = async |path: &str| http.get_json(&format!("http://{at}{path}")).await;
    assert!(matches!(ask("/long").await, Err(HttpError::TooLong(_))));
    assert!(matches!(ask("/page").await, Err(HttpError::NotJson(_))));
    let error = ask("/no").await.unwrap_err().to_string();
    assert!(
        error.contains("404") && error.contains("no such invite"),
        "{error}"
    );
    assert!(ask("/bare").await.unwrap_err().to_string().ends_with("502"));
    assert!(matches!(ask("/hang").await, Err(HttpError::Timeout { .. })));

    let strict = Http::new(&HttpOptions::default()).unwrap();
    let url = format!("http://{at}/page");
    assert!(matches!(
        strict.get_json(&url).await,
        Err(HttpError::NotHttps(_))
    ));
    for url in ["ftp://x/", "https://", "nonsense", "http://example.org/"] {
        assert!(http.get_json(url).await.is_err(), "{url}");
    }
    // Nobody there: the reason is kept, the code in the address is not shown.
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let error = http
        .get_json(&format!("http://{gone}/join?invite=secret"))
        .await
        .unwrap_err();
    let HttpError::Failed { source, .. } = &error else {
        panic!("{error}")
    };
    assert!(!format!("{error} {source}").contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_nobody_vouches_for_is_refused_and_a_trusted_one_is_not() {
    let router = Router::new().route("/", get(async || axum::Json(json!({"ok": true}))));
    let (at, root) = serve_tls(router).await;
    let url = format!("https://localhost:{}/", at.port());
    let strict = Http::new(&HttpOptions::default()).unwrap();
    assert!(matches!(
        strict.get_json(&url).await,
        Err(HttpError::Failed { .. })
    ));
    let options = HttpOptions {
        extra_roots: vec![root],
        ..HttpOptions::default()
    };
    let http = Http::new(&options).unwrap();
    assert_eq!(http.get_json(&url).await.unwrap()["ok"], true);
    // The certificate is for the name, not for the address.
    let by_ip = format!("https://127.0.0.1:{}/", at.port());
    assert!(http.get_json(&by_ip).await.is_err());
    assert!(
        rustls::crypto::CryptoProvider::get_default().is_none(),
        "nothing is set for the process"
    );
}

/// A room's server: its page and its claim, and what was claimed.
fn room_pages(post_to: String, room: String, claims: Arc<Mutex<Vec<Value>>>) -> Router {
    let join = async move |query: axum::extract::RawQuery| {
        let query = query.0.unwrap_or_default();
        if !query.contains("encoding=json") {
            return ([(header::CONTENT_TYPE, "text/html")], "<html>").into_response();
        }
        axum::Json(json!({"status": "successful", "invite": "c0de+", "postTo": post_to}))
            .into_response()
    };
    let claim = async move |body: axum::Json<Value>| {
        let first = {
            let mut claims = claims.lock().unwrap();
            claims.push(body.0.clone());
            claims.len() == 1
        };
        match first && body.0["invite"] == "c0de+" {
            true => axum::Json(json!({"status": "successful", "multiserverAddress": room}))
                .into_response(),
            false => (
                StatusCode::BAD_REQUEST,
                axum::Json(json!({"status": "failed", "error": "the invite was used"})),
            )
                .into_response(),
        }
    };
    Router::new()
        .route("/join", get(join))
        .route("/claim", post(claim))
}

async fn member(builder: Builder) -> Node {
    let network = NetworkKey::from_bytes([0x72; 32]);
    builder
        .network(network)
        .default_lists(false)
        .control(false)
        .open()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_over_tls_is_claimed_and_its_room_entered() {
    let tmp = tempfile::tempdir().unwrap();
    let room = crate::net::room::testing::room(NetworkKey::from_bytes([0x72; 32]), 97).await;
    let claims = Arc::new(Mutex::new(Vec::new()));
    // The page names the claim's address, which is known only when it listens.
    let claim = room_pages(String::new(), room.1.clone(), Arc::clone(&claims));
    let (claim_at, claim_root) = serve_tls(claim).await;
    let post_to = format!("https://localhost:{}/claim", claim_at.port());
    let (page_at, page_root) =
        serve_tls(room_pages(post_to.clone(), String::new(), Arc::default())).await;
    let roots = vec![claim_root, page_root];
    let ann = member(Builder::new(tmp.path().join("ann")).trust_certificates(roots.clone())).await;
    let link = format!("https://localhost:{}/join?invite=c0de%2B", page_at.port());
    let done = ann.handle().call(PeerInvite { code: link }).await.unwrap();
    assert_eq!((done.invite.as_str(), done.peer.id), ("room", Some(room.0)));
    assert_eq!(
        claims.lock().unwrap()[0],
        json!({"id": ann.id(), "invite": "c0de+"})
    );

    // The same as a URI; this room lets nobody in twice.
    let ben = member(Builder::new(tmp.path().join("ben")).trust_certificates(roots)).await;
    let uri = format!(
        "ssb:experimental?action=claim-http-invite&invite=c0de%2B&postTo={}",
        post_to.replace(':', "%3A").replace('/', "%2F")
    );
    let error = ben
        .handle()
        .call(PeerInvite { code: uri })
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("the invite was used"), "{error}");
    assert_eq!(claims.lock().unwrap().len(), 2);
    ann.shutdown().await;
    ben.shutdown().await;
}
