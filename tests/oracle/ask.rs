//! The JavaScript modules as a process: a question a line, an answer a line.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Oracle {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

impl Oracle {
    pub(crate) fn start() -> Self {
        let folder = folder();
        assert!(
            folder.join("node_modules").is_dir(),
            "the JavaScript modules that this test asks are not installed: run ./scripts/setup"
        );
        let mut child = Command::new("node")
            .arg("oracle.js")
            .current_dir(&folder)
            // Its own fallback in JavaScript judges some signatures otherwise.
            .env_remove("CHLORIDE_JS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node did not start: run ./scripts/setup, which installs it");
        let mut oracle = Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("its output is piped")),
            child,
        };
        let hello = oracle.read();
        assert_eq!(
            hello["sodium"], "native",
            "sodium-native did not load in interop/node_modules; without it the JavaScript modules \
             judge some signatures otherwise than on the network: remove that folder and run \
             ./scripts/setup"
        );
        oracle
    }

    /// Asks, and takes an error for a fault of the test.
    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        self.try_ask(question)
            .unwrap_or_else(|e| panic!("the oracle failed: {e}, asked {}", question["ask"]))
    }

    /// Asks; the text of what was thrown otherwise.
    pub(crate) fn try_ask(&mut self, question: &Value) -> Result<Value, String> {
        let stdin = self.stdin.as_mut().expect("open until dropped");
        let mut line = question.to_string();
        line.push('\n');
        stdin
            .write_all(line.as_bytes())
            .expect("the oracle listens");
        let mut answer = self.read();
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["value"].take()),
        }
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.stdout
            .read_line(&mut line)
            .expect("the oracle answers");
        serde_json::from_str(&line).expect("the oracle answers in JSON; is its error above?")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.stdin = None;
        let _ = self.child.wait();
    }
}
