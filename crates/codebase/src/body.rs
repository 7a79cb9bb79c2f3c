//! A request's body: inflated where it must be, bounded, and always read to its end.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes};
use flate2::write::GzDecoder;
use futures_util::StreamExt;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// How long a client may send nothing before it counts as gone.
const SILENCE: Duration = Duration::from_secs(120);

/// How much is inflated at once, in compressed bytes: at most about a thousand times as much
/// comes out.
const SIP: usize = 1024;

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client left.
    #[error("the client left before it had sent everything")]
    Left(#[source] axum::Error),
    /// The client stays and sends nothing.
    #[error("the client sent nothing for {} s", SILENCE.as_secs())]
    Silent,
    /// It is not gzip although it says so, or ends too early.
    #[error("the request's gzip is damaged")]
    Damaged(#[source] io::Error),
}

/// A body, plain, piece by piece.
pub(crate) struct Plain {
    pieces: BodyDataStream,
    gzip: Option<Gzip>,
}

struct Gzip {
    decoder: GzDecoder<Vec<u8>>,
    compressed: Bytes,
}

impl Plain {
    /// Takes a body with its `Content-Encoding`.
    pub fn new(headers: &HeaderMap, body: Body) -> Self {
        let is_gzip = headers.get(CONTENT_ENCODING).is_some_and(|encoding| {
            encoding.as_bytes() == b"gzip" || encoding.as_bytes() == b"x-gzip"
        });
        let gzip = is_gzip.then(|| Gzip {
            decoder: GzDecoder::new(Vec::new()),
            compressed: Bytes::new(),
        });
        Self {
            pieces: body.into_data_stream(),
            gzip,
        }
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match &mut self.gzip {
            None => next(&mut self.pieces).await,
            Some(gzip) => gzip.next(&mut self.pieces).await,
        }
    }

    /// Hands up to `most` bytes to `sink` and closes it. A sink that is full or takes no more ends
    /// nothing: the rest is read and dropped as it is, since a client reads no answer before it has
    /// sent its all.
    pub async fn feed(
        mut self,
        mut sink: impl AsyncWrite + Unpin,
        most: u64,
    ) -> Result<(), BodyError> {
        let mut left = most;
        while let Some(piece) = self.next().await? {
            match left.checked_sub(piece.len() as u64) {
                Some(rest) if sink.write_all(&piece).await.is_ok() => left = rest,
                _ => break,
            }
        }
        drop(sink);
        while next(&mut self.pieces).await?.is_some() {}
        Ok(())
    }

    /// Reads and drops what comes, up to `most` bytes as they are sent.
    pub async fn skip(mut self, most: usize) -> Result<(), BodyError> {
        let mut read = 0;
        while let Some(piece) = next(&mut self.pieces).await? {
            read += piece.len();
            if read > most {
                break;
            }
        }
        Ok(())
    }
}

impl Gzip {
    async fn next(&mut self, pieces: &mut BodyDataStream) -> Result<Option<Bytes>, BodyError> {
        loop {
            if self.compressed.is_empty() {
                match next(pieces).await? {
                    Some(piece) => self.compressed = piece,
                    None => return self.finish(),
                }
            }
            let sip = self.compressed.len().min(SIP);
            let written = self.decoder.write_all(&self.compressed[..sip]);
            written.map_err(BodyError::Damaged)?;
            self.compressed.advance(sip);
            if let Some(plain) = self.take() {
                return Ok(Some(plain));
            }
        }
    }

    fn finish(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.decoder.try_finish().map_err(BodyError::Damaged)?;
        Ok(self.take())
    }

    fn take(&mut self) -> Option<Bytes> {
        let plain = std::mem::take(self.decoder.get_mut());
        (!plain.is_empty()).then(|| plain.into())
    }
}

async fn next(pieces: &mut BodyDataStream) -> Result<Option<Bytes>, BodyError> {
    match tokio::time::timeout(SILENCE, pieces.next()).await {
        Err(_) => Err(BodyError::Silent),
        Ok(piece) => piece.transpose().map_err(BodyError::Left),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::stream;
    use http::HeaderValue;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn body(sent: &[u8]) -> Plain {
        let pieces = sent
            .chunks(7)
            .map(|chunk| Ok::<_, io::Error>(Bytes::copy_from_slice(chunk)));
        let pieces: Vec<_> = pieces.collect();
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
        Plain::new(&headers, Body::from_stream(stream::iter(pieces)))
    }

    #[tokio::test]
    async fn gzip_is_inflated_in_small_pieces() {
        let plain = vec![7; 20 << 20];
        let (compressed, mut inflated) = (gzip(&plain), Vec::new());
        let mut body = body(&compressed);
        while let Some(piece) = body.next().await.unwrap() {
            assert!(piece.len() < 2 << 20, "{} bytes at once", piece.len());
            inflated.extend_from_slice(&piece);
        }
        assert!(inflated == plain);
    }

    #[tokio::test]
    async fn a_bomb_is_not_handed_on_beyond_the_limit() {
        let mut sink = Vec::new();
        body(&gzip(&vec![0; 20 << 20]))
            .feed(&mut sink, 1 << 20)
            .await
            .unwrap();
        assert!(sink.len() <= 1 << 20, "{} bytes", sink.len());
    }

    #[tokio::test]
    async fn damaged_and_truncated_gzip_is_no_end() {
        let whole = gzip(b"git push");
        for bad in [&b"not gzip at all"[..], &whole[..whole.len() - 3]] {
            let fed = body(bad).feed(tokio::io::sink(), u64::MAX).await;
            assert!(matches!(fed, Err(BodyError::Damaged(_))), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_sink_that_takes_no_more_does_not_stop_the_reading() {
        let (sink, other_end) = tokio::io::duplex(16);
        drop(other_end);
        let read = Arc::new(AtomicUsize::new(0));
        let count = read.clone();
        let pieces = (0..100).map(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<_, io::Error>(Bytes::from_static(b"piece"))
        });
        let body = Plain::new(&HeaderMap::new(), Body::from_stream(stream::iter(pieces)));
        body.feed(sink, u64::MAX).await.unwrap();
        assert_eq!(read.load(Ordering::SeqCst), 100);
    }
}
