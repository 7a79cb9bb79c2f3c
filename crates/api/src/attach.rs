//! A user's terminal, or pipes, joined to a one-off: frames over an upgraded connection.

use std::sync::mpsc as std_mpsc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use noon_control::Claim;
use noon_domain::{Input, Io, OutputFn, Stream, WindowSize};
use noon_wire::noon::frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use crate::House;
use crate::failure::Failure;

/// How many frames of output may wait for a slow user before the process waits too.
const WAITING: usize = 64;

/// Upgrades the connection and runs the one-off on it.
pub async fn attach(
    State(house): State<House>,
    Path(secret): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let wanted = request
        .headers()
        .get(header::UPGRADE)
        .and_then(|v| v.to_str().ok());
    if wanted != Some("noon-attach") {
        return Err(Failure::bad_request(
            "this address is for `noon run` and `noon ps exec`: upgrade to noon-attach",
        ));
    }
    let claim = house.control.claim(&secret)?;
    tokio::spawn(async move {
        match hyper::upgrade::on(request).await {
            Ok(upgraded) => join(house, claim, upgraded).await,
            Err(error) => tracing::warn!(%error, "a user left before attaching"),
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("noon-attach"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    Ok(response)
}

async fn join(house: House, claim: Claim, upgraded: Upgraded) {
    let (from_user, to_user) = tokio::io::split(TokioIo::new(upgraded));
    let (input, inputs) = std_mpsc::channel();
    let (frames, outputs) = mpsc::channel(WAITING);
    let reading = tokio::spawn(read_input(from_user, input));
    let writing = tokio::spawn(write_output(to_user, outputs));
    let io = Io::Attached {
        terminal: claim.terminal,
        input: inputs,
        output: output_frames(frames.clone()),
    };
    let last = match house.control.run_claimed(claim, io).await {
        Ok(exit) => frame::encode(frame::EXIT, &exit.code().to_be_bytes()),
        Err(error) => frame::encode(frame::FAILED, error.message().as_bytes()),
    };
    let _ = frames.send(last).await;
    drop(frames);
    let _ = writing.await;
    reading.abort();
}

/// Output becomes frames. Called from a thread of the engine's, which may wait.
fn output_frames(frames: mpsc::Sender<Vec<u8>>) -> OutputFn {
    Box::new(move |stream, bytes| {
        let kind = match stream {
            Stream::Stdout => frame::STDOUT,
            Stream::Stderr => frame::STDERR,
        };
        for piece in bytes.chunks(frame::MAX) {
            let _ = frames.blocking_send(frame::encode(kind, piece));
        }
    })
}

async fn write_output(
    mut to_user: WriteHalf<impl AsyncWrite>,
    mut frames: mpsc::Receiver<Vec<u8>>,
) {
    while let Some(bytes) = frames.recv().await {
        if to_user.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to_user.shutdown().await;
}

/// Frames become input, until the user leaves: then the sender is dropped, which hangs up.
async fn read_input(mut from_user: ReadHalf<impl AsyncRead>, input: std_mpsc::Sender<Input>) {
    let mut head = [0; 5];
    while from_user.read_exact(&mut head).await.is_ok() {
        let (kind, length) = frame::decode_head(head);
        if length > frame::MAX {
            return;
        }
        let mut payload = vec![0; length];
        if from_user.read_exact(&mut payload).await.is_err() {
            return;
        }
        let Some(parsed) = parse(kind, payload) else {
            return;
        };
        if input.send(parsed).is_err() {
            return;
        }
    }
}

fn parse(kind: u8, payload: Vec<u8>) -> Option<Input> {
    match (kind, payload.as_slice()) {
        (frame::STDIN, _) => Some(Input::Bytes(payload)),
        (frame::RESIZE, &[a, b, c, d]) => Some(Input::Resize(WindowSize {
            columns: u16::from_be_bytes([a, b]),
            rows: u16::from_be_bytes([c, d]),
        })),
        (frame::SIGNAL, &[signal]) => Some(Input::Signal(i32::from(signal))),
        (frame::END, &[]) => Some(Input::End),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_user_are_read_and_others_end_it() {
        let size = WindowSize {
            columns: 120,
            rows: 40,
        };
        for (kind, payload, expected) in [
            (
                frame::STDIN,
                b"ls\n".to_vec(),
                Some(Input::Bytes(b"ls\n".to_vec())),
            ),
            (
                frame::RESIZE,
                vec![0, 120, 0, 40],
                Some(Input::Resize(size)),
            ),
            (frame::SIGNAL, vec![2], Some(Input::Signal(2))),
            (frame::END, vec![], Some(Input::End)),
            (frame::RESIZE, vec![1], None),
            (frame::STDOUT, vec![], None),
            (99, vec![], None),
        ] {
            assert_eq!(parse(kind, payload), expected, "{kind}");
        }
    }
}
