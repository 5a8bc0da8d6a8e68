//! What people type to their engines: `podman run --rm`, `docker run --rm`, `ctr run --rm`, with each runtime.
//!
//! The daemons are of this bench's own, in namespaces of their own, and end with it.

use crate::options::Options;
use crate::podman::{self, Podman, run};
use crate::sample::{Stage, median, quantile};
use crate::series::{turns, view};
use crate::table::{Column, Table, ratio};
use crate::view::Place;
use crate::{Result, bundle, contender};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const COLUMNS: &[Column] = &[
    ("p10 ms", 1),
    ("median ms", 1),
    ("p90 ms", 1),
    ("x crun", 2),
    ("x runc", 2),
];

/// How long a daemon may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemons' namespaces: with their first process all of it ends. What they keep below /run is their own; what
/// clients have to reach is below the work directory.
const DAEMON: &str = "ip link set lo up; mount -t tmpfs run /run; cd \"$0\" || exit; exec \"$@\"";

/// Makes a whole command line that runs a payload.
type Spelling<'a> = Box<dyn Fn(&[&str]) -> Command + 'a>;

/// A client with a runtime.
struct Pair<'a> {
    client: &'static str,
    runtime: String,
    command: Spelling<'a>,
    walls: Vec<f64>,
}

/// Measures each client that is installed with each runtime.
pub(crate) fn measure(options: &Options, place: &Place) -> Result<()> {
    let title = format!(
        "run --rm by clients, {} view, {} rounds",
        view(options),
        options.rounds
    );
    let mut table = Table::new(title, COLUMNS);
    let mut stage = Stage::new(&place.work, options.gap)?;
    let runtimes = runtimes(options, place)?;
    let rootfs = place.work.join(bundle::ROOTFS);
    let mut stores = Vec::new();
    for (name, path) in &runtimes {
        stores.push((name, Podman::with_image(place, &rootfs, path)?));
    }
    let docker = start_docker(place, &runtimes);
    let containerd = start_containerd(place, stores.first().map(|(_, store)| store));
    let failed = [
        ("docker", docker.as_ref().err()),
        ("ctr", containerd.as_ref().err()),
    ];
    for (client, error) in failed {
        if let Some(error) = error {
            table.note(format!("left out: {client}: {error}"));
        }
    }
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for (name, store) in &stores {
        let command = |payload: &[&str]| podman_run(store, place, payload);
        pairs.push(Pair::new("podman", name, Box::new(command)));
    }
    for (name, path) in &runtimes {
        if docker.is_ok() {
            let command = |payload: &[&str]| docker_run(place, name, payload);
            pairs.push(Pair::new("docker", name, Box::new(command)));
        }
        if let Ok((_, image)) = &containerd {
            let by = ["--runtime", "io.containerd.runc.v2", "--runc-binary"];
            let command = move |payload: &[&str]| ctr_run(place, image, &by, Some(path), payload);
            pairs.push(Pair::new("ctr", name, Box::new(command)));
        }
    }
    if let (Ok((_, image)), Some(_)) = (&containerd, contender::ours(options)) {
        let by = ["--runtime", "io.containerd.stockade.v2"];
        let command = move |payload: &[&str]| ctr_run(place, image, &by, None, payload);
        pairs.push(Pair::new("ctr", "stockade's own shim", Box::new(command)));
    }
    pairs.sort_by_key(|pair| pair.client);
    pairs.retain(|pair| {
        let ran = stage.measure((pair.command)(bundle::ENDING));
        if let Err(error) = &ran {
            table.note(format!("left out: {}: {error}", pair.name()));
        }
        ran.is_ok()
    });
    for round in 1..=options.rounds {
        for turn in turns(pairs.len(), round) {
            let sample = stage.measure((pairs[turn].command)(bundle::ENDING))?;
            pairs[turn].walls.push(sample.wall);
        }
    }
    add_rows(&mut table, &pairs);
    drop(pairs);
    drop((docker, containerd));
    place.sweep();
    table.print(options.format);
    Ok(())
}

impl<'a> Pair<'a> {
    fn new(client: &'static str, runtime: &str, command: Spelling<'a>) -> Self {
        Self {
            client,
            runtime: runtime.to_owned(),
            command,
            walls: vec![],
        }
    }

    fn name(&self) -> String {
        format!("{} with {}", self.client, self.runtime)
    }
}

/// The runtimes by name. Ours has a link by which clients know what it is.
fn runtimes(options: &Options, place: &Place) -> Result<Vec<(String, PathBuf)>> {
    let mut all: Vec<(String, PathBuf)> = Vec::new();
    for (name, path) in &options.peers {
        match run(Command::new("which").arg(path)) {
            Ok(found) => all.push((name.clone(), found.into())),
            Err(_) => eprintln!("skipped: {name}: {} is not installed", path.display()),
        }
    }
    if let Some(program) = contender::ours(options) {
        let links = place.work.join("links");
        fs::create_dir_all(&links)?;
        for name in ["stockade-oci", "containerd-shim-stockade-v2"] {
            let link = links.join(name);
            if !link.exists() {
                symlink(&program, link)?;
            }
        }
        all.push((contender::OURS.to_owned(), links.join("stockade-oci")));
    }
    Ok(all)
}

fn podman_run(podman: &Podman, place: &Place, payload: &[&str]) -> Command {
    let mut command = podman.command();
    command.args(["run", "--rm", "--network", "none"]);
    command
        .args([
            "--cgroup-parent",
            &format!("/{}", place.prefix),
            podman::IMAGE,
        ])
        .args(payload);
    command
}

fn docker_(place: &Place) -> Command {
    let mut command = Command::new("docker");
    command.env("DOCKER_CONFIG", place.work.join("docker"));
    let socket = place.work.join("docker/sock");
    command
        .arg("--host")
        .arg(format!("unix://{}", socket.display()));
    command
}

fn docker_run(place: &Place, runtime: &str, payload: &[&str]) -> Command {
    let mut command = docker_(place);
    command.args(["run", "--rm", "--network", "none", "--runtime", runtime]);
    command
        .args([
            "--cgroup-parent",
            &format!("/{}", place.prefix),
            podman::IMAGE,
        ])
        .args(payload);
    command
}

fn ctr(place: &Place) -> Command {
    let mut command = Command::new("ctr");
    command
        .arg("--address")
        .arg(place.work.join("containerd/sock"));
    // The containers' cgroups are in one of this name.
    command.args(["--namespace", &place.prefix]);
    command
}

fn ctr_run(
    place: &Place,
    image: &str,
    by: &[&str],
    binary: Option<&Path>,
    payload: &[&str],
) -> Command {
    let mut command = ctr(place);
    command.args(["run", "--rm", "--fifo-dir"]);
    command.arg(place.work.join("containerd/fifo")).args(by);
    command.args(binary).args([image, "c"]).args(payload);
    command
}

/// A daemon with all that it has started.
struct Daemon(Child);

impl Daemon {
    /// Starts it, and waits until `probe` succeeds.
    fn start(place: &Place, name: &str, words: &[&str], probe: &mut Command) -> Result<Self> {
        run(Command::new("which").arg(words[0]))?;
        let directory = place.work.join(name);
        fs::create_dir_all(&directory)?;
        let log = fs::File::create(directory.join("log"))?;
        let path = std::env::var("PATH").unwrap_or_default();
        let links = place.work.join("links");
        let child = Command::new("unshare")
            .args([
                "--net",
                "--pid",
                "--mount",
                "--fork",
                "--mount-proc",
                "--kill-child",
            ])
            .args(["--propagation", "private", "sh", "-c", DAEMON])
            .arg(&directory)
            .args(words)
            .env("PATH", format!("{}:{path}", links.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut daemon = Self(child);
        let start = Instant::now();
        while run(probe).is_err() {
            if daemon.0.try_wait()?.is_some() || start.elapsed() > PATIENCE {
                let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
                return Err(log.lines().last().unwrap_or("it does not come up").into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_docker(place: &Place, runtimes: &[(String, PathBuf)]) -> Result<Daemon> {
    let added: Vec<String> = runtimes
        .iter()
        .filter(|(name, _)| name != "runc")
        .map(|(name, path)| format!("--add-runtime={name}={}", path.display()))
        .collect();
    let at = place.work.join("docker");
    let at = at.display();
    let places = [
        format!("--host=unix://{at}/sock"),
        format!("--data-root={at}/root"),
        format!("--exec-root={at}/exec"),
        format!("--pidfile={at}/pid"),
    ];
    let mut words = vec![
        "dockerd",
        "--bridge=none",
        "--iptables=false",
        "--ip-forward=false",
    ];
    words.extend(places.iter().map(String::as_str));
    words.extend(added.iter().map(String::as_str));
    let daemon = Daemon::start(place, "docker", &words, docker_(place).arg("info"))?;
    let archive = place.work.join("rootfs.tar");
    run(docker_(place).arg("import").arg(archive).arg(podman::IMAGE))?;
    Ok(daemon)
}

/// A containerd, and the image's name in it.
fn start_containerd(place: &Place, store: Option<&Podman>) -> Result<(Daemon, String)> {
    let store = store.ok_or("no podman to make its archive with")?;
    let directory = place.work.join("containerd");
    fs::create_dir_all(&directory)?;
    let config = format!(
        "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  address = \"{0}/sock\"\n\
         [ttrpc]\n  address = \"{0}/sock.ttrpc\"\n[plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"{0}/opt\"\n",
        directory.display()
    );
    fs::write(directory.join("config.toml"), config)?;
    let words = ["containerd", "--config", "config.toml"];
    let daemon = Daemon::start(place, "containerd", &words, ctr(place).arg("version"))?;
    let archive = crate::people::archive(place, Some(store))?;
    run(ctr(place).args(["image", "import"]).arg(archive))?;
    let names = run(ctr(place).args(["image", "ls", "--quiet"]))?;
    let image = names.lines().next().ok_or("containerd has no image")?;
    Ok((daemon, image.to_owned()))
}

fn add_rows(table: &mut Table, pairs: &[Pair<'_>]) {
    let wall = |pair: &Pair<'_>| median(pair.walls.iter().copied());
    for pair in pairs {
        let beside = |runtime: &str| {
            let mut same = pairs.iter().filter(|other| other.client == pair.client);
            same.find(|other| other.runtime == runtime).map(wall)
        };
        let at = |share| Some(quantile(pair.walls.iter().copied(), share));
        let own = Some(wall(pair));
        table.row(
            &pair.name(),
            vec![
                at(0.1),
                own,
                at(0.9),
                ratio(own, beside("crun")),
                ratio(own, beside("runc")),
            ],
        );
    }
}
