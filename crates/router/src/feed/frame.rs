//! Frames: four bytes of length, then JSON.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest frame, in bytes: some hundred thousand hosts.
const MAX: u32 = 64 * 1024 * 1024;

/// What a frame holds, without its length.
pub(crate) fn body(frame: &[u8]) -> &[u8] {
    frame.get(4..).unwrap_or_default()
}

/// Writes a value down, with its length before it.
pub(crate) fn encode(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, value)?;
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// Sends a frame.
pub(crate) async fn send(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    to.write_all(frame).await?;
    to.flush().await
}

/// Reads a frame. Not to be dropped half-way: what was read of it would be lost.
pub(crate) async fn receive<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> io::Result<T> {
    let length = from.read_u32().await?;
    if length > MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame is too large",
        ));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes).await?;
    serde_json::from_slice(&bytes).map_err(io::Error::from)
}
