//! The router's threads, from start to stop.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;

use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::routes::Routes;
use crate::settings::{Hooks, Settings};
use crate::worker::{self, Post, Worker};

/// Why the router could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener cannot be used.
    #[error("a listening socket of the router cannot be used: give it one that is bound and open")]
    Listener(#[source] io::Error),
    /// A thread could not be started.
    #[error("thread {0} of the router could not be started: raise the limit of threads")]
    Thread(usize, #[source] io::Error),
    /// A thread ended by itself.
    #[error("thread {0} of the router ended by itself: the log tells why, start the router again")]
    Ended(usize),
}

/// Tells, when dropped, that its thread has ended, and how.
struct Ending {
    thread: usize,
    is_good: bool,
    told: mpsc::UnboundedSender<(usize, bool)>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        // Nobody listens once the router is dropped.
        let _ = self.told.send((self.thread, self.is_good));
    }
}

/// Answers requests by these routes until `stop` resolves; then accepts no more, finishes what is
/// in flight within `Limits::shutdown` and returns. The listeners stay open wherever else they are.
///
/// # Errors
/// [`ServeError`]; a thread that ends by itself ends the others in order.
pub async fn serve(
    settings: Settings,
    hooks: Hooks,
    routes: Routes,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (stopper, stopped) = watch::channel(false);
    let post = Post {
        routes,
        hooks,
        limits: settings.limits,
        trusted: settings.trusted,
        stop: stopped,
        thread: 0,
        threads: settings.threads.max(1),
    };
    let (told, endings) = mpsc::unbounded_channel();
    for thread in 0..post.threads {
        let told = told.clone();
        let ending = Ending {
            thread,
            is_good: false,
            told,
        };
        start(
            Post {
                thread,
                ..post.clone()
            },
            &settings.listeners,
            ending,
        )?;
    }
    drop(told);
    wait(endings, stop, &stopper).await
}

/// Waits for the word to stop, or for a thread that ends before it, and then for all.
async fn wait(
    mut endings: mpsc::UnboundedReceiver<(usize, bool)>,
    stop: impl Future<Output = ()>,
    stopper: &watch::Sender<bool>,
) -> Result<(), ServeError> {
    let first = tokio::select! {
        () = stop => None,
        ending = endings.recv() => ending,
    };
    stopper.send_replace(true);
    let mut outcome = Ok(());
    let mut next = first;
    loop {
        if let Some((thread, false)) = next {
            outcome = Err(ServeError::Ended(thread));
        }
        next = endings.recv().await;
        if next.is_none() {
            return outcome;
        }
    }
}

fn start(post: Post, listeners: &[TcpListener], ending: Ending) -> Result<(), ServeError> {
    let number = post.thread;
    let own: io::Result<Vec<_>> = listeners.iter().map(duplicate).collect();
    let own = own.map_err(ServeError::Listener)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ServeError::Thread(number, error))?;
    let body = move || {
        let mut ending = ending;
        let outcome = LocalSet::new().block_on(&runtime, work(post, own));
        // A socket hook that hangs must not hold up the stop.
        runtime.shutdown_background();
        match outcome {
            Ok(()) => ending.is_good = true,
            Err(error) => tracing::error!(%error, "a listener could not be taken up"),
        }
    };
    let thread = std::thread::Builder::new().name(format!("router-{number}"));
    thread
        .spawn(body)
        .map_err(|error| ServeError::Thread(number, error))?;
    Ok(())
}

fn duplicate(listener: &TcpListener) -> io::Result<TcpListener> {
    let own = listener.try_clone()?;
    own.set_nonblocking(true)?;
    Ok(own)
}

async fn work(post: Post, listeners: Vec<TcpListener>) -> io::Result<()> {
    let own = listeners.into_iter().map(tokio::net::TcpListener::from_std);
    let own = own.collect::<io::Result<Vec<_>>>()?;
    worker::run(Rc::new(Worker::new(post)), own).await;
    Ok(())
}
