//! An engine that can only run: overlay, bubblewrap, pipes. For tests of builds.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use noon_domain::{
    AppId, BoxFuture, Engine, EngineError, Exit, Intent, Io, Network, OutputFn, Process,
    ProcessFilter, ProcessSpec, Stream, Visit,
};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

pub struct BubbleEngine {
    layers: PathBuf,
    scratch: PathBuf,
    ran: Mutex<Vec<String>>,
    refuses: AtomicBool,
}

impl BubbleEngine {
    pub fn new(layers: PathBuf, scratch: PathBuf) -> Self {
        std::fs::create_dir_all(&scratch).unwrap();
        Self {
            layers,
            scratch,
            ran: Mutex::default(),
            refuses: AtomicBool::new(false),
        }
    }

    /// Starts nothing from now on.
    pub fn refuse(&self) {
        self.refuses.store(true, Ordering::SeqCst);
    }

    /// All commands so far.
    pub fn ran(&self) -> Vec<String> {
        self.ran.lock().unwrap().clone()
    }

    /// Resolves when a command with this in it has been started.
    pub async fn has_run(&self, part: &str) {
        while !self.ran().iter().any(|command| command.contains(part)) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn command(&self, spec: &ProcessSpec, dir: &Path) -> Command {
        let lower: Vec<_> = spec
            .files
            .layers
            .iter()
            .rev()
            .map(|id| self.layers.join(id.to_string()).display().to_string())
            .collect();
        let upper = spec
            .files
            .upper
            .clone()
            .unwrap_or_else(|| dir.join("upper"));
        for made in [&upper, &dir.join("work"), &dir.join("app")] {
            std::fs::create_dir_all(made).unwrap();
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            lower.join(":"),
            upper.display(),
            dir.join("work").display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c"]);
        command.arg(r#"mount -t overlay overlay -o "$1" "$2"; shift 2; exec bwrap "$@""#);
        command.arg("sh").arg(options).arg(dir.join("app"));
        command.args(walls(spec, &dir.join("app")));
        command.args(["bash", "-c", &spec.command]);
        command
    }
}

fn walls(spec: &ProcessSpec, app: &Path) -> Vec<String> {
    let mut args: Vec<String> =
        "--die-with-parent --new-session --unshare-pid --unshare-ipc --unshare-uts \
        --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib \
        --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp --clearenv"
            .split_whitespace()
            .map(str::to_owned)
            .collect();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    for file in [
        "resolv.conf",
        "hosts",
        "passwd",
        "group",
        "nsswitch.conf",
        "ssl",
        "alternatives",
    ] {
        let path = format!("/etc/{file}");
        add(&["--ro-bind-try", &path, &path]);
    }
    add(&[
        "--bind",
        &app.display().to_string(),
        "/app",
        "--chdir",
        "/app",
    ]);
    for mount in &spec.files.mounts {
        let verb = if mount.writable {
            "--bind"
        } else {
            "--ro-bind"
        };
        add(&[
            verb,
            &mount.source.display().to_string(),
            &mount.target.display().to_string(),
        ]);
    }
    if spec.reach.network == Network::None {
        add(&["--unshare-net"]);
    }
    for (name, value) in &spec.env {
        add(&["--setenv", name, value.expose()]);
    }
    add(&[
        "--setenv",
        "HOME",
        "/app",
        "--setenv",
        "PATH",
        "/usr/local/bin:/usr/bin:/bin",
    ]);
    args
}

impl Engine for BubbleEngine {
    fn run(&self, spec: ProcessSpec, io: Io) -> BoxFuture<'_, Result<Exit, EngineError>> {
        Box::pin(async move {
            let Io::Capture(output) = io else {
                return Err(EngineError::NoRoom {
                    why: "only captures".to_owned(),
                });
            };
            if self.refuses.load(Ordering::SeqCst) {
                return Err(EngineError::NoRoom {
                    why: "tests say so".to_owned(),
                });
            }
            self.ran.lock().unwrap().push(spec.command.clone());
            let dir = self.scratch.join(spec.id.to_string());
            let mut command = self.command(&spec, &dir);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let child = command.kill_on_drop(true).spawn().unwrap();
            let limit = spec.limits.time.unwrap_or(std::time::Duration::MAX);
            let exit = tokio::time::timeout(limit, follow(child, output)).await;
            Ok(exit.unwrap_or(Exit::TimedOut))
        })
    }

    fn converge<'a>(&'a self, _: &'a Intent) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }

    fn observe(&self, _: AppId) -> BoxFuture<'_, Result<Vec<Process>, EngineError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn visit(&self, _: Visit, _: Io) -> BoxFuture<'_, Result<Exit, EngineError>> {
        Box::pin(async {
            let why = "builds are not visited".to_owned();
            Err(EngineError::Refused { why })
        })
    }

    fn restart<'a>(
        &'a self,
        _: AppId,
        _: &'a ProcessFilter,
    ) -> BoxFuture<'a, Result<usize, EngineError>> {
        Box::pin(async { Ok(0) })
    }

    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

async fn follow(mut child: Child, output: OutputFn) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    let output = Arc::new(Mutex::new(output));
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    tokio::join!(
        pump(stdout, Stream::Stdout, output.clone()),
        pump(stderr, Stream::Stderr, output)
    );
    let status = child.wait().await.unwrap();
    match status.code() {
        // A shell's way of telling a signal.
        Some(code) if code > 128 => Exit::Signal(code - 128),
        Some(code) => Exit::Code(code),
        None => Exit::Signal(status.signal().unwrap()),
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, stream: Stream, to: Arc<Mutex<OutputFn>>) {
    let mut buffer = vec![0; 8192];
    loop {
        match from.read(&mut buffer).await {
            Ok(read) if read > 0 => (to.lock().unwrap())(stream, &buffer[..read]),
            _ => return,
        }
    }
}
