//! The node's end of the control connection.

use super::wire::Wire;
use super::{Hello, Item, TokenFile, socket_path, token_path, uses_socket};
use crate::api::{API_VERSION, ApiError, ErrorKind, Event as NodeEvent, Progress, Request};
use crate::node::Node;
use crate::store::private_file;
use base64::Engine as _;
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::Path;
use studytime_muxrpc::{Body, Call, CallKind, Event, StreamId};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// What other processes knock at.
enum Door {
    #[cfg(unix)]
    Socket(tokio::net::UnixListener),
    Loopback(tokio::net::TcpListener),
}

impl Door {
    async fn accept(&self) -> io::Result<Wire> {
        Ok(match self {
            #[cfg(unix)]
            Self::Socket(listener) => Wire::new(listener.accept().await?.0),
            Self::Loopback(listener) => Wire::new(listener.accept().await?.0),
        })
    }
}

/// Opens the way in.
pub(crate) async fn serve(node: &Node) -> io::Result<()> {
    let (door, token) = open_door(node.inner().dir.path()).await?;
    let task_node = node.clone();
    node.inner().tasks.spawn(async move {
        let stop = task_node.stopped();
        loop {
            let accepted = tokio::select! {
                accepted = door.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok(wire) => start(&task_node, wire, token.clone()),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
            }
        }
    });
    Ok(())
}

/// The socket; or loopback with a token, where there can be no socket.
async fn open_door(dir: &Path) -> io::Result<(Door, Option<String>)> {
    #[cfg(unix)]
    if uses_socket(dir) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = socket_path(dir);
        // Left over from a killed run: the directory's lock says that nobody uses it.
        let _ = std::fs::remove_file(&path);
        let listener = tokio::net::UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        return Ok((Door::Socket(listener), None));
    }
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut secret = [0u8; 32];
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    let token = base64::engine::general_purpose::STANDARD.encode(secret);
    let file = TokenFile {
        port: listener.local_addr()?.port(),
        token: token.clone(),
    };
    let path = token_path(dir);
    // A new file: one that is there may be open to others.
    let _ = std::fs::remove_file(&path);
    private_file(&path, 0o600, true)?.write_all(serde_json::to_string(&file)?.as_bytes())?;
    Ok((Door::Loopback(listener), Some(token)))
}

fn start(node: &Node, wire: Wire, token: Option<String>) {
    let task_node = node.clone();
    node.inner().tasks.spawn(async move {
        let stop = task_node.stopped();
        let mut connection = Connection {
            node: task_node,
            wire,
            greeted: false,
            token,
            running: HashMap::new(),
        };
        tokio::select! {
            () = connection.run() => {}
            () = stop.cancelled() => {
                // What was answered is still delivered.
                let _ = connection.wire.flush().await;
            }
        }
    });
}

/// Something to send on a stream.
enum Out {
    Item(StreamId, Box<Item>),
    Event(StreamId, NodeEvent),
    End(StreamId),
}

struct Connection {
    node: Node,
    wire: Wire,
    greeted: bool,
    token: Option<String>,
    running: HashMap<StreamId, AbortHandle>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The other process is gone: what it asked for is cancelled.
        for task in self.running.values() {
            task.abort();
        }
    }
}

impl Connection {
    async fn run(&mut self) {
        let (tx, mut rx) = mpsc::channel(64);
        loop {
            tokio::select! {
                event = self.wire.next() => match event {
                    Ok(Some(event)) => self.event(event, &tx),
                    Ok(None) | Err(_) => return,
                },
                Some(out) = rx.recv() => self.out(out),
            }
        }
    }

    fn event(&mut self, event: Event, tx: &mpsc::Sender<Out>) {
        match event {
            Event::Call { id, call } => self.call(id, &call, tx),
            Event::Ended { id, .. } => {
                if let Some(task) = self.running.remove(&id) {
                    task.abort();
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, id: StreamId, call: &Call, tx: &mpsc::Sender<Out>) {
        match (call.method(), call.kind()) {
            ("studytime.hello", CallKind::Async) => self.hello(id, call),
            ("studytime.request", CallKind::Source) if self.greeted => {
                match call.first_arg::<Request>() {
                    Ok(Some(request)) => self.request(id, request, tx),
                    _ => self.wire.mux.fail(
                        id,
                        "this request is not known here; are both the same version?",
                    ),
                }
            }
            ("studytime.events", CallKind::Source) if self.greeted => {
                let (mut events, tx) = (self.node.events(), tx.clone());
                let task = tokio::spawn(async move {
                    while let Some(event) = events.next().await {
                        if tx.send(Out::Event(id, event)).await.is_err() {
                            return;
                        }
                    }
                    let _ = tx.send(Out::End(id)).await;
                });
                self.running.insert(id, task.abort_handle());
            }
            _ => self.wire.mux.refuse(id),
        }
    }

    fn hello(&mut self, id: StreamId, call: &Call) {
        let hello = call.first_arg::<Hello>().ok().flatten();
        let Some(hello) = hello.filter(|h| self.token.is_none() || h.token == self.token) else {
            return self.wire.mux.fail(id, "the token is wrong");
        };
        if hello.api != API_VERSION {
            let text = format!(
                "the running node speaks version {API_VERSION} of the control interface, this command {}: restart the node with the same program",
                hello.api
            );
            return self.wire.mux.fail(id, &text);
        }
        self.greeted = true;
        let answer =
            serde_json::json!({ "api": API_VERSION, "version": env!("CARGO_PKG_VERSION") });
        let _ = self.wire.mux.reply(id, Body::raw_json(answer.to_string()));
    }

    fn request(&mut self, id: StreamId, request: Request, tx: &mpsc::Sender<Out>) {
        let (node, tx) = (self.node.clone(), tx.clone());
        let task = tokio::spawn(async move {
            let progress = tx.clone();
            let on_progress = move |p: Progress| {
                // A slow reader misses some; progress is ephemeral.
                let _ = progress.try_send(Out::Item(id, Box::new(Item::Progress(p))));
            };
            let item = match node.dispatch(request, on_progress).await {
                Ok(reply) => Item::Reply(Box::new(reply)),
                Err(error) => Item::Error(error),
            };
            let _ = tx.send(Out::Item(id, Box::new(item))).await;
            let _ = tx.send(Out::End(id)).await;
        });
        self.running.insert(id, task.abort_handle());
    }

    fn out(&mut self, out: Out) {
        let (id, body) = match out {
            Out::Item(id, item) => (id, Body::json(&*item)),
            Out::Event(id, event) => (id, Body::json(&event)),
            Out::End(id) => {
                self.running.remove(&id);
                self.wire.mux.end(id);
                return;
            }
        };
        let sent = body.ok().map(|body| self.wire.mux.send(id, body));
        if !matches!(sent, Some(Ok(()))) {
            let error = ApiError::new(
                ErrorKind::Failed,
                "the answer is too long for the control connection",
            );
            if let Ok(body) = Body::json(&Item::Error(error)) {
                let _ = self.wire.mux.send(id, body);
            }
        }
    }
}
