//! Starts the program on directories of its own, for tests.
//!
//! Everything happens on a private network, on free ports, without a browser.
//! What is started is ended when its value is dropped; every wait has an end.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(clippy::print_stdout, reason = "says what is left out")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The private network of the tests.
pub const NETWORK_KEY: &str = "c3R1ZHl0aW1lIHRlc3QgbmV0d29yayAoMzIgYnl0ZXM=";
/// No wait is longer.
pub const LIMIT: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Asks until there is an answer; panics with `what` when there is none in time.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// One user: a data directory, and room for files beside it.
pub struct Home {
    dir: tempfile::TempDir,
    network: String,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub fn new() -> Self {
        Self::on_network(NETWORK_KEY)
    }

    /// On another network.
    pub fn on_network(key: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self {
            dir,
            network: key.to_owned(),
        }
    }

    /// Below a folder of one's own choosing.
    pub fn within(folder: &Path) -> Self {
        let dir = tempfile::tempdir_in(folder).expect("a temporary directory");
        Self {
            dir,
            network: NETWORK_KEY.to_owned(),
        }
    }

    /// The data directory; the program makes it.
    pub fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    /// A path beside the data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file beside the data directory.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let parent = path.parent().expect("a folder above it");
        std::fs::create_dir_all(parent).expect("folders can be made");
        std::fs::write(&path, bytes).expect("files can be written");
        path
    }

    /// The program with this user's data directory and network.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.current_dir(self.dir.path());
        command.arg("--data-dir").arg(self.data_dir());
        command.arg("--network-key").arg(&self.network);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Done {
        finish(self.command(args))
    }

    /// Runs a command for people; it must succeed.
    pub fn text(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        done.stdout
    }

    /// Runs a command with `--json`; it must succeed and print one value.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut lines = self.lines(args);
        assert_eq!(lines.len(), 1, "{args:?} printed {lines:?}");
        lines.remove(0)
    }

    /// Makes a list; answers its id.
    pub fn new_list(&self, name: &str) -> String {
        let made = self.json(&["catalog", "new", name]);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Runs a command with `--json`; it must succeed and print a value a line.
    pub fn lines(&self, args: &[&str]) -> Vec<Value> {
        let done = self.run(&[args, &["--json"]].concat());
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        json_lines(&done.stdout)
    }

    /// Runs a command with `--json`; it must fail with this exit code. Answers
    /// `{"kind","message","hint"}`.
    pub fn fails(&self, code: i32, args: &[&str]) -> Value {
        let done = self.run(&[args, &["--json"]].concat());
        assert_eq!(done.code, code, "{args:?}: {done:?}");
        let last = done.stderr.lines().last().unwrap_or_default();
        let mut error: Value =
            serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {done:?}"));
        error["error"].take()
    }

    /// Starts `serve --json` on free ports and waits until it is ready.
    pub fn serve(&self, args: &[&str]) -> Serving {
        let ports = ["serve", "--listen", "127.0.0.1:0"];
        let pages: &[&str] = if args.contains(&"--no-http") {
            &[]
        } else {
            &["--http", "127.0.0.1:0"]
        };
        Serving::start(self.command(&[&ports, pages, args, &["--json"]].concat()))
    }
}

/// The program without a data directory or network.
pub fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_studytime"));
    for variable in [
        "STUDYTIME_DATA_DIR",
        "STUDYTIME_NETWORK_KEY",
        "RUST_LOG",
        "DISPLAY",
        "WAYLAND_DISPLAY",
    ] {
        command.env_remove(variable);
    }
    command
        .env("STUDYTIME_NO_BROWSER", "1")
        .env("NO_COLOR", "1")
        .args(args);
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn finish(mut command: Command) -> Done {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdout = collect(child.stdout.take().expect("piped"));
    let stderr = collect(child.stderr.take().expect("piped"));
    let status = wait(&mut child).unwrap_or_else(|| {
        let _ = child.kill();
        panic!("{command:?} did not end in time");
    });
    Done {
        code: status.code().unwrap_or(-1),
        stdout: stdout.join().expect("output is text"),
        stderr: stderr.join().expect("output is text"),
    }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).expect("output is text");
        text
    })
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("the child can be asked") {
            return Some(status);
        }
        thread::sleep(LOOK_AGAIN);
    }
    None
}

pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// A node that runs: `serve`, `demo` or plain `studytime`, with `--json`.
pub struct Serving {
    child: Child,
    /// The first line.
    pub ready: Value,
    events: Receiver<Value>,
    stderr: Arc<Mutex<String>>,
}

impl Serving {
    /// Starts a command that prints `{"event":"ready",…}` first, and waits for that.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (tx, events) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                if tx.send(value).is_err() {
                    return;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (log, from) = (
            Arc::clone(&stderr),
            BufReader::new(child.stderr.take().expect("piped")),
        );
        thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                let mut log = log.lock().expect("no other thread panics with it");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut serving = Self {
            child,
            ready: Value::Null,
            events,
            stderr,
        };
        match serving.events.recv_timeout(LIMIT) {
            Ok(ready) => serving.ready = ready,
            Err(e) => panic!("{command:?} said nothing ({e}): {}", serving.stderr()),
        }
        assert_eq!(serving.ready["event"], "ready", "{}", serving.ready);
        serving
    }

    fn field(&self, name: &str) -> &str {
        self.ready[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {}", self.ready))
    }

    /// The node's id.
    pub fn id(&self) -> &str {
        self.field("id")
    }

    /// Where the pages are: `http://127.0.0.1:PORT`.
    pub fn http(&self) -> &str {
        self.field("http")
    }

    /// What others connect to: `net:…~shs:…`.
    pub fn address(&self) -> &str {
        self.field("address")
    }

    /// What it said on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr
            .lock()
            .expect("no other thread panics with it")
            .clone()
    }

    /// The next event that `is`; those before it are skipped.
    pub fn event(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        while let Ok(event) = self
            .events
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            if is(&event) {
                return event;
            }
        }
        panic!("waited in vain for the event: {what}; {}", self.stderr());
    }

    /// Sends a signal by name (`INT`, `TERM`) and waits for the end.
    pub fn signal(&mut self, name: &str) -> ExitStatus {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.expect("there is `kill`").success());
        wait(&mut self.child)
            .unwrap_or_else(|| panic!("did not end on SIG{name}: {}", self.stderr()))
    }

    /// Ends it as Ctrl-C would; it must end well.
    pub fn stop(mut self) {
        let status = self.signal("INT");
        assert!(status.success(), "{status}: {}", self.stderr());
    }

    /// Ends it without a chance to tidy up.
    pub fn kill(mut self) {
        self.child.kill().expect("the child can be killed");
        let _ = self.child.wait();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the pages answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Fetches `base` + `path` (`base` as [`Serving::http`] has it) with more headers.
pub fn get(base: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let host = base.strip_prefix("http://").expect("the pages are on http");
    let mut stream = TcpStream::connect(host).expect("the pages can be reached");
    stream
        .set_read_timeout(Some(LIMIT))
        .expect("a time limit can be set");
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream
        .write_all(request.as_bytes())
        .expect("the request can be sent");
    let mut reader = BufReader::new(stream);
    let line = |reader: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer comes");
        line.trim_end().to_owned()
    };
    let first = line(&mut reader);
    let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{first:?} is no HTTP answer"));
    let mut headers = Vec::new();
    loop {
        let header = line(&mut reader);
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&line(&mut reader), 16).expect("a chunk has a size");
            if size == 0 {
                break;
            }
            let start = answer.body.len();
            answer.body.resize(start + size, 0);
            reader
                .read_exact(&mut answer.body[start..])
                .expect("a chunk comes whole");
            line(&mut reader);
        }
    } else {
        reader
            .read_to_end(&mut answer.body)
            .expect("the body comes whole");
    }
    answer
}

/// Path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().expect("test paths are text")
}

/// Where [`on_small_disk`] has its disk, for the test inside.
pub const SMALL_DISK: &str = "STUDYTIME_SMALL_DISK";

/// Runs the ignored test `on_a_small_disk` of the same file where the temporary
/// folder is a disk of so many MiB, where the system lets an ordinary user make
/// one; says so where not. `more` goes to its environment.
pub fn on_small_disk(mib: u32, more: &[(&str, &Path)]) {
    let mount = tempfile::tempdir().expect("a folder");
    let script = format!("mount -t tmpfs -o size={mib}m none \"$0\" && exec \"$@\"");
    let inside = || {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &script, arg(mount.path())]);
        command
    };
    let possible = inside().arg("true").stdin(Stdio::null()).output();
    if !possible.is_ok_and(|done| done.status.success()) {
        println!("left out: no disk of its own can be made here");
        return;
    }
    let mut inside = inside();
    inside.arg(std::env::current_exe().expect("this test"));
    inside.args(["--exact", "on_a_small_disk", "--ignored", "--nocapture"]);
    inside.envs(more.iter().copied());
    inside
        .env(SMALL_DISK, mount.path())
        .env("TMPDIR", mount.path());
    let done = finish(inside);
    println!("{}", done.stdout);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("1 passed"), "{}", done.stdout);
}
