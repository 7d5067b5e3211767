//! The keeper is the program in each container that keeps its nodes' output. It also says how nodes are to whoever asks at
//! its socket on the volume: that takes no program in the container, and shows that the container sees the same volume.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::storage;

/// One that takes longer is busy: there is another way to ask.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than the report on as many nodes as a container holds.
const MOST_BYTES: u64 = 1 << 20;

/// What the keeper of a group knows about its nodes, as [`super::script::parse`] reads it; none when it knows too little, or
/// there is none.
pub async fn nodes(node_storage: &Path, group: &str) -> Option<String> {
    ask(node_storage, group, "status\n").await.filter(|answer| answer.contains("end\t"))
}

/// The id of the storage that the container of a group sees; none while it boots, or when its keeper cannot be asked.
pub async fn storage_id(node_storage: &Path, group: &str) -> Option<String> {
    ask(node_storage, group, "storage\n").await?.strip_prefix("storage ").map(str::to_owned)
}

async fn ask(node_storage: &Path, group: &str, question: &str) -> Option<String> {
    let socket = storage::keeper(node_storage, group);
    // A node could have put a link there, to the socket of somebody else.
    fs::symlink_metadata(&socket).ok().filter(|data| data.file_type().is_socket())?;
    let asked = async {
        let mut stream = UnixStream::connect(&socket).await.ok()?;
        stream.write_all(question.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.take(MOST_BYTES).read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}
