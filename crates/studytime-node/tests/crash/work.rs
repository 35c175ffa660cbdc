//! What the nodes of these tests are given to do.

use super::random::Random;
use std::path::{Path, PathBuf};
use studytime_node::api::{ApiError, CourseEdit, Import, ImportReply};
use studytime_node::{Builder, Handle, Node};
use studytime_schema::NetworkKey;

/// The list every victim keeps.
pub(crate) const LIST: &str = "School";

fn network() -> NetworkKey {
    NetworkKey::from_bytes([0xc7; 32])
}

/// A node that others can reach only when `listen`.
pub(crate) fn builder(dir: &Path, listen: bool) -> Builder {
    let address = listen.then(|| "127.0.0.1:0".parse().unwrap());
    Builder::new(dir)
        .network(network())
        .listen(address)
        .schedule(false)
        .control(false)
        .default_lists(false)
}

pub(crate) async fn open(dir: &Path, listen: bool) -> Node {
    builder(dir, listen).open().await.unwrap()
}

/// A folder that becomes a course: a text that stands in its message, one that
/// needs a blob, and a file.
pub(crate) fn course_folder(parent: &Path) -> PathBuf {
    let root = parent.join("course");
    let lessons = root.join("01 Start");
    std::fs::create_dir_all(&lessons).unwrap();
    std::fs::write(
        root.join("course.toml"),
        "language = \"en\"\nlicense = \"CC0-1.0\"\nkeywords = [\"biology\"]\n",
    )
    .unwrap();
    let text = |name: &str, text: &str| std::fs::write(lessons.join(name), text).unwrap();
    text("01_Hello.md", "# Hello\n\nSphagnum holds water.\n");
    let long = "Peat grows slowly. ".repeat(1_000);
    text("02_Long.md", &format!("# Long\n\n{long}Drosera.\n"));
    let mut pdf = b"%PDF-1.4\n".to_vec();
    pdf.extend(bytes(&mut Random::new(7), 90_000));
    pdf.extend(b"\n%%EOF\n");
    std::fs::write(lessons.join("03_Atlas.pdf"), pdf).unwrap();
    root
}

pub(crate) fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend(random.next().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

pub(crate) async fn import(
    handle: &Handle,
    folder: &Path,
    name: String,
) -> Result<ImportReply, ApiError> {
    handle
        .call(Import {
            edit: CourseEdit {
                name: Some(name),
                ..CourseEdit::default()
            },
            catalog: Some(LIST.into()),
            ..Import::new(folder.to_owned())
        })
        .await
}

/// Shuts a node down and waits until nothing of it is open any more.
pub(crate) async fn close(node: Node, data: &Path) {
    node.shutdown().await;
    drop(node);
    let lock = std::fs::File::open(data.join("lock")).unwrap();
    super::view::until("the directory is let go", || async { lock.try_lock().ok() }).await;
}
