//! A site to ask, and how to ask it.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{self, HeaderName};
use axum::http::{Request, Response};
use std::net::SocketAddr;
use studytime_node::api::BlobAdd;
use studytime_node::{Builder, Handle, Node};
use studytime_schema::BlobId;
use studytime_web::Options;
use tower::ServiceExt as _;

pub(crate) const HOST: &str = "127.0.0.1:8989";

pub(crate) struct Site {
    pub(crate) router: Router,
    pub(crate) node: Node,
    pub(crate) dir: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap()).await
    }

    /// On a directory that was prepared: the node's data lies in `data`.
    pub(crate) async fn open_in(dir: tempfile::TempDir) -> Self {
        let node = Builder::new(dir.path().join("data"))
            .listen(None)
            .schedule(false)
            .control(false)
            .default_lists(false)
            .open()
            .await
            .unwrap();
        let address: SocketAddr = HOST.parse().unwrap();
        let router = studytime_web::router(node.handle(), Options::new(address));
        Self { router, node, dir }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.node.handle()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Body> {
        self.send(get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_with(
        &self,
        path: &str,
        name: HeaderName,
        value: &str,
    ) -> Response<Body> {
        self.send(get(path).header(name, value).body(Body::empty()).unwrap())
            .await
    }

    /// The cookie and the form token, as a browser has them after one page.
    pub(crate) async fn session(&self) -> (String, String) {
        let response = self.get("/").await;
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = text(response).await;
        let (_, rest) = page
            .split_once("name=\"studytime-token\" content=\"")
            .unwrap();
        (cookie, rest.split('"').next().unwrap().to_owned())
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Response<Body> {
        let (cookie, token) = self.session().await;
        let body = format!("{form}&token={token}");
        self.send(
            post(path)
                .header(header::COOKIE, cookie)
                .body(body.into())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn add_blob(&self, name: &str, bytes: &[u8]) -> (BlobId, bool) {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let added = self.handle().call(BlobAdd { path }).await.unwrap();
        (added.id, added.manifest)
    }
}

pub(crate) fn get(path: &str) -> axum::http::request::Builder {
    Request::get(path).header(header::HOST, HOST)
}

pub(crate) fn post(path: &str) -> axum::http::request::Builder {
    Request::post(path)
        .header(header::HOST, HOST)
        .header(header::ORIGIN, format!("http://{HOST}"))
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

pub(crate) async fn bytes(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), 64 << 20)
        .await
        .unwrap()
        .to_vec()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await).unwrap()
}

pub(crate) fn header_of<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response
        .headers()
        .get(name)
        .map_or("", |v| v.to_str().unwrap())
}
